"""A batch as Lambda's event, and what the function's response says of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from streaming.consumer.validation import DECODE_ERRORS
from streaming.reader.shard_reader import StreamRecord

PAYLOAD_BYTES = 6 * 1024 * 1024
"""What an invocation's event may hold (Lambda quotas, invocation payload)."""

_HEAD, _SEPARATOR, _TAIL = b'{"Records":[', b",", b"]}"
ENVELOPE_BYTES = len(_HEAD) + len(_TAIL)

ROLE = "arn:aws:iam::123456789012:role/lambda-role"


class EncodedRecord(NamedTuple):
    """A record and its JSON in Lambda's event.

    It is encoded once: its size decides how many records fit an event, and a retry sends it again.
    """

    record: StreamRecord
    json: bytes

    @property
    def size(self) -> int:
        """What the record adds to an event, in bytes."""
        return len(self.json) + len(_SEPARATOR)


class _Kinesis(msgspec.Struct, rename="camel", gc=False):
    partition_key: str
    sequence_number: str
    data: bytes  # msgspec writes bytes as base64, as Lambda does
    approximate_arrival_timestamp: float
    kinesis_schema_version: str = "1.0"


class _Record(msgspec.Struct, rename="camel", gc=False):
    kinesis: _Kinesis
    event_id: str = msgspec.field(name="eventID")
    event_source_arn: str = msgspec.field(name="eventSourceARN")
    aws_region: str
    event_source: str = "aws:kinesis"
    event_version: str = "1.0"
    event_name: str = "aws:kinesis:record"
    invoke_identity_arn: str = ROLE


class EventEncoder:
    """Writes records as Lambda writes them into its event.

    The shape is that of the Lambda developer guide, Using Lambda to process records from Kinesis.

    Args:
        stream_arn: The stream's ARN, which also names the region.
    """

    def __init__(self, stream_arn: str) -> None:
        self._stream_arn = stream_arn
        self._region = stream_arn.split(":")[3]
        self._encoder = msgspec.json.Encoder()

    def encode(self, record: StreamRecord) -> EncodedRecord:
        """Encode one record."""
        kinesis = _Kinesis(
            # Half a surrogate pair, which JSON can carry, cannot be written as UTF-8.
            partition_key=record.partition_key.encode(errors="replace").decode(),
            sequence_number=record.sequence_number,
            data=record.data,
            approximate_arrival_timestamp=record.arrived_at.timestamp(),
        )
        event = _Record(
            kinesis=kinesis,
            event_id=record.event_id,
            event_source_arn=self._stream_arn,
            aws_region=self._region,
        )
        return EncodedRecord(record, self._encoder.encode(event))


def event_payload(records: Sequence[EncodedRecord]) -> bytes:
    """Join encoded records to the event of one invocation."""
    return _HEAD + _SEPARATOR.join([record.json for record in records]) + _TAIL


def count_done(response: bytes, records: Sequence[EncodedRecord]) -> int:
    """Tell from a partial batch response how many records are done, counted from the first.

    The rules are those of the Lambda developer guide, Configuring partial batch response with
    Kinesis Data Streams: an empty or null response, or no failures, is complete success; of
    several failures the lowest sequence number counts; an identifier that is empty, null, or under
    another key is complete failure. So is one that is not of this batch and a response of another
    shape, on which the guide is silent: what cannot be understood is retried rather than lost.

    Args:
        response: What the function answered: JSON, or nothing at all.
        records: The batch.

    Returns:
        From 0, complete failure, to all of them, complete success.
    """
    try:
        answer = msgspec.json.decode(response or b"null")
    except DECODE_ERRORS:
        return 0
    if not answer:
        return len(records)
    if not isinstance(answer, dict):
        return 0
    failures = answer.get("batchItemFailures")
    if not failures:
        return len(records)
    if not isinstance(failures, list):
        return 0
    places = {encoded.record.sequence_number: place for place, encoded in enumerate(records)}
    return min(_place(failure, places) for failure in failures)


def _place(failure: Any, places: dict[str, int]) -> int:
    identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
    return places.get(identifier, 0) if isinstance(identifier, str) else 0
