"""A publisher, the stream that it puts to, and the clock of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.publisher import Entry, Publisher
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

if TYPE_CHECKING:
    from collections.abc import Sequence

STREAM = "ride_predictions"
THROTTLED = "ProvisionedThroughputExceededException"


def entry(data: bytes = b"x", key: str = "k") -> Entry:
    return Entry(Data=data, PartitionKey=key)


def entries(count: int) -> list[Entry]:
    """Build distinct entries, each with its own partition key."""
    return [entry(str(number).encode(), f"key-{number}") for number in range(count)]


class Environment:
    """A publisher, the stream that it puts to, and the clock of both."""

    def __init__(self, jitter: float = 1.0) -> None:
        self.clock = Clock()
        self.kinesis = FakeKinesis(self.clock)
        self.kinesis.create_stream(StreamName=STREAM, ShardCount=1)
        self.publisher = Publisher(
            self.kinesis,
            STREAM,
            clock=self.clock.now,
            sleep=self.clock.sleep,
            jitter=lambda: jitter,
        )

    def calls(self) -> list[Sequence[Entry]]:
        return [
            arguments["Records"] for name, arguments in self.kinesis.calls if name == "put_records"
        ]

    def written(self) -> list[bytes]:
        return self.kinesis.payloads(STREAM)
