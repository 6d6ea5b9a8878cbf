"""Damaged events drawn from bytes, so that a fuzzer that changes bytes changes events."""

import base64
import gzip
import hashlib
import struct
from typing import TYPE_CHECKING, Any

from streaming.aggregation import AGGREGATE_MAGIC

if TYPE_CHECKING:
    from collections.abc import Callable

SHARD = "shardId-000000000000"
ARRIVED = 1740834900.123
GOOD_RIDE = b'{"ride":{"PULocationID":130,"DOLocationID":205,"trip_distance":3.66},"ride_id":256}'

PATHS = (
    ("kinesis",),
    ("kinesis", "data"),
    ("kinesis", "sequenceNumber"),
    ("kinesis", "partitionKey"),
    ("kinesis", "approximateArrivalTimestamp"),
    ("eventID",),
    ("eventSource",),
    ("eventSourceARN",),
)


class Draw:
    """Takes values off some bytes, one after another; when none are left, zeros.

    Args:
        source: The bytes.
    """

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._position = 0

    def take(self, count: int) -> bytes:
        """Take so many bytes, or what is left."""
        taken = self._source[self._position : self._position + count]
        self._position += count
        return taken

    def below(self, limit: int) -> int:
        """Draw a whole number from 0, below a limit of at most 256."""
        return int.from_bytes(self.take(1), "big") % limit

    def data(self) -> bytes:
        """Draw up to 255 bytes."""
        return self.take(self.below(256))

    def text(self) -> str:
        """Draw any text that JSON can carry, halves of characters included."""
        data = self.data()
        if self.below(2):
            return data.decode("latin-1")
        return data[: len(data) // 2 * 2].decode("utf-16-le", "surrogatepass")

    def value(self, depth: int = 3) -> Any:
        """Draw anything that Python's JSON reader can give."""
        kinds: tuple[Callable[[], Any], ...] = (
            lambda: None,
            lambda: bool(self.below(2)),
            lambda: int.from_bytes(self.data(), "big", signed=True),
            lambda: struct.unpack("<d", self.take(8).ljust(8, b"\0"))[0],
            lambda: YEARS_END - self.below(256) / 128,
            self.text,
            lambda: [self.value(depth - 1) for _ in range(self.below(4))],
            lambda: {self.text(): self.value(depth - 1)},
        )
        return kinds[self.below(len(kinds) if depth else len(kinds) - 2)]()


YEARS_END = 253_402_300_800
"""The year 10000 in seconds since the epoch: no date from here on can be written."""


def aggregate(message: bytes) -> bytes:
    """Frame a protobuf message as the Kinesis Producer Library does."""
    digest = hashlib.md5(message, usedforsecurity=False).digest()
    return AGGREGATE_MAGIC + message + digest


def record(data: bytes, number: int = 1) -> dict[str, Any]:
    """Build one record of Lambda's event."""
    return {
        "kinesis": {
            "partitionKey": "key",
            "sequenceNumber": str(number),
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": ARRIVED,
        },
        "eventSource": "aws:kinesis",
        "eventID": f"{SHARD}:{number}",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/ride_events",
    }


def draw_event(source: bytes) -> Any:
    """Draw an event of a few records, some of them damaged."""
    draw = Draw(source)
    if not draw.below(64):
        return draw.value()
    records = [_draw_record(draw, number) for number in range(1, 2 + draw.below(4))]
    return {"Records": records}


def _draw_record(draw: Draw, number: int) -> Any:
    built = record(_draw_data(draw), number)
    damage = draw.below(16)
    if damage == 0:
        return draw.value()
    if damage < 6:
        *outer, last = PATHS[draw.below(len(PATHS))]
        envelope = built[outer[0]] if outer else built
        if draw.below(4):
            envelope[last] = draw.value()
        else:
            del envelope[last]
    return built


def _draw_data(draw: Draw) -> bytes:
    match draw.below(6):
        case 0:
            return GOOD_RIDE
        case 1:
            return aggregate(draw.data())
        case 2:
            return aggregate(_message(draw))
        case 3:
            return gzip.compress(draw.data(), 1)
        case 4:
            return _spoilt(GOOD_RIDE, draw)
        case _:
            return draw.data()


def _message(draw: Draw) -> bytes:
    """Write a protobuf message with one key and a few entries, good and bad."""
    message = b"\x0a\x03key"
    for _ in range(draw.below(5)):
        content = _spoilt(GOOD_RIDE, draw) if draw.below(2) else GOOD_RIDE
        entry = b"\x08\x00\x1a" + bytes([len(content)]) + content
        message += b"\x1a" + bytes([len(entry)]) + entry
    return message


def _spoilt(data: bytes, draw: Draw) -> bytes:
    """Put a few other bytes in place of some."""
    at, count = draw.below(len(data)), draw.below(8)
    return (data[:at] + draw.take(draw.below(24)) + data[at + count :])[:100]
