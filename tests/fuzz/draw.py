"""Damaged Lambda events derived from bytes, so that a fuzzer that mutates bytes mutates events."""

import gzip
import struct
from typing import TYPE_CHECKING, Any

from tests.kpl_aggregation import aggregate, aggregate_of, entry
from tests.lambda_events import record, ride

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD_RIDE = ride()

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
"""Where a record may be damaged."""


class Draw:
    """Consumes bytes to draw values, one after another; zeros when none are left.

    Args:
        source: The bytes.
    """

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._position = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes: `count`, or what is left."""
        taken = self._source[self._position : self._position + count]
        self._position += count
        return taken

    def below(self, limit: int) -> int:
        """Draw an integer from 0, below a limit of at most 256."""
        return int.from_bytes(self.take(1), "big") % limit

    def data(self) -> bytes:
        """Draw up to 255 bytes."""
        return self.take(self.below(256))

    def text(self) -> str:
        """Draw any text that JSON can carry, lone surrogates included."""
        data = self.data()
        if self.below(2):
            return data.decode("latin-1")
        return data[: len(data) // 2 * 2].decode("utf-16-le", "surrogatepass")

    def value(self, depth: int = 3) -> Any:
        """Draw anything that Python's JSON decoder can return."""
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
"""The year 10000 in seconds since the epoch: later dates cannot be formatted."""


def draw_event(source: bytes) -> Any:
    """Draw an event of 1 to 4 records, some of them damaged."""
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
            contents = [
                _damaged(GOOD_RIDE, draw) if draw.below(2) else GOOD_RIDE
                for _ in range(draw.below(5))
            ]
            return aggregate_of("key", map(entry, contents))
        case 3:
            return gzip.compress(draw.data(), 1)
        case 4:
            return _damaged(GOOD_RIDE, draw)
        case _:
            return draw.data()


def _draw_entry(draw: Draw) -> bytes:
    return entry(_damaged(GOOD_RIDE, draw) if draw.below(2) else GOOD_RIDE)


def _damaged(data: bytes, draw: Draw) -> bytes:
    """Replace a few bytes with others."""
    at, count = draw.below(len(data)), draw.below(8)
    return (data[:at] + draw.take(draw.below(24)) + data[at + count :])[:100]
