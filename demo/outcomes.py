"""Reads what became of rides: predictions from their stream, dead-letter records from folders."""

import base64
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from demo.ride_tracker import DeadLetter, Prediction, RideTracker, Route
from demo.trip_replay import RIDE_ENDED
from streaming import DECODE_ERRORS, DeadLetterRecord, StreamRecord
from streaming.redrive.formats import read_dead_letter_records
from streaming.storage import FolderStorage


class _Values(msgspec.Struct):
    ride_duration: float | None = None
    ride_tip: float | None = None


class _Predicted(msgspec.Struct):
    prediction: msgspec.Raw
    event_id: str | None = None
    arrived_at: datetime | None = None


class _Route(msgspec.Struct):
    PULocationID: int
    DOLocationID: int


class _RideStarted(msgspec.Struct):
    ride: _Route


class _Event(msgspec.Struct):
    event_type: str


def read_events(records: Iterable[StreamRecord], tracker: RideTracker) -> None:
    """Track each event that this run did not put, until the records end.

    Args:
        records: The user records of the rides' stream.
        tracker: Tracks the rides.
    """
    for record in records:
        key = record.partition_key
        if _is_end(record.data) and tracker.end_arrived(record.event_id, key):
            continue
        if not tracker.knows(key):
            tracker.arrived(record.event_id, _route(record.data))


def read_predictions(records: Iterable[StreamRecord], tracker: RideTracker) -> None:
    """Match each prediction with its ride, until the records end.

    Args:
        records: The predictions' stream; records that are not predictions are skipped.
        tracker: Tracks the rides.
    """
    for record in records:
        try:
            prediction = _prediction(record)
        except DECODE_ERRORS:
            continue
        tracker.predicted(prediction)


def _is_end(data: bytes) -> bool:
    if RIDE_ENDED.encode() not in data:  # most events need no decoding
        return False
    try:
        return msgspec.json.decode(data, type=_Event).event_type == RIDE_ENDED
    except DECODE_ERRORS:
        return False


def _route(data: bytes) -> Route | None:
    try:
        ride = msgspec.json.decode(data, type=_RideStarted).ride
    except DECODE_ERRORS:
        return None
    return ride.PULocationID, ride.DOLocationID


def _prediction(record: StreamRecord) -> Prediction:
    event = msgspec.json.decode(record.data, type=_Predicted)
    try:
        values = msgspec.json.decode(event.prediction, type=_Values)
    except msgspec.ValidationError:
        values = _Values()
    text = latency = None
    if values.ride_duration is values.ride_tip is None:
        text = msgspec.json.format(bytes(event.prediction), indent=-1).decode()
    if event.arrived_at is not None and event.arrived_at.tzinfo is not None:
        latency = (record.arrived_at - event.arrived_at).total_seconds()
    return Prediction(
        key=record.partition_key,
        duration=values.ride_duration,
        tip=values.ride_tip,
        latency=latency,
        text=text,
        event_id=event.event_id,
    )


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
            tracker.dead_lettered(_dead_letter(record, record.error_message))
        for record in self._new_records(self._discarded):
            reason = f"discarded by the event source mapping: {record.error_type}"
            tracker.dead_lettered(_dead_letter(record, reason))

    def _new_records(self, folder: Path) -> Iterator[DeadLetterRecord]:
        storage = FolderStorage(folder)
        for name in storage.names() if folder.is_dir() else ():
            if folder / name not in self._read:
                self._read.add(folder / name)
                yield from read_dead_letter_records(storage.read(name))


def _dead_letter(record: DeadLetterRecord, reason: str) -> DeadLetter:
    ended = _is_end(base64.b64decode(record.data))
    return DeadLetter(record.partition_key, reason, record.event_id, ended)
