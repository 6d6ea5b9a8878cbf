"""Predictions beside what really happened, joined in event time.

Rides are joined by what the events say, not by when they arrived, so that a label may come before
its prediction, or days later:

- A prediction belongs to the `ride_started` event whose `event_id` and `ride_id` it has.
- Which end belongs to which start: see `lifecycle.labelled_rides`.
- Of two predictions of one event by one version, the first that was published counts.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import duckdb
import pyarrow as pa

from lifecycle.labelled_rides import label_rides, latest_event
from lifecycle.slices import MILES, boroughs
from training.trips import CARD, DOLLARS, MINUTES

TargetName = Literal["duration", "tip"]
UNITS: dict[TargetName, str] = {"duration": "minutes", "tip": "US dollars"}

_LIMITS: dict[TargetName, tuple[float, float]] = {"duration": MINUTES, "tip": (0.0, DOLLARS)}
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)

_BANDS = {"not known": 0.0, **{name: float(start) for name, start in MILES.items()}}
_BANDS[next(iter(MILES))] = 1e-9  # 0 miles are an unknown distance

_SCORED = """
CREATE TEMP TABLE scored AS
WITH predicted AS (
    SELECT *, CASE $target WHEN 'duration' THEN ride_duration ELSE ride_tip END AS value,
           CASE $target WHEN 'duration' THEN ride_duration_low END AS low,
           CASE $target WHEN 'duration' THEN ride_duration_high END AS high
    FROM predictions
),
one AS (
    SELECT event_id, ride_id, stream, model, version, min(arrived_at) AS arrived_at,
           arg_min({'value': value, 'low': low, 'high': high}, published_at) AS given
    FROM predicted WHERE isfinite(value)
    GROUP BY event_id, ride_id, stream, model, version
),
joined AS (
    SELECT one.*, given.value AS prediction, s.pickup, s.zone, s.trip_distance,
           s.payment_type, l.label.minutes AS minutes,
           CASE WHEN $target = 'duration' THEN l.label.minutes
                WHEN l.label.payment_type = $card THEN l.label.tip_amount END AS truth
    FROM one
    LEFT JOIN starts AS s USING (event_id, ride_id)
    LEFT JOIN labels AS l ON l.ride_id = s.ride_id AND l.pickup = s.pickup
    WHERE coalesce(s.pickup, one.arrived_at) BETWEEN $since AND $as_of
)
SELECT j.event_id, j.ride_id, j.stream, j.model, j.version, j.prediction, j.truth, j.zone,
       j.trip_distance, j.payment_type, j.pickup AT TIME ZONE 'America/New_York' AS pickup,
       j.truth IS NOT NULL AS labelled,
       coalesce(j.truth BETWEEN $lowest AND $highest
                AND j.minutes BETWEEN $shortest AND $longest, false) AS usable,
       hour(j.pickup AT TIME ZONE 'America/New_York') AS hour, z.borough, b.name AS distance,
       (epoch_us($as_of) - epoch_us(j.pickup)) / 6e7 AS age, prediction - truth AS error,
       CASE WHEN isfinite(j.given.low) AND isfinite(j.given.high)
            THEN truth BETWEEN j.given.low AND j.given.high END AS in_range
FROM joined AS j
LEFT JOIN zones AS z ON z.zone = j.zone
ASOF LEFT JOIN bands AS b ON j.trip_distance >= b.start
"""

_COUNTS = """
SELECT count(*) FILTER (pickup IS NULL), count(*) FILTER (labelled AND NOT usable),
       (SELECT count(*) FROM ride_ended WHERE dropoff_datetime <= $as_of)
         - (SELECT count(*) FROM ride_ended AS e
            ASOF JOIN (SELECT DISTINCT ride_id, pickup FROM starts) AS s
              ON e.ride_id = s.ride_id AND e.dropoff_datetime >= s.pickup
            WHERE e.dropoff_datetime <= $as_of)
FROM scored
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which predictions are scored.

    Attributes:
        target: What they predict.
        since: The earliest pickup, or how long before `as_of` it may be; None: all.
        as_of: Events after it are as if they had not happened yet; None: the latest event.
    """

    target: TargetName = "duration"
    since: datetime | timedelta | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """The table `scored` of a database: a row for each prediction.

    Attributes:
        db: The database.
        target: What is predicted.
        unit: The unit of errors.
        since: The earliest pickup; None: all.
        as_of: The time at which ages are counted.
        without_start: Predictions whose `ride_started` event is not in the archive; they have no
            label.
        out_of_range: Predictions with a label that is not scored: rides that no model was trained
            on, shorter than 1 minute or longer than 60, or a tip above 50 dollars.
        ends_without_start: `ride_ended` events of no ride in the archive.
    """

    db: duckdb.DuckDBPyConnection
    target: TargetName
    unit: str
    since: datetime | None
    as_of: datetime
    without_start: int
    out_of_range: int
    ends_without_start: int


def score(db: duckdb.DuckDBPyConnection, scope: Scope) -> Scored:
    """Join an archive's predictions with what really happened.

    Args:
        db: From `open_archive_tables`.
        scope: Which predictions are scored.
    """
    as_of = scope.as_of or latest_event(db)
    since = as_of - scope.since if isinstance(scope.since, timedelta) else scope.since
    names = boroughs()
    db.from_arrow(pa.table({"zone": range(1, len(names)), "borough": names[1:].tolist()})).create(
        "zones"
    )
    db.from_arrow(pa.table({"name": list(_BANDS), "start": list(_BANDS.values())})).create("bands")
    lowest, highest = _LIMITS[scope.target]
    at = {"as_of": as_of}
    label_rides(db, as_of)
    db.execute(
        _SCORED,
        {
            **at,
            "since": since or _EARLIEST,
            "target": scope.target,
            "card": CARD,
            "lowest": lowest,
            "highest": highest,
            "shortest": MINUTES[0],
            "longest": MINUTES[1],
        },
    )
    (counts,) = db.execute(_COUNTS, at).fetchall()
    return Scored(db, scope.target, UNITS[scope.target], since, as_of, *counts)
