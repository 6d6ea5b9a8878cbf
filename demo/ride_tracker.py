"""Who is still waiting for an answer: rides put, matched with predictions and dead letters."""

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from demo.producer import OutgoingRide

REMEMBERED = 100_000
LATENCIES = 10_000
RECENT = 8

Route = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A prediction as it was read from its stream.

    Attributes:
        key: The partition key, which is the ride's id as text.
        duration: Minutes; None if the function predicts none.
        tip: US dollars; None if the function predicts none.
        route: Pickup and dropoff zone; None if not known.
        latency: Seconds from the put until the prediction could be read; None for a ride that
            somebody else put.
        text: What it says, as JSON, if it is no ride's: a model of another kind made it.
    """

    key: str
    duration: float | None
    tip: float | None
    route: Route | None = None
    latency: float | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """A record that no prediction will come for.

    Attributes:
        key: Its partition key; None if not known.
        reason: Why.
    """

    key: str | None
    reason: str


@dataclass(slots=True, kw_only=True)
class Sums:
    """What became of the rides.

    Attributes:
        put: Rides that this run has put on the stream, or tried to.
        refused: Those that Kinesis did not take.
        predicted: Those whose prediction was read.
        dead: Those that were found among the dead letters.
        duplicates: Further predictions of rides that had been answered.
        others: Predictions of rides that this run did not put.
        other_dead: Dead letters of records that this run did not put.
    """

    put: int = 0
    refused: int = 0
    predicted: int = 0
    dead: int = 0
    duplicates: int = 0
    others: int = 0
    other_dead: int = 0

    @property
    def outstanding(self) -> int:
        """Rides on the stream of which nothing has been heard yet."""
        return self.put - self.refused - self.predicted - self.dead

    @property
    def accounted_for(self) -> bool:
        """Whether every ride was predicted or dead-lettered."""
        return self.put == self.predicted + self.dead


class Ledger:
    """Matches rides with their answers by partition key; several threads may use it.

    Its memory is bounded by the rides outstanding and those remembered.

    Args:
        clock: Seconds, from any origin, never going back.
        remembered: How many answered rides it knows again; a duplicate that comes later counts
            among the others.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, remembered: int = REMEMBERED
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sums = Sums()
        self._outstanding: dict[str, tuple[float, Route]] = {}
        self._answered: set[str] = set()
        self._answered_in_order: deque[str] = deque()
        self._remembered = remembered
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._recent: deque[Prediction] = deque(maxlen=RECENT)
        self._recent_others: deque[Prediction] = deque(maxlen=RECENT)
        self._newest_dead: Dead | None = None
        self._changed = clock()

    def put(self, rides: Iterable[OutgoingRide]) -> None:
        """Note rides that are about to be put, so that no answer can come before its ride."""
        with self._lock:
            self._changed = self._clock()
            for ride in rides:
                self._sums.put += 1
                self._outstanding[ride.key] = (self._changed, ride.route)

    def refused(self, rides: Iterable[OutgoingRide]) -> None:
        """Note rides that Kinesis did not take."""
        with self._lock:
            for ride in rides:
                if self._outstanding.pop(ride.key, None):
                    self._sums.refused += 1

    def knows(self, key: str) -> bool:
        """Tell whether this run has put a ride and still remembers it."""
        with self._lock:
            return key in self._outstanding or key in self._answered

    def predicted(self, prediction: Prediction) -> None:
        """Match a prediction with its ride."""
        with self._lock:
            if prediction.key in self._answered:
                self._sums.duplicates += 1
                return
            waiting = self._outstanding.pop(prediction.key, None)
            if waiting is None:
                self._sums.others += 1
                self._recent_others.append(prediction)
                return
            put_at, route = waiting
            self._sums.predicted += 1
            self._answer(prediction.key)
            latency = self._changed - put_at
            self._latencies.append(latency)
            self._recent.append(dataclasses.replace(prediction, route=route, latency=latency))

    def dead(self, record: Dead) -> None:
        """Match a dead letter with its ride; a letter that was written twice counts once."""
        key = record.key
        with self._lock:
            self._newest_dead = record
            if key is not None and key in self._answered:
                return
            if key is None or self._outstanding.pop(key, None) is None:
                self._sums.other_dead += 1
                return
            self._sums.dead += 1
            self._answer(key)

    def sums(self) -> Sums:
        """Give the sums of this moment."""
        with self._lock:
            return dataclasses.replace(self._sums)

    def latency(self, *quantiles: float) -> list[float | None]:
        """Give quantiles (0 to 1) of the last 10,000 latencies, in seconds; None before any."""
        with self._lock:
            latencies = sorted(self._latencies)
        if not latencies:
            return [None for _ in quantiles]
        return [latencies[min(int(q * len(latencies)), len(latencies) - 1)] for q in quantiles]

    def recent(self) -> list[Prediction]:
        """Give the last predictions of this run's rides, the newest first."""
        with self._lock:
            return list(reversed(self._recent))

    def recent_others(self) -> list[Prediction]:
        """Give the last predictions of rides that somebody else put, the newest first."""
        with self._lock:
            return list(reversed(self._recent_others))

    def newest_dead(self) -> Dead | None:
        """Give the record that was found last among the dead letters, whoever put it."""
        with self._lock:
            return self._newest_dead

    def idle(self) -> float:
        """Give the seconds since a ride was put or answered."""
        with self._lock:
            return self._clock() - self._changed

    def _answer(self, key: str) -> None:
        self._changed = self._clock()
        self._answered.add(key)
        self._answered_in_order.append(key)
        if len(self._answered_in_order) > self._remembered:
            self._answered.remove(self._answered_in_order.popleft())


class Meter:
    """Turns a growing count into a rate over the last few seconds.

    Args:
        window: Seconds that the rate is taken over.
    """

    def __init__(self, window: float = 5.0) -> None:
        self._window = window
        self._readings: deque[tuple[float, int]] = deque()

    def rate(self, now: float, count: int) -> float:
        """Take a reading and give the rate per second; 0 at the first reading."""
        self._readings.append((now, count))
        while len(self._readings) > 2 and self._readings[1][0] <= now - self._window:  # noqa: PLR2004  two readings make a rate
            self._readings.popleft()
        then, before = self._readings[0]
        return (count - before) / (now - then) if now > then else 0.0
