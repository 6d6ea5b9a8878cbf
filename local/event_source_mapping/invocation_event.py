"""Lambda's event for a batch, and the function's partial batch response."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from streaming.errors import DECODE_ERRORS
from streaming.reader.shard_reader import StreamRecord

PAYLOAD_BYTES = 6 * 1024 * 1024
"""Limit of an invocation's event (Lambda quotas, invocation payload)."""

STATE_BYTES = 1024 * 1024
"""Limit of the state that a tumbling window passes on."""

WINDOW_BYTES = STATE_BYTES + 1024
"""What a tumbling window adds to an event at most: the state, and names and times."""

_HEAD, _SEPARATOR, _TAIL = b'{"Records":[', b",", b"]}"
ENVELOPE_BYTES = len(_HEAD) + len(_TAIL)

ROLE = "arn:aws:iam::123456789012:role/lambda-role"


class EncodedRecord(NamedTuple):
    """A record and its JSON in Lambda's event.

    It is encoded once, for the size limit of the event and for every retry.
    """

    record: StreamRecord
    json: bytes

    @property
    def size(self) -> int:
        """How many bytes the record adds to an event."""
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
    """Encodes records as in Lambda's event.

    The shape is from the Lambda developer guide, Using Lambda to process records from Kinesis.

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
            # A lone surrogate, which JSON allows, cannot be encoded as UTF-8.
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
    """Join encoded records into the event of one invocation."""
    return _HEAD + _SEPARATOR.join([record.json for record in records]) + _TAIL


def count_done(response: bytes, records: Sequence[EncodedRecord]) -> int:
    """Return how many records, from the first, are done according to a partial batch response.

    The rules are from the Lambda developer guide, Configuring partial batch response with Kinesis
    Data Streams: an empty or null response, or an empty list of failures, is complete success; of
    several failures the lowest sequence number counts; an identifier that is empty, null or under
    a wrong key is complete failure. The guide does not mention an identifier of another batch or a
    response of another shape: these are complete failure too, so that nothing is lost.

    Args:
        response: The function's response: JSON, or empty.
        records: The batch.

    Returns:
        0, complete failure, to `len(records)`, complete success.
    """
    try:
        decoded = msgspec.json.decode(response or b"null")
    except DECODE_ERRORS:
        return 0
    if not decoded:
        return len(records)
    if not isinstance(decoded, dict):
        return 0
    failures = decoded.get("batchItemFailures")
    if not failures:
        return len(records)
    if not isinstance(failures, list):
        return 0
    indexes = {encoded.record.sequence_number: index for index, encoded in enumerate(records)}
    return min(_index(failure, indexes) for failure in failures)


def _index(failure: Any, indexes: dict[str, int]) -> int:
    identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
    return indexes.get(identifier, 0) if isinstance(identifier, str) else 0
