"""Where poison goes: an object of JSON lines for each invocation, on S3 or in a folder.

An object is named by a hash of what is in it, so that a retry of the same batch overwrites it
instead of doubling it. (Only a batch of more than `consumer.SLICE_PAYLOADS` makes several.)
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from streaming.consumer.records import UserRecord
from streaming.errors import DeadLettersUnavailable, Poison
from streaming.files import write_whole
from streaming.locations import parse_location
from streaming.timestamps import iso_utc

UNKNOWN_STREAM = "unknown"

MESSAGE_LIMIT = 1000
"""Characters of an error's message that a letter keeps."""


class DeadLetterRecord(msgspec.Struct, frozen=True):
    """A payload that can never succeed, and why.

    Attributes:
        data: The payload as it was received, base64.
        event_id: As in `UserRecord`.
        stream: The stream it was read from.
        shard_id: The shard it was read from.
        sequence_number: The Kinesis record's.
        partition_key: The producer's.
        arrived_at: Arrival on the stream, ISO 8601 in UTC.
        error_type: The name of the error, such as `InvalidEvent`.
        error_message: What is wrong, with the offending value.
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


def dead_letter(payload: UserRecord, stream: str | None, error: Poison) -> DeadLetterRecord:
    """Put down what is known of a payload and of the error that stops it."""
    return DeadLetterRecord(
        data=base64.b64encode(payload.data).decode(),
        event_id=payload.event_id,
        stream=stream or UNKNOWN_STREAM,
        shard_id=payload.event_id.partition(":")[0] if payload.event_id else None,
        sequence_number=payload.sequence_number,
        partition_key=payload.partition_key,
        arrived_at=iso_utc(payload.arrived_at),
        error_type=type(error).__name__,
        # What a model raises may hold text that cannot be written, and any amount of it.
        error_message=str(error)[:MESSAGE_LIMIT].encode("utf-8", "backslashreplace").decode(),
    )


def object_name(letters: Sequence[DeadLetterRecord]) -> str:
    """Name the object of some letters: `<stream>/<yyyy>/<mm>/<dd>/<hash>.jsonl`.

    The day is the first letter's arrival, not today: a retry after midnight must find the same
    name.

    Args:
        letters: At least one, all from one stream.
    """
    # The data too: an event that was made by hand may have any id, or none.
    told = [(e.event_id, e.sequence_number, e.partition_key, e.data) for e in letters]
    digest = hashlib.sha256(msgspec.json.encode(told))
    day = datetime.fromisoformat(letters[0].arrived_at).astimezone(UTC)
    return f"{letters[0].stream}/{day:%Y/%m/%d}/{digest.hexdigest()[:32]}.jsonl"


class DeadLetters(Protocol):
    """A place for dead letters."""

    def write(self, letters: Sequence[DeadLetterRecord]) -> None:
        """Keep some letters of one invocation: all of them, or none.

        Args:
            letters: At least one, all from one stream.

        Raises:
            DeadLettersUnavailable: They could not be written; their records must be retried.
        """


class FolderDeadLetters:
    """Dead letters as files.

    Args:
        folder: Made when the first letter is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, letters: Sequence[DeadLetterRecord]) -> None:
        """Write one file; see `DeadLetters.write`."""
        path = self._folder / object_name(letters)
        try:
            write_whole(path, _lines(letters))
        except OSError as error:
            raise DeadLettersUnavailable(f"cannot write {path}: {error}") from error


class S3DeadLetters:
    """Dead letters as objects of a bucket.

    Args:
        client: Makes a boto3 S3 client; called once, for the first letter, since most functions
            never meet poison and a client takes time to make.
        bucket: The bucket's name.
        prefix: What every key begins with, without slashes around it; may be empty.
    """

    def __init__(self, client: Callable[[], Any], bucket: str, prefix: str) -> None:
        self._make_client = client
        self._client: Any = None
        self._bucket = bucket
        self._prefix = prefix

    def write(self, letters: Sequence[DeadLetterRecord]) -> None:
        """Put one object; see `DeadLetters.write`."""
        name = object_name(letters)
        key = f"{self._prefix}/{name}" if self._prefix else name
        try:
            if self._client is None:
                self._client = self._make_client()
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=_lines(letters),
                ContentType="application/x-ndjson",
            )
        except MemoryError:
            raise
        except Exception as error:  # also what making a client says, and botocore's parser
            place = f"s3://{self._bucket}/{key}"
            raise DeadLettersUnavailable(f"cannot write {place}: {error}") from error


def open_dead_letters(location: str, s3_client: Callable[[], Any]) -> DeadLetters:
    """Open a place for dead letters.

    Args:
        location: `s3://bucket/prefix` or `file:///folder`.
        s3_client: Makes a boto3 S3 client.

    Raises:
        SettingsError: It is neither.
    """
    place = parse_location("DEAD_LETTERS", location)
    if isinstance(place, Path):
        return FolderDeadLetters(place)
    return S3DeadLetters(s3_client, place.name, place.prefix)


def _lines(letters: Sequence[DeadLetterRecord]) -> bytes:
    return b"".join(msgspec.json.encode(letter) + b"\n" for letter in letters)
