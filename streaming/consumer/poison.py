"""From an error to the dead-letter record that keeps it."""

import base64

from streaming.consumer.records import UserRecord
from streaming.dead_letters import UNKNOWN_STREAM, DeadLetterRecord
from streaming.errors import Poison, PredictionFailed, PredictionTooLarge
from streaming.publisher import PARTITION_KEY_CHARACTERS, Entry, entry_bytes
from streaming.timestamps import iso_utc

MESSAGE_LIMIT = 1000
"""Characters of an error's message that a dead-letter record keeps."""


def dead_letter_record(
    user_record: UserRecord, stream: str | None, error: Poison
) -> DeadLetterRecord:
    """Return the dead-letter record of a user record.

    Args:
        user_record: What can never succeed.
        stream: The input stream; None if it is not known.
        error: Why.
    """
    event_id = user_record.event_id
    return DeadLetterRecord(
        data=base64.b64encode(user_record.data).decode(),
        event_id=event_id,
        stream=stream or UNKNOWN_STREAM,
        shard_id=event_id.partition(":")[0] if event_id else None,
        sequence_number=user_record.sequence_number,
        partition_key=user_record.partition_key,
        arrived_at=iso_utc(user_record.arrived_at),
        error_type=type(error).__name__,
        error_message=error_message(error),
        explicit_hash_key=user_record.explicit_hash_key,
    )


def error_message(error: Poison) -> str:
    """Return an error's message, as a dead-letter record keeps it."""
    # A model's exception may hold any amount of text, and text that is not UTF-8.
    return _message(error)[:MESSAGE_LIMIT].encode("utf-8", "backslashreplace").decode()


def model_failure(step: str, error: Exception) -> Poison:
    """Turn an exception of the model into poison; it may be poison already.

    Args:
        step: The model's method that raised it.
        error: The exception.
    """
    if isinstance(error, Poison) and isinstance(getattr(error, "reason", None), str):
        return error.bare()
    cause = type(error).__name__
    return PredictionFailed(f"{cause}: {_message(error)}", reason=f"{step} raised {cause}")


def _message(error: Exception) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001  a model's exception may be anything
        return f"without a message: {type(broken).__name__}"


def unacceptable(entry: Entry) -> Poison:
    """Return why Kinesis never accepts an entry: its partition key, or else its size."""
    characters = len(entry["PartitionKey"])
    if not 1 <= characters <= PARTITION_KEY_CHARACTERS:
        return PredictionFailed(
            f"a partition key of {characters} characters; allowed: 1 to {PARTITION_KEY_CHARACTERS}"
        )
    return PredictionTooLarge(
        f"{entry_bytes(entry)} bytes under a partition key of {characters} characters"
    )
