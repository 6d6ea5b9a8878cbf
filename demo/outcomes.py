"""Reads what became of rides: predictions from their stream, dead-letter records from folders."""

import base64
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from demo.ride_tracker import DeadLetter, Prediction, RideTracker
from page.ride_records import Predicted, decode_prediction, decode_route, is_end
from streaming import DeadLetterRecord, StreamRecord
from streaming.redrive.formats import read_dead_letter_records
from streaming.storage import FolderStorage


def read_events(records: Iterable[StreamRecord], tracker: RideTracker) -> None:
    """Track each event that this run did not put, until the records end.

    Args:
        records: The user records of the rides' stream.
        tracker: Tracks the rides.
    """
    for record in records:
        key = record.partition_key
        if is_end(record.data) and tracker.end_arrived(record.event_id, key):
            continue
        if not tracker.knows(key):
            tracker.arrived(record.event_id, decode_route(record.data))


def read_predictions(records: Iterable[StreamRecord], tracker: RideTracker) -> None:
    """Match each prediction with its ride, until the records end.

    Args:
        records: The predictions' stream; records that are not predictions are skipped.
        tracker: Tracks the rides.
    """
    for record in records:
        found = decode_prediction(record)
        if found is not None:
            tracker.predicted(_prediction(found))


def _prediction(found: Predicted) -> Prediction:
    return Prediction(
        key=found.ride,
        duration=found.duration,
        tip=found.tip,
        latency=found.latency,
        text=found.text,
        event_id=found.event_id,
    )


class DeadLetterFolders:
    """The function's dead-letter records and the mapping's discarded records.

    Args:
        dead_letters: Where the function writes its dead-letter records.
        discarded: The mapping's on-failure destination.
        tap: Called with each record.
    """

    def __init__(
        self,
        dead_letters: Path,
        discarded: Path,
        tap: Callable[[DeadLetterRecord], object] = lambda _: None,
    ) -> None:
        self._tap = tap
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
                for record in read_dead_letter_records(storage.read(name)):
                    self._tap(record)
                    yield record


def _dead_letter(record: DeadLetterRecord, reason: str) -> DeadLetter:
    ended = is_end(base64.b64decode(record.data))
    return DeadLetter(record.partition_key, reason, record.event_id, ended)
