"""Replays a month's drivers: each becomes free where a trip ended, goes where a policy says, waits.

Every driver has 60 minutes from the drop-off. A pickup of the month goes to the driver who has
waited in its zone for the longest, and to nobody else.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.recommender.waiting_times import Array, Indices, Trips

TIME_UP = 60.0
"""Minutes from the drop-off until a driver stops waiting."""

SOON = 15.0
RESAMPLES = 1_000
INTERVAL = (2.5, 97.5)
"""Percentiles: a 95% interval."""

MINUTES_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Drivers:
    """Drivers who became free.

    Attributes:
        zone: Where, [N].
        free: When, in minutes since the month's first day began, [N].
        hour: The hour of the week, [N].
    """

    zone: Indices
    free: Array
    hour: Indices


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of drivers; all [N].

    Attributes:
        day: The day of the month, from 0, on which each became free.
        driving: Minutes to the zone that the policy named.
        minutes: Minutes from the drop-off to the pickup; 60 if there was none.
        found: 1 where there was one, else 0.
        fare: US dollars of the ride that was found, else 0.
        ride: Minutes of that ride, else 0.
    """

    day: Indices
    driving: Array
    minutes: Array
    found: Array
    fare: Array
    ride: Array


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of a policy.

    Attributes:
        minutes: Mean minutes from the drop-off to the pickup, at most 60.
        soon: The share that found a pickup within 15 minutes.
        found: The share that found one within 60 minutes.
        dollars: Fares for each hour from the drop-off to the end of the ride that was found.
        driving: Mean minutes of driving empty.
    """

    minutes: Array
    soon: Array
    found: Array
    dollars: Array
    driving: Array


def drawn_drivers(trips: Trips, share: float, draw: np.random.Generator) -> Drivers:
    """Draw a share of the drop-offs: each is a driver who follows a policy."""
    inside = (trips.dropoff_zone > 0) & (trips.dropoff < trips.days * MINUTES_A_DAY)
    chosen = np.flatnonzero(inside & (draw.random(len(inside)) < share))
    free = trips.dropoff[chosen]
    return Drivers(trips.dropoff_zone[chosen], free, trips.hours_of_week(free))


def replay(drivers: Drivers, target: Indices, there: Array, trips: Trips) -> Outcome:
    """Send each driver to a zone, and give out the pickups.

    Args:
        drivers: Who became free.
        target: The zone that each goes to, [N].
        there: Minutes from zone to zone, [264, 264].
        trips: The month's, whose pickups are given out.
    """
    driving = there[drivers.zone, target]
    arrived, leaves = drivers.free + driving, drivers.free + TIME_UP
    trip_of = np.full(len(target), -1)
    in_order = np.argsort(arrived, kind="stable")
    for zone in np.unique(target):
        coming = deque(in_order[target[in_order] == zone].tolist())
        waiting: deque[int] = deque()
        for trip in np.flatnonzero(trips.pickup_zone == zone).tolist():
            now = trips.pickup[trip]
            while coming and arrived[coming[0]] <= now:
                waiting.append(coming.popleft())
            while waiting:
                driver = waiting.popleft()
                if now <= leaves[driver]:
                    trip_of[driver] = trip
                    break
    found = trip_of >= 0
    ride = trips.dropoff - trips.pickup
    return Outcome(
        day=(drivers.free // MINUTES_A_DAY).astype(np.int64),
        driving=np.minimum(driving, TIME_UP),
        minutes=np.where(found, trips.pickup[trip_of] - drivers.free, TIME_UP),
        found=found.astype(np.float64),
        fare=np.where(found, trips.fare[trip_of], 0.0),
        ride=np.where(found, ride[trip_of], 0.0),
    )


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """Return several months' outcomes as one, whose days are numbered on."""
    days, first = [], 0
    for outcome in outcomes:
        days.append(outcome.day + first)
        first = max(days[-1].tolist(), default=first - 1) + 1
    others = ("driving", "minutes", "found", "fare", "ride")
    columns = {name: np.concatenate([getattr(each, name) for each in outcomes]) for name in others}
    return Outcome(day=np.concatenate(days), **columns)


def measured(outcome: Outcome) -> Measures:
    """Measure a policy; each measure has the shape []."""
    return _measures(_sums_by_day(outcome).sum(axis=0))


def differences(one: Outcome, other: Outcome, draw: np.random.Generator) -> dict[str, Array]:
    """Return 95% intervals of one policy's measures minus another's, for the same drivers.

    Days are resampled, not drivers: those of one day meet the same demand, and each other.

    Returns:
        By the names of `Measures`, [2].
    """
    sums = np.stack([_sums_by_day(one), _sums_by_day(other)])
    days = sums.shape[1]
    weights = draw.multinomial(days, np.full(days, 1 / days), size=RESAMPLES).astype(float)
    first, second = (_measures(weights @ each) for each in sums)
    return {
        name: np.percentile(getattr(first, name) - getattr(second, name), INTERVAL)
        for name in Measures.__slots__
    }


def _sums_by_day(outcome: Outcome) -> Array:
    """Return what measures are made of, [days, 6]."""
    soon = outcome.found * (outcome.minutes <= SOON)
    working = outcome.minutes + outcome.ride
    columns = (
        np.ones(len(outcome.day)),
        outcome.minutes,
        soon,
        outcome.found,
        outcome.fare,
        working,
        outcome.driving,
    )
    return np.stack([np.bincount(outcome.day, weights=column) for column in columns], axis=1)


def _measures(sums: Array) -> Measures:
    drivers, minutes, soon, found, fare, working, driving = np.moveaxis(sums, -1, 0)
    return Measures(
        minutes=minutes / drivers,
        soon=soon / drivers,
        found=found / drivers,
        dollars=60 * fare / working,
        driving=driving / drivers,
    )
