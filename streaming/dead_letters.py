"""Dead-letter records: what can never succeed, kept with its data and the reason.

The function writes one object of JSON lines per invocation (a batch of more than
`consumer.SLICE_RECORDS` user records writes several). An object is named by a hash of its content,
so that a retry of the same batch overwrites the object instead of duplicating it.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

UNKNOWN_STREAM = "unknown"


class DeadLetterRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user record that can never succeed, and why.

    Attributes:
        data: The user record's data as it was received, base64.
        event_id: `shardId:sequenceNumber`, with `:index` for an entry of an aggregated record;
            null if Lambda sent none.
        stream: The stream it was read from.
        shard_id: The shard it was read from.
        sequence_number: The Kinesis record's.
        partition_key: The producer's.
        arrived_at: Approximate arrival on the stream, ISO 8601 in UTC.
        error_type: The name of the error, such as `InvalidEvent`.
        error_message: What is wrong, with the offending value.
        explicit_hash_key: The producer's, of an entry of an aggregated record that has one: it
            places the record on a shard in place of the partition key.
    """

    data: str
    event_id: str | None
    stream: str
    shard_id: str | None
    sequence_number: str | None
    partition_key: str | None
    arrived_at: str
    error_type: str
    error_message: str
    explicit_hash_key: str | None = None


def object_name(records: Sequence[DeadLetterRecord]) -> str:
    """Return the name of the object that holds some records.

    `<stream>/<yyyy>/<mm>/<dd>/<hash>.jsonl`; the day is the first record's arrival, not today: a
    retry after midnight must find the same name.

    Args:
        records: At least one, all from one stream.
    """
    # The data too: a handmade event may have any id, or none.
    identity = [(r.event_id, r.sequence_number, r.partition_key, r.data) for r in records]
    digest = hashlib.sha256(msgspec.json.encode(identity))
    day = datetime.fromisoformat(records[0].arrived_at).astimezone(UTC)
    return f"{records[0].stream}/{day:%Y/%m/%d}/{digest.hexdigest()[:32]}.jsonl"


def encode_lines(records: Sequence[DeadLetterRecord]) -> bytes:
    """Return the records as JSON lines."""
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)
