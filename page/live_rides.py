"""What the page shows of the rides: zones, versions, errors and the last predictions."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Any

from page.measures import RecentCount
from page.ride_records import (
    TEXT_LIMIT,
    Ended,
    Predicted,
    Route,
    Started,
    decode_event,
    decode_prediction,
)
from streaming import StreamRecord

WINDOW_SECONDS = 300.0
"""The map's window, and that of the versions' shares."""

REMEMBERED = 50_000
"""Rides whose start or prediction is kept, until the other, or the end, comes."""

ZONE_RIDES = 200
"""Rides that a zone's medians are of, at most."""

ENDED_RIDES = 1_000
"""Rides that a version's error is of, at most."""

VERSIONS = 20
RECENT = 12

Expected = Callable[[Predicted], object]


@dataclass(slots=True)
class _Ride:
    started: Started | None = None
    ended: Ended | None = None
    predicted: dict[str, Predicted] = field(default_factory=dict)


class _Zone:
    """The last rides that began in a zone."""

    __slots__ = ("_clock", "_count", "_rides")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._count = RecentCount(WINDOW_SECONDS, clock)
        self._rides: deque[tuple[float, float | None, float | None]] = deque(maxlen=ZONE_RIDES)

    def add(self, predicted: Predicted) -> None:
        self._count.add()
        self._rides.append((self._clock(), predicted.duration, predicted.tip))

    def values(self) -> list[float | None] | None:
        """Return median minutes, median dollars and rides; None if there were none."""
        since = self._clock() - WINDOW_SECONDS
        while self._rides and self._rides[0][0] < since:
            self._rides.popleft()
        if not self._rides:
            return None
        return [
            _median(duration for _, duration, _ in self._rides),
            _median(tip for _, _, tip in self._rides),
            self._count.total(),
        ]


class _Version:
    """One version of one model on one stream."""

    def __init__(self, names: tuple[str, str, str], clock: Callable[[], float]) -> None:
        self._names = names
        self._clock = clock
        self.count = RecentCount(WINDOW_SECONDS, clock)
        self._durations: deque[float] = deque(maxlen=ENDED_RIDES)
        self._tips: deque[float] = deque(maxlen=ENDED_RIDES)

    def ended(self, predicted: Predicted, minutes: float, tip: float | None) -> None:
        if predicted.duration is not None:
            self._durations.append(predicted.duration - minutes)
        if predicted.tip is not None and tip is not None:
            self._tips.append(predicted.tip - tip)

    def row(self, of_stream: int) -> dict[str, Any]:
        stream, model, version = self._names
        count = self.count.total()
        return {
            "stream": stream,
            "model": model,
            "version": version,
            "count": count,
            "share": count / of_stream if of_stream else 0.0,
            "duration": _errors(self._durations),
            "tip": _errors(self._tips),
        }


