"""Tracks each ride from the put to its prediction or its dead-letter record."""

import dataclasses
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from demo.other_events import OtherEvents
from demo.producer import OutgoingEnd, OutgoingRide
from demo.ride_ends import EndCounts, RideEnds
from page.measures import Latencies
from page.ride_records import Route
from streaming.redrive.survey import VALUES

REMEMBERED = 100_000
RECENT = 8
ROUTES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A prediction as it was read from its stream.

    Attributes:
        key: The partition key, which is the ride's id as text.
        duration: Minutes; None if the function does not predict it.
        tip: US dollars; None if the function does not predict it.
        route: Pickup and dropoff zone; None if not known.
        latency: Seconds from the put until the prediction could be read; for a ride that this run
            did not put, from its arrival on the stream to the prediction's; None if not known.
        text: The prediction as JSON, if another kind of model made it.
        event_id: The predicted event's id; None if the prediction has none.
        by_others: Whether another producer put the ride.
    """

    key: str
    duration: float | None
    tip: float | None
    route: Route | None = None
    latency: float | None = None
    text: str | None = None
    event_id: str | None = None
    by_others: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that failed for good: dead-lettered by the function or discarded by the mapping.

    Attributes:
        key: Its partition key; None if not known.
        reason: Why it failed.
        event_id: Its event id; None if not known.
        ended: Whether it is the end of a ride.
    """

    key: str | None
    reason: str
    event_id: str | None = None
    ended: bool = False


