"""Reads what became of rides: predictions from their stream, dead-letter records from folders."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from demo.ride_tracker import DeadLetter, Prediction, RideTracker, Route
from streaming import DECODE_ERRORS, DeadLetterRecord, StreamRecord
from streaming.redrive.formats import read_dead_letter_records
from streaming.storage import FolderStorage

LOOK_UP_SECONDS = 1.0
"""A look-up reads the shard, and Kinesis allows five reads per second and shard in total."""


class _Values(msgspec.Struct):
    ride_duration: float | None = None
    ride_tip: float | None = None


class _Predicted(msgspec.Struct):
    prediction: msgspec.Raw
    event_id: str | None = None


class _Route(msgspec.Struct):
    PULocationID: int
    DOLocationID: int


class _RideStarted(msgspec.Struct):
    ride: _Route


def read_predictions(
    records: Iterable[StreamRecord], tracker: RideTracker, route_of: Callable[[str], Route | None]
) -> None:
    """Match each prediction with its ride, until the records end.

    Args:
        records: The predictions' stream; records that are not predictions are skipped.
        tracker: Tracks the rides.
        route_of: Finds the zones of a ride that this run did not put, by its event id.
    """
    for record in records:
        try:
            event = msgspec.json.decode(record.data, type=_Predicted)
            prediction = _prediction(record.partition_key, event.prediction)
        except DECODE_ERRORS:
            continue
        if event.event_id and not tracker.knows(prediction.key):
            prediction = dataclasses.replace(prediction, route=route_of(event.event_id))
        tracker.predicted(prediction)


def _prediction(key: str, raw: msgspec.Raw) -> Prediction:
    try:
        values = msgspec.json.decode(raw, type=_Values)
    except msgspec.ValidationError:
        values = _Values()
    text = None
    if values.ride_duration is values.ride_tip is None:
        text = msgspec.json.format(bytes(raw), indent=-1).decode()
    return Prediction(key=key, duration=values.ride_duration, tip=values.ride_tip, text=text)


class RouteLookUp:
    """Finds a ride's zones on the stream that it was put on, at most once a second.

    Args:
        client: A boto3 Kinesis client.
        stream_name: The rides' stream.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: Any,
        stream_name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._stream_name = stream_name
        self._clock = clock
        self._next = clock()

    def __call__(self, event_id: str) -> Route | None:
        """Find a ride's zones.

        Args:
            event_id: `shardId:sequenceNumber`, with `:index` inside an aggregate.

        Returns:
            Pickup and dropoff zone; None if it is too early for another look-up, or the record is
            not there or not plain JSON.
        """
        if self._clock() < self._next:
            return None
        self._next = self._clock() + LOOK_UP_SECONDS
        try:
            shard_id, sequence_number = event_id.split(":")[:2]
            data = self._record(shard_id, sequence_number)
            ride = msgspec.json.decode(data, type=_RideStarted).ride
        # Another kind of id, an expired record, or data that is not a plain ride.
        except (BotoCoreError, ClientError, LookupError, ValueError):
            return None
        return ride.PULocationID, ride.DOLocationID

    def _record(self, shard_id: str, sequence_number: str) -> bytes:
        response = self._client.get_shard_iterator(
            StreamName=self._stream_name,
            ShardId=shard_id,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            StartingSequenceNumber=sequence_number,
        )
        records = self._client.get_records(ShardIterator=response["ShardIterator"], Limit=1)
        return bytes(records["Records"][0]["Data"])


class DeadLetterFolders:
    """The function's dead-letter records and the mapping's discarded records.

    Args:
        dead_letters: Where the function writes its dead-letter records.
        discarded: The mapping's on-failure destination.
    """

    def __init__(self, dead_letters: Path, discarded: Path) -> None:
        self._dead_letters = dead_letters
        self._discarded = discarded
        self._read: set[Path] = set()

    def read(self, tracker: RideTracker) -> None:
        """Track the records that are new since the last call.

        Raises:
            InvalidDeadLetter: A file does not hold dead-letter records.
        """
        for record in self._new_records(self._dead_letters):
            tracker.dead_lettered(DeadLetter(record.partition_key, record.error_message))
        for record in self._new_records(self._discarded):
            reason = f"discarded by the event source mapping: {record.error_type}"
            tracker.dead_lettered(DeadLetter(record.partition_key, reason))

    def _new_records(self, folder: Path) -> Iterator[DeadLetterRecord]:
        storage = FolderStorage(folder)
        for name in storage.names() if folder.is_dir() else ():
            if folder / name not in self._read:
                self._read.add(folder / name)
                yield from read_dead_letter_records(storage.read(name))