class LiveRides:
    """Follows rides from their streams' records; several threads may use it.

    Its memory is bounded: the last rides, and the last values of each zone and version.

    Args:
        champion: The stream whose predictions are on the map and in the table.
        clock: Monotonic seconds.
        now: Seconds since the epoch.
    """

    def __init__(
        self,
        champion: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.champion = champion
        self.events = self.starts = self.ends = 0
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._rides: OrderedDict[str, _Ride] = OrderedDict()
        self._zones: dict[int, _Zone] = {}
        self._versions: OrderedDict[tuple[str, str, str], _Version] = OrderedDict()
        self._recent: deque[tuple[Predicted, _Ride, float]] = deque(maxlen=RECENT)
        self._expected: dict[str, Expected] = {}

    def event(self, record: StreamRecord) -> None:
        """Add a record of the input stream."""
        found = decode_event(record)
        with self._lock:
            self.events += 1
            if isinstance(found, Started):
                self.starts += 1
                self._start(found)
            elif found is not None:
                self.ends += 1
                self._end(found)

    def prediction(self, stream: str, record: StreamRecord) -> Predicted | None:
        """Add a record of an output stream; return the prediction, None if it is none."""
        found = decode_prediction(record)
        if found is None:
            return None
        with self._lock:
            self._version(stream, found).count.add()
            ride = self._ride(found.ride)
            known = stream in ride.predicted
            ride.predicted[stream] = found
            if not known:  # a replay's rides end sooner than that
                self._compare(ride, stream, found)
            expected = None
            if stream == self.champion:
                self._recent.append((found, ride, self._now()))
                if not known and ride.started is not None:
                    self._show(ride.started.route, found)
                expected = self._expected.get(found.ride)
        if expected is not None:
            expected(found)
        return found

    def expect(self, ride: str, call: Expected) -> None:
        """Call a function, in a reader's thread, when the champion has predicted a ride."""
        with self._lock:
            self._expected[ride] = call

    def expect_no_more(self, ride: str) -> None:
        """End what `expect` began."""
        with self._lock:
            self._expected.pop(ride, None)

    def zones(self) -> dict[str, list[float | None] | None]:
        """Return for each zone with rides: median minutes, median dollars, rides."""
        with self._lock:
            return {str(number): zone.values() for number, zone in self._zones.items()}

    def versions(self) -> list[dict[str, Any]]:
        """Return each version's share of its stream and its errors, the champion's first."""
        with self._lock:
            of_stream = {stream: 0 for stream, _, _ in self._versions}
            for (stream, _, _), version in self._versions.items():
                of_stream[stream] += version.count.total()
            rows = [
                {**version.row(of_stream[key[0]]), "champion": key[0] == self.champion}
                for key, version in self._versions.items()
            ]
        return sorted(rows, key=lambda row: (not row["champion"], row["stream"]))

    def recent(self) -> list[dict[str, Any]]:
        """Return the last predictions, the newest first."""
        with self._lock:
            last = [
                (predicted, ride.started.route if ride.started else None, read_at)
                for predicted, ride, read_at in reversed(self._recent)
            ]
        return [_shown(*each) for each in last]

    def _start(self, started: Started) -> None:
        ride = self._ride(started.ride)
        if ride.started is not None:  # its id comes again: another ride
            self._rides[started.ride] = ride = _Ride()
        ride.started = started
        if self.champion in ride.predicted:  # the two streams are read beside each other
            self._show(started.route, ride.predicted[self.champion])

    def _end(self, ended: Ended) -> None:
        ride = self._rides.get(ended.ride)
        if ride is not None and ride.ended is None:
            ride.ended = ended
            for stream, predicted in ride.predicted.items():
                self._compare(ride, stream, predicted)

    def _show(self, route: Route, predicted: Predicted) -> None:
        pickup = route[0]
        if pickup not in self._zones:
            self._zones[pickup] = _Zone(self._clock)
        self._zones[pickup].add(predicted)

    def _ride(self, key: str) -> _Ride:
        ride = self._rides.get(key)
        if ride is None:
            ride = self._rides[key] = _Ride()
            if len(self._rides) > REMEMBERED:
                self._rides.popitem(last=False)
        return ride

    def _version(self, stream: str, predicted: Predicted) -> _Version:
        key = (stream, predicted.model, predicted.version)
        if key not in self._versions:
            self._versions[key] = _Version(key, self._clock)
            if len(self._versions) > VERSIONS:
                self._versions.popitem(last=False)
        self._versions.move_to_end(key)
        return self._versions[key]

    def _compare(self, ride: _Ride, stream: str, predicted: Predicted) -> None:
        """Add a prediction's error, if the ride's start and end are known and in this order."""
        version = self._versions.get((stream, predicted.model, predicted.version))
        if version is not None and ride.started is not None and ride.ended is not None:
            minutes = (ride.ended.at - ride.started.at) / timedelta(minutes=1)
            if minutes >= 0:
                version.ended(predicted, minutes, ride.ended.tip)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 2) if known else None


def _errors(differences: deque[float]) -> dict[str, float] | None:
    if not differences:
        return None
    return {
        "rides": len(differences),
        "absolute": round(median(map(abs, differences)), 2),
        "bias": round(median(differences), 2),
    }


def _shown(predicted: Predicted, route: Route | None, read_at: float) -> dict[str, Any]:
    arrived_at = predicted.arrived_at
    return {
        "ride": predicted.ride[:TEXT_LIMIT],
        "route": route,
        "duration": predicted.duration,
        "low": predicted.low,
        "high": predicted.high,
        "tip": predicted.tip,
        "text": predicted.text,
        "milliseconds": None if predicted.latency is None else round(predicted.latency * 1000),
        "arrived": arrived_at and round(arrived_at.timestamp() * 1000),
        "read": round(read_at * 1000),
    }


def tapped(
    records: Iterable[StreamRecord], tap: Callable[[StreamRecord], object]
) -> Iterator[StreamRecord]:
    """Yield records, and show each to a function on its way."""
    for record in records:
        tap(record)
        yield record
