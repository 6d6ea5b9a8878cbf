"""Small inputs that expand into large ones, and a program that measures the memory they need.

`python -m tests.bombs FOLDER` hands each event in a folder to a consumer, one after another, and
prints the peak memory of each.
"""

from __future__ import annotations

import json
import resource
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model import load_model
from streaming.consumer.consumer import Consumer
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


def memory(line: str) -> int:
    """Return a line of this process's status in bytes (proc(5): VmRSS is now, VmHWM the peak)."""
    status = Path("/proc/self/status").read_text().splitlines()
    (kibibytes,) = (words.split()[1] for words in status if words.startswith(f"{line}:"))
    return int(kibibytes) * 1024


def main(folder: Path) -> None:
    """Print a JSON line for each event: user records, dead-lettered ones, peak memory."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    telemetry = LastBatch("bombs", "Bombs", "CRITICAL")
    consumer = Consumer(
        load_model({}, dict),
        publisher=Publisher(Nowhere(), "ride_predictions"),
        dead_letters=S3Storage(Nowhere, S3Location("dead", "")),
        telemetry=telemetry,
    )
    consumer.handle(event(ride(), b"poison"))
    idle = memory("VmRSS")
    for path in sorted(folder.iterdir()):
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        response = consumer.handle(json.loads(path.read_bytes()))
        measured = {
            "bomb": path.stem,
            "received": telemetry.counts.received,
            "dead_lettered": telemetry.counts.dead_lettered,
            "bytes": memory("VmHWM") - idle,
            "response": response,
        }
        sys.stderr.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
