"""The reader downstream, which is restarted at random from the position that it saved last.

A restart empties the reader's window of events: of duplicates on either side of it, both are
delivered. If the reader was killed, the records since its last save are delivered again, too. One
that failed on a record saved its position, and the next one must begin with that record.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from random import Random
from typing import Annotated

import msgspec

from streaming.errors import StreamUnavailable
from streaming.reader.shard_reader import StreamRecord
from streaming.reader.stream_reader import StreamReader
from tests.soak.reconciliation import ReceivedPrediction

RESTART_AFTER = (200, 2_000)
"""The fewest and most records that a reader delivers before it is restarted."""

SAVE_EVERY = 100
"""How many records a reader delivers between two saves of its position."""

REOPEN_SECONDS = 0.2
MALFORMED_RIDE_ID = -1
"""Of a prediction that breaks the contract; no ride has this id."""

NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Position = Mapping[str, str] | None

OpenReader = Callable[[Position, threading.Event], StreamReader]
"""Creates a reader from a saved position, or None; it ends when the event is set."""


class Restart(Enum):
    """One way in which a reader is restarted; the value is its name in the report."""

    STOPPED = "reader stopped and resumed"
    KILLED = "reader killed and resumed from its last save"
    FAILED = "reader failed on a record and resumed with it"


def _ways(random: Random) -> Iterator[Restart]:
    """Yield ways to restart: all of them in random order, and so on."""
    while True:
        yield from random.sample(list(Restart), len(Restart))


class _Values(msgspec.Struct):
    ride_id: int
    ride_duration: NotNegative
    ride_tip: NotNegative | msgspec.UnsetType = msgspec.UNSET


class _Prediction(msgspec.Struct):
    prediction: _Values
    event_id: str | None = None


class Downstream:
    """Receives predictions with one reader after another.

    Args:
        open_reader: Creates a reader.
        seed: The same seed restarts after the same numbers of records.
        restart: Whether to restart at all.

    Attributes:
        predictions: In the order in which they were received.
        predicted: The events predicted; the rides, if the function does not name events.
        restarts: How many times the reader was restarted, by kind.
        repeated: Records that were read again because a killed reader had not saved its position.
    """

    def __init__(self, open_reader: OpenReader, seed: int, *, restart: bool = True) -> None:
        self.predictions: list[ReceivedPrediction] = []
        self.predicted: set[str | int] = set()
        self.restarts: Counter[str] = Counter()
        self.repeated = 0
        self._open_reader = open_reader
        self._random = Random(f"{seed} reader")
        self._restart = restart
        self._ways = _ways(self._random)
        self._stopped = threading.Event()
        self._dropped = 0  # by earlier readers
        self._reader = open_reader(None, self._stopped)

    @property
    def duplicates(self) -> int:
        """Records that the readers dropped as duplicates."""
        return self._dropped + self._reader.duplicates

    @property
    def records(self) -> int:
        """Records of the stream that were delivered or dropped, each counted once."""
        return len(self.predictions) + self.duplicates - self.repeated

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._stopped.set()

    def run(self) -> None:
        """Receive until stopped."""
        position: Position = None
        while not self._stopped.is_set():
            position = json.loads(json.dumps(self._receive(position)))
            # Another thread may read the sum in between: it must not be too high.
            dropped = self.duplicates
            self._reader = self._open_reader(position, self._stopped)
            self._dropped = dropped

    def _receive(self, saved: Position) -> Position:
        """Receive with one reader until it is restarted; return the position to resume from."""
        reader, number = self._reader, self.restarts.total()
        last = self._random.randint(*RESTART_AFTER) if self._restart else None
        how = next(self._ways)
        saved_at = self.records
        with suppress(StreamUnavailable):  # while it opens the stream
            for count, record in enumerate(reader, 1):
                if count % SAVE_EVERY == 0:
                    saved, saved_at = reader.position, self.records  # without this record
                if count == last and how is Restart.FAILED:
                    self.restarts[how.value] += 1
                    return reader.position  # saved on the way out; the record is not processed
                if count == last and how is Restart.KILLED:
                    self.repeated += self.records + 1 - saved_at
                self._deliver(record, number)
                if count == last:
                    self.restarts[how.value] += 1
                    if how is Restart.KILLED:
                        return saved
                    reader.checkpoint()
                    return reader.position
        self._stopped.wait(REOPEN_SECONDS)
        return saved

    def _deliver(self, record: StreamRecord, reader: int) -> None:
        received = ReceivedPrediction(None, MALFORMED_RIDE_ID, reader)
        with suppress(msgspec.MsgspecError):
            event = msgspec.json.decode(record.data, type=_Prediction)
            received = ReceivedPrediction(event.event_id, event.prediction.ride_id, reader)
        self.predictions.append(received)
        self.predicted.add(received.event_id or received.ride_id)
