"""Tracks each ride from the put to its prediction or its dead-letter record."""

import dataclasses
import threading
import time
from collections import OrderedDict, deque
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
        duration: Minutes; None if the function does not predict it.
        tip: US dollars; None if the function does not predict it.
        route: Pickup and dropoff zone; None if not known.
        latency: Seconds from the put until the prediction could be read; None for a ride that
            this run did not put.
        text: The prediction as JSON, if another kind of model made it.
    """

    key: str
    duration: float | None
    tip: float | None
    route: Route | None = None
    latency: float | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that failed for good: dead-lettered by the function or discarded by the mapping.

    Attributes:
        key: Its partition key; None if not known.
        reason: Why it failed.
    """

    key: str | None
    reason: str


@dataclass(slots=True, kw_only=True)
class RideCounts:
    """How many rides there are in each state.

    Attributes:
        put: Rides that this run has put on the stream, or tried to.
        rejected: Those that Kinesis did not accept.
        predicted: Those whose prediction was read.
        dead_lettered: Those with a dead-letter record.
        duplicates: Further predictions of rides that are predicted or dead-lettered.
        others_predicted: Predictions of rides that this run did not put.
        others_dead_lettered: Dead-letter records of rides that this run did not put.
    """

    put: int = 0
    rejected: int = 0
    predicted: int = 0
    dead_lettered: int = 0
    duplicates: int = 0
    others_predicted: int = 0
    others_dead_lettered: int = 0

    @property
    def completed(self) -> int:
        """Rides that were predicted or dead-lettered."""
        return self.predicted + self.dead_lettered

    @property
    def outstanding(self) -> int:
        """Rides on the stream that are neither predicted nor dead-lettered yet."""
        return self.put - self.rejected - self.completed

    @property
    def accounted_for(self) -> bool:
        """Whether every ride was predicted or dead-lettered."""
        return self.put == self.completed


class RideTracker:
    """Matches predictions and dead-letter records with rides; several threads may use it.

    Rides are matched by their partition key. Memory is bounded by the rides outstanding and those
    remembered.

    Args:
        clock: Monotonic seconds.
        remembered: How many completed rides it remembers; the duplicate of an earlier one counts as
            a ride that this run did not put.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, remembered: int = REMEMBERED
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts = RideCounts()
        self._outstanding: dict[str, tuple[float, Route]] = {}
        self._completed: OrderedDict[str, None] = OrderedDict()
        self._remembered = remembered
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._recent: deque[Prediction] = deque(maxlen=RECENT)
        self._recent_others: deque[Prediction] = deque(maxlen=RECENT)
        self._newest_dead_letter: DeadLetter | None = None
        self._changed_at = clock()

    def put(self, rides: Iterable[OutgoingRide]) -> None:
        """Add rides; must be called before they are put, since predictions may come at once."""
        with self._lock:
            self._changed_at = self._clock()
            for ride in rides:
                self._counts.put += 1
                self._outstanding[ride.key] = (self._changed_at, ride.route)

    def rejected(self, rides: Iterable[OutgoingRide]) -> None:
        """Count rides that Kinesis did not accept."""
        with self._lock:
            for ride in rides:
                if self._outstanding.pop(ride.key, None):
                    self._counts.rejected += 1

    def knows(self, key: str) -> bool:
        """Return whether this run has put a ride and still remembers it."""
        with self._lock:
            return key in self._outstanding or key in self._completed

    def predicted(self, prediction: Prediction) -> None:
        """Match a prediction with its ride."""
        with self._lock:
            if prediction.key in self._completed:
                self._counts.duplicates += 1
                return
            ride = self._outstanding.pop(prediction.key, None)
            if ride is None:
                self._counts.others_predicted += 1
                self._recent_others.appendleft(prediction)
                return
            put_at, route = ride
            self._counts.predicted += 1
            self._complete(prediction.key)
            latency = self._changed_at - put_at
            self._latencies.append(latency)
            self._recent.appendleft(dataclasses.replace(prediction, route=route, latency=latency))

    def dead_lettered(self, dead_letter: DeadLetter) -> None:
        """Match a dead-letter record with its ride; one that was written twice counts once."""
        key = dead_letter.key
        with self._lock:
            self._newest_dead_letter = dead_letter
            if key is not None and key in self._completed:
                return
            if key is None or self._outstanding.pop(key, None) is None:
                self._counts.others_dead_lettered += 1
                return
            self._counts.dead_lettered += 1
            self._complete(key)

    def counts(self) -> RideCounts:
        """Return the counts of this moment."""
        with self._lock:
            return dataclasses.replace(self._counts)

    def latency(self, *quantiles: float) -> list[float | None]:
        """Return quantiles (0 to 1) of the last 10,000 latencies in seconds; None before any."""
        with self._lock:
            latencies = sorted(self._latencies)
        if not latencies:
            return [None for _ in quantiles]
        return [latencies[min(int(q * len(latencies)), len(latencies) - 1)] for q in quantiles]

    def recent(self) -> list[Prediction]:
        """Return the last predictions of this run's rides, the newest first."""
        with self._lock:
            return list(self._recent)

    def recent_others(self) -> list[Prediction]:
        """Return the last predictions of rides that this run did not put, the newest first."""
        with self._lock:
            return list(self._recent_others)

    def newest_dead_letter(self) -> DeadLetter | None:
        """Return the last dead-letter record, whether or not this run put its ride."""
        with self._lock:
            return self._newest_dead_letter

    def idle_seconds(self) -> float:
        """Return the seconds since a ride was put or completed."""
        with self._lock:
            return self._clock() - self._changed_at

    def _complete(self, key: str) -> None:
        self._changed_at = self._clock()
        self._completed[key] = None
        if len(self._completed) > self._remembered:
            self._completed.popitem(last=False)


class RateMeter:
    """Computes the rate of a growing count over the last few seconds.

    Args:
        window: Length in seconds.
    """

    def __init__(self, window: float = 5.0) -> None:
        self._window = window
        self._readings: deque[tuple[float, int]] = deque()

    def rate(self, now: float, count: int) -> float:
        """Add a reading and return the rate per second; 0 at the first reading."""
        self._readings.append((now, count))
        while len(self._readings) > 2 and self._readings[1][0] <= now - self._window:  # noqa: PLR2004  two readings make a rate
            self._readings.popleft()
        then, before = self._readings[0]
        return (count - before) / (now - then) if now > then else 0.0
