"""A reader of numbers on a fake stream with two shards."""

from typing import Any

from streaming.reader.stream_reader import StreamReader
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

FIRST = "shardId-000000000000"


def reader_of(kinesis: FakeKinesis, clock: Clock, **options: Any) -> StreamReader:
    parts: dict[str, Any] = {"clock": clock.now, "sleep": clock.sleep, "now": clock.utc}
    return StreamReader(kinesis, "rides", **({"follow": False} | parts | options))


def put(kinesis: FakeKinesis, numbers: range) -> None:
    """Put numbers on the stream, with seven partition keys, which map to both shards."""
    for number in numbers:
        kinesis.put("rides", f"key {number % 7}", b"%d" % number)


def numbers_in(reader: StreamReader) -> list[int]:
    return [int(record.data) for record in reader]
