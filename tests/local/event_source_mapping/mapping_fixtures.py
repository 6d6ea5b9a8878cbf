"""Records and functions for tests of the event source mapping."""

import json
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from local.errors import FunctionError, FunctionUnavailable
from local.event_source_mapping.invocation_event import EncodedRecord, EventEncoder
from streaming.reader.shard_reader import StreamRecord
from tests.fakes.clock import EPOCH

STREAM_ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/ride_events"
SHARD = "shardId-000000000000"

RAISES = FunctionError("LookupError", "no such zone")
TIMES_OUT = FunctionError("Sandbox.Timedout", "Task timed out after 60.00 seconds")
UNREACHABLE = FunctionUnavailable("no emulator at 127.0.0.1:8080")


def stream_record(
    number: int, *, key: str = "key", data: bytes = b"{}", arrived_at: datetime = EPOCH
) -> StreamRecord:
    return StreamRecord(SHARD, str(number), key, data, arrived_at)


def encoded(record: StreamRecord) -> EncodedRecord:
    return EventEncoder(STREAM_ARN).encode(record)


def batch(*numbers: int) -> list[EncodedRecord]:
    return [encoded(stream_record(number)) for number in numbers]


def numbers(records: Iterable[EncodedRecord]) -> list[int]:
    return [int(each.record.sequence_number) for each in records]


def failed(*identifiers: Any) -> dict[str, Any]:
    """Return a response in which these sequence numbers failed."""
    return {"batchItemFailures": [{"itemIdentifier": each} for each in identifiers]}


class ScriptedFunction:
    """A function whose responses follow a script, and then are complete success.

    Attributes:
        invocations: The sequence numbers of each invocation, in order.
        events: The events themselves.
    """

    def __init__(
        self, *responses: Any, otherwise: Callable[[list[int]], Any] | None = None
    ) -> None:
        self.invocations: list[list[int]] = []
        self.events: list[dict[str, Any]] = []
        self._responses = list(responses)
        self._otherwise = otherwise or (lambda _numbers: None)
        self._lock = threading.Lock()

    def invoke(self, payload: bytes) -> bytes:
        event = json.loads(payload)
        sent = [int(record["kinesis"]["sequenceNumber"]) for record in event["Records"]]
        with self._lock:
            self.invocations.append(sent)
            self.events.append(event)
            response = self._responses.pop(0) if self._responses else self._otherwise(sent)
        if isinstance(response, Exception):
            raise response
        return json.dumps(response).encode()

    def close(self) -> None:
        pass