@dataclass(slots=True, kw_only=True)
class RideCounts:
    """How many rides there are in each state.

    Attributes:
        put: Rides that this run has put on the stream, or tried to.
        rejected: Those that Kinesis did not accept.
        predicted: Those whose prediction was read.
        dead_lettered: Those with a dead-letter record.
        duplicates: Further predictions of rides that are predicted or dead-lettered.
        others_predicted: Predicted rides that this run did not put.
        others_dead_lettered: Dead-lettered rides that this run did not put.
        others_skipped: Events that this run did not put, and that the function finished without a
            prediction or a dead-letter record: those of another event type.
        others_outstanding: Events that this run did not put, and that have no outcome yet.
        ends: The ends of this run's rides.
    """

    put: int = 0
    rejected: int = 0
    predicted: int = 0
    dead_lettered: int = 0
    duplicates: int = 0
    others_predicted: int = 0
    others_dead_lettered: int = 0
    others_skipped: int = 0
    others_outstanding: int = 0
    ends: EndCounts = field(default_factory=EndCounts)

    @property
    def completed(self) -> int:
        """Rides of this run that were predicted or dead-lettered."""
        return self.predicted + self.dead_lettered

    @property
    def own_outstanding(self) -> int:
        """Rides of this run on the stream, and ends of its rides, without an outcome yet."""
        return self.put - self.rejected - self.completed + self.ends.outstanding

    @property
    def outstanding(self) -> int:
        """Events on the stream without an outcome, whoever put them."""
        return self.own_outstanding + self.others_outstanding

    @property
    def others_completed(self) -> int:
        """Events that this run did not put, and that have an outcome."""
        return self.others_predicted + self.others_dead_lettered + self.others_skipped

    @property
    def others(self) -> int:
        """Events that this run did not put."""
        return self.others_completed + self.others_outstanding

    @property
    def all_put(self) -> int:
        """Events, whoever put them."""
        return self.put + self.others

    @property
    def all_predicted(self) -> int:
        """Predicted rides, whoever put them."""
        return self.predicted + self.others_predicted

    @property
    def all_dead_lettered(self) -> int:
        """Dead-lettered rides, whoever put them."""
        return self.dead_lettered + self.others_dead_lettered

    @property
    def accounted_for(self) -> bool:
        """Whether every event has an outcome, whoever put it."""
        own = self.put == self.completed and self.ends.accounted_for
        return own and not self.others_outstanding


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
        self._latencies = Latencies()
        self._recent: deque[Prediction] = deque(maxlen=RECENT)
        self._recent_others: deque[Prediction] = deque(maxlen=RECENT)
        self._newest_dead_letter: DeadLetter | None = None
        self._reasons: Counter[str] = Counter()
        self._others = OtherEvents(remembered)
        self._ends = RideEnds(remembered)
        self._routes: OrderedDict[str, Route] = OrderedDict()
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

    def put_ends(self, ends: Iterable[OutgoingEnd]) -> None:
        """Add ends of rides; must be called before they are put."""
        with self._lock:
            self._changed_at = self._clock()
            self._ends.put(end.key for end in ends)

    def rejected_ends(self, ends: Iterable[OutgoingEnd]) -> None:
        """Count ends that Kinesis did not accept."""
        with self._lock:
            self._ends.rejected(end.key for end in ends)

    def end_arrived(self, event_id: str, key: str) -> bool:
        """Match an end that was read from the input stream; return whether this run put it."""
        with self._lock:
            return self._ends.arrived(event_id, key, self._clock())

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
                self._other_predicted(prediction)
                return
            put_at, route = ride
            self._counts.predicted += 1
            self._complete(prediction.key)
            latency = self._changed_at - put_at
            self._latencies.add(latency)
            self._recent.appendleft(dataclasses.replace(prediction, route=route, latency=latency))

    def dead_lettered(self, dead_letter: DeadLetter) -> None:
        """Match a dead-letter record with its ride; one that was written twice counts once."""
        key = dead_letter.key
        with self._lock:
            self._newest_dead_letter = dead_letter
            if dead_letter.ended and self._ends.dead_lettered(dead_letter.event_id, key):
                return
            if key is not None and key in self._completed:
                return
            if key is None or self._outstanding.pop(key, None) is None:
                identity = dead_letter.event_id or key or f"unknown {self._reasons.total()}"
                if not self._others.complete(identity, "dead_lettered"):
                    return
            else:
                self._counts.dead_lettered += 1
                self._complete(key)
            kind = VALUES.sub(lambda value: "…" if value[0].isdigit() else "", dead_letter.reason)
            self._reasons[kind] += 1

    def arrived(self, event_id: str, route: Route | None) -> None:
        """Add an event of another producer, which was read from the input stream."""
        with self._lock:
            self._others.arrived(event_id, self._clock())
            if route is not None:
                self._routes[event_id] = route
                if len(self._routes) > ROUTES:
                    self._routes.popitem(last=False)

    def finished(self, checkpoints: Mapping[str, str]) -> None:
        """See `OtherEvents.skip_finished`."""
        with self._lock:
            now = self._clock()
            self._others.skip_finished(checkpoints, now)
            if self._ends.skip_finished(checkpoints, now):
                self._changed_at = now

    def ignore_new_events(self) -> None:
        """Count no more events of other producers."""
        with self._lock:
            self._others.close()

    def counts(self) -> RideCounts:
        """Return the counts of this moment."""
        with self._lock:
            return dataclasses.replace(
                self._counts,
                others_predicted=self._others.count("predicted"),
                others_dead_lettered=self._others.count("dead_lettered"),
                others_skipped=self._others.count("skipped"),
                others_outstanding=self._others.outstanding,
                ends=self._ends.counts(),
            )

    def latency(self, *quantiles: float) -> list[float | None]:
        """Return quantiles (0 to 1) of the last 10,000 latencies in seconds; None before any."""
        return self._latencies.quantiles(*quantiles)

    def recent(self) -> list[Prediction]:
        """Return the last predictions of this run's rides, the newest first."""
        with self._lock:
            return list(self._recent)

    def recent_others(self) -> list[Prediction]:
        """Return the last predictions of rides that this run did not put, the newest first."""
        with self._lock:
            return [
                dataclasses.replace(each, route=self._routes.get(each.event_id or ""))
                for each in self._recent_others
            ]

    def newest_dead_letter(self) -> DeadLetter | None:
        """Return the last dead-letter record, whether or not this run put its ride."""
        with self._lock:
            return self._newest_dead_letter

    def reasons(self) -> dict[str, int]:
        """Return the number of dead-letter records by reason, the most frequent first."""
        with self._lock:
            return dict(self._reasons.most_common())

    def idle_seconds(self) -> float:
        """Return the seconds since a ride was put or completed."""
        with self._lock:
            return self._clock() - self._changed_at

    def _other_predicted(self, prediction: Prediction) -> None:
        if not self._others.complete(prediction.event_id or prediction.key, "predicted"):
            self._counts.duplicates += 1
            return
        if prediction.latency is not None:
            self._latencies.add(prediction.latency)
        self._recent_others.appendleft(dataclasses.replace(prediction, by_others=True))

    def _complete(self, key: str) -> None:
        self._changed_at = self._clock()
        self._completed[key] = None
        if len(self._completed) > self._remembered:
            self._completed.popitem(last=False)
