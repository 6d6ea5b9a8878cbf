"""Small inputs that expand into large ones, and a program that measures the memory they need.

`python -m tests.bombs FOLDER` hands each event in a folder to a consumer, one after another, and
prints the peak memory of each, and its CPU time beside that of ordinary rides.
"""

from __future__ import annotations

import gzip
import json
import resource
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model import load_model
from streaming.consumer.consumer import Consumer
from streaming.consumer.validation import LOOKUP_BYTES
from streaming.locations import S3Location
from streaming.publisher import Publisher
from streaming.storage import S3Storage
from tests.fakes.last_batch import LastBatch
from tests.kpl_aggregation import aggregate, aggregate_of, entry, field
from tests.lambda_events import event, ride

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1024 * 1024
ADDRESS_SPACE = 4096 * MIB
"""The measuring process's limit, so that a bomb that succeeds does not harm the machine."""


def gzip_of(head: bytes, repeated: bytes, size: int, tail: bytes = b"") -> bytes:
    """Compress a repeated text, up to a size."""
    packer = zlib.compressobj(wbits=31)
    chunk = repeated * (MIB // len(repeated))
    parts = [packer.compress(head)]
    parts += [packer.compress(chunk) for _ in range(size // len(chunk))]
    return b"".join([*parts, packer.compress(tail), packer.flush()])


def gzip_without_end(size: int) -> bytes:
    """Compress zeros up to a size, quickly: one compressed block, repeated; the end is missing."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (size // MIB)


BAD_RIDE = b'{"ride_id": 1, "ride": 5, "more": '
DIGITS = b"9" * MIB

BOMBS = {
    "gzip that expands to a GiB": [gzip_without_end(1024 * MIB)],
    "gzips of 9 MiB of numbers": [gzip_of(BAD_RIDE + b"[", b"1,", 9 * MIB, b"1]}")] * 16,
    "gzips of 9 MiB of lists": [gzip_of(BAD_RIDE + b"[", b"[],", 9 * MIB, b"1]}")] * 4,
    "gzips of 9 MiB of keys": [gzip_of(BAD_RIDE + b"{", b'"a":1,', 9 * MIB, b'"a":1}}')] * 4,
    "gzips of 9 MiB of text": [
        gzip_of(BAD_RIDE + '"\N{ONCOMING TAXI}'.encode(), b"x", 9 * MIB, b'"}')
    ]
    * 4,
    "a million lists, one in another": [b"[" * MIB] * 4,
    "an aggregate of half a million entries": [aggregate(field(3, b"") * (MIB // 2))],
    "aggregates of 49,000 entries": [aggregate_of("k", [entry(b"x")] * 49_000)] * 2,
    "an aggregate of 49,000 entries under one huge key": [
        aggregate_of("k" * (MIB // 2), [entry(b"x")] * 49_000)
    ],
    "aggregates of an entry of absurd length": [aggregate(b"\x1a" + b"\xff" * 9 + b"\x01")] * 1000,
    "a zone with a million digits": [ride(PULocationID="here").replace(b'"here"', DIGITS)] * 4,
    "a ride id with a million digits": [ride("here").replace(b'"here"', DIGITS)] * 4,
}


FIELDS = (
    "event_type",
    "ride_id",
    "ride",
    "unknown",
    "ride.PULocationID",
    "ride.trip_distance",
    "ride.pickup_datetime",
    "ride.passenger_count",
    "ride.unknown",
)
"""Every field whose value is decoded in a way of its own, and those that are ignored."""

STUFFING = {
    "lists": (b"[", b"[],", b"1]"),
    "nested lists": (b"[" * 500, b"1,", b"1" + b"]" * 500),
    "numbers": (b"[", b"1,", b"1]"),
    "keys": (b"{", b'"a":1,', b'"a":1}'),
    "text": (b'"', b"x", b'"'),
    "escapes": (b'"', b"\\u0041", b'"'),
    "text beyond ASCII": ('"\N{ONCOMING TAXI}'.encode(), b"x", b'"'),
    "digits": (b"", b"9", b"9"),
    "decimals": (b"0.", b"9", b"9"),
    "constants": (b"[", b"NaN,", b"1]"),
}
"""How a value of any size begins, goes on and ends, by what it is stuffed with."""


def stuffed(path: str, stuffing: str) -> tuple[bytes, bytes, bytes]:
    """Return how a ride with a stuffed value in a field begins, goes on and ends."""
    event = json.loads(ride(pickup_datetime="2025-03-01T08:15:00", passenger_count=1))
    *outer, name = path.split(".")
    (event[outer[0]] if outer else event)[name] = "VALUE"
    head, tail = json.dumps(event).encode().split(b'"VALUE"')
    begin, repeated, end = STUFFING[stuffing]
    return head + begin, repeated, end + tail


def plain(head: bytes, repeated: bytes, tail: bytes) -> bytes:
    return head + repeated * (256 * 1024 // len(repeated)) + tail


def gzipped(head: bytes, repeated: bytes, tail: bytes) -> bytes:
    return gzip_of(head, repeated, 9 * MIB, tail)


def gzipped_entries(head: bytes, repeated: bytes, tail: bytes) -> bytes:
    """Aggregate gzips of events that are just small enough to be explained."""
    size = LOOKUP_BYTES - len(head) - len(tail)
    event = gzip.compress(head + repeated * (size // len(repeated)) + tail)
    return aggregate_of("k", [entry(event)] * 500)


def plain_entries(head: bytes, _repeated: bytes, tail: bytes) -> bytes:
    return aggregate_of("k", [entry(head + tail)] * 500)


ENVELOPES = (plain, gzipped, gzipped_entries, plain_entries)

MATRIX = {
    f"{path} stuffed with {stuffing}, {envelope.__name__}": (path, stuffing, envelope)
    for path in FIELDS
    for stuffing in STUFFING
    for envelope in ENVELOPES
}
"""Every field stuffed with everything, in every envelope."""


class Nowhere:
    """A fake Kinesis and S3 that accepts everything and keeps nothing."""

    def put_records(self, **call: Any) -> Mapping[str, Any]:
        return {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1"}] * len(call["Records"])}

    def put_object(self, **_call: Any) -> None:
        return


def write_bombs(folder: Path) -> None:
    """Write an event for each bomb."""
    for name, payloads in BOMBS.items():
        (folder / f"{name}.json").write_text(json.dumps(event(*payloads)))
    for name, (path, stuffing, envelope) in MATRIX.items():
        payload = envelope(*stuffed(path, stuffing))
        (folder / f"{name}.json").write_text(json.dumps(event(payload)))


def bytes_put(batch: Any) -> int:
    """Return the bytes of a batch as they were put: base64 takes four thirds."""
    return sum(len(each["kinesis"]["data"]) for each in batch["Records"]) * 3 // 4


def memory(line: str) -> int:
    """Return a line of this process's status in bytes (proc(5): VmRSS is now, VmHWM the peak)."""
    status = Path("/proc/self/status").read_text().splitlines()
    (kibibytes,) = (words.split()[1] for words in status if words.startswith(f"{line}:"))
    return int(kibibytes) * 1024


def seconds(consumer: Consumer[Any], batch: Any) -> float:
    """Return the CPU time of handling a batch."""
    started = time.process_time()
    consumer.handle(batch)
    return time.process_time() - started


def main(folder: Path) -> None:
    """Print a JSON line for each event: user records, dead-lettered ones, peak memory, CPU time."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    telemetry = LastBatch("bombs", "Bombs", "CRITICAL")
    consumer = Consumer(
        load_model({}, dict),
        publisher=Publisher(Nowhere(), "ride_predictions"),
        dead_letters=S3Storage(Nowhere, S3Location("dead", "")),
        telemetry=telemetry,
    )
    consumer.handle(event(ride(), b"poison"))
    rides = event(*map(ride, range(5_000)))
    ride_seconds = min(seconds(consumer, rides) for _ in range(5)) / bytes_put(rides)
    del rides
    idle = memory("VmRSS")
    for path in sorted(folder.iterdir()):
        batch = json.loads(path.read_bytes())
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        started = time.process_time()
        response = consumer.handle(batch)
        taken = time.process_time() - started
        measured = {
            "bomb": path.stem,
            "put": bytes_put(batch),
            "seconds": taken,
            "rides": taken / bytes_put(batch) / ride_seconds,
            "received": telemetry.counts.received,
            "dead_lettered": telemetry.counts.dead_lettered,
            "bytes": memory("VmHWM") - idle,
            "response": response,
        }
        sys.stderr.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
