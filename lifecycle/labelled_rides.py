"""Rides of an archive with what really happened, and as the trips that models are trained on.

Starts and ends of rides are joined by what the events say, not by when they arrived:

- A `ride_ended` event belongs to the last start of its ride id that is not after the drop-off. A
  ride id that occurs twice is two rides, each with its own end.
- If a ride has two ends, the first to arrive counts: a ride that has been scored keeps its score.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from lifecycle.event_time import NEW_YORK
from training.trips import MAX_MILES, MINUTES

_EARLIEST = datetime(1, 1, 2)  # noqa: DTZ001  local

# An event time that is long after the arrival comes from a wrong clock, and would age every ride.
_AS_OF = """
SELECT epoch_us(max(happened_at)) FROM (
    SELECT pickup_datetime AS happened_at, arrived_at FROM ride_started
    UNION ALL SELECT dropoff_datetime, arrived_at FROM ride_ended
) WHERE happened_at <= arrived_at + INTERVAL 1 HOUR
"""

_STARTS = """
CREATE TEMP TABLE starts AS
SELECT event_id, ride_id, min(pickup_datetime) AS pickup, min(PULocationID) AS zone,
       min(DOLocationID) AS dropoff_zone, min(trip_distance) AS trip_distance,
       min(passenger_count) AS passenger_count, min(payment_type) AS payment_type
FROM ride_started
WHERE pickup_datetime <= $as_of
GROUP BY event_id, ride_id
"""

_LABELS = """
CREATE TEMP TABLE labels AS
SELECT s.ride_id, s.pickup,
       arg_min({'minutes': (epoch_us(e.dropoff_datetime) - epoch_us(s.pickup)) / 6e7,
                'tip_amount': e.tip_amount, 'payment_type': e.payment_type},
               (e.arrived_at, e.event_id)) AS label
FROM ride_ended AS e
ASOF JOIN (SELECT DISTINCT ride_id, pickup FROM starts) AS s
  ON e.ride_id = s.ride_id AND e.dropoff_datetime >= s.pickup
WHERE e.dropoff_datetime <= $as_of
GROUP BY s.ride_id, s.pickup
"""

# A local time differs by an hour after the clocks change: the drop-off is the pickup plus the ride.
_TRIPS = """
CREATE TEMP TABLE trips AS
WITH one AS (
    SELECT ride_id, pickup, min(zone) AS zone, min(dropoff_zone) AS dropoff_zone,
           min(trip_distance) AS trip_distance, min(passenger_count) AS passenger_count,
           min(payment_type) AS payment_type
    FROM starts GROUP BY ride_id, pickup
)
SELECT ride_id, pickup AT TIME ZONE 'America/New_York' AS lpep_pickup_datetime,
       lpep_pickup_datetime + to_microseconds(CAST(label.minutes * 6e7 AS BIGINT))
         AS lpep_dropoff_datetime,
       zone AS PULocationID, dropoff_zone AS DOLocationID, trip_distance, passenger_count,
       coalesce(label.payment_type, payment_type) AS payment_type, label.tip_amount AS tip_amount
FROM one JOIN labels USING (ride_id, pickup)
WHERE label.minutes BETWEEN $shortest AND $longest AND trip_distance > 0 AND trip_distance <= $miles
"""

_MONTHS = """
SELECT DISTINCT strftime(lpep_pickup_datetime, '%Y-%m') FROM trips
WHERE lpep_pickup_datetime >= $begin AND lpep_pickup_datetime < $end ORDER BY 1
"""
_OF_MONTH = """
SELECT * EXCLUDE (ride_id) FROM trips
WHERE lpep_pickup_datetime >= $begin AND lpep_pickup_datetime < $end
  AND strftime(lpep_pickup_datetime, '%Y-%m') = $month
ORDER BY lpep_pickup_datetime, ride_id
"""


def label_rides(db: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    """Create the tables `starts`, and `labels`: of a ride, what its end says.

    Args:
        db: From `lifecycle.archive_query.open_archive_tables`.
        as_of: Events after it are as if they had not happened yet.
    """
    db.execute(_STARTS, {"as_of": as_of})
    db.execute(_LABELS, {"as_of": as_of})


def latest_event(db: duckdb.DuckDBPyConnection) -> datetime:
    """Return the time of an archive's latest event; of an empty archive, the present time."""
    ((found,),) = db.execute(_AS_OF).fetchall()
    return (
        datetime.now(UTC)
        if found is None
        else datetime.fromtimestamp(0, UTC) + timedelta(microseconds=found)
    )


class ArchivedTrips:
    """An archive's labelled rides, as `training.trips.read_trips` reads the TLC's trip records.

    Rides that no model is trained on are left out: shorter than 1 minute or longer than 60, of an
    unknown distance or of more than 60 miles. The payment type is that of the end, if it has one.

    Args:
        db: From `lifecycle.archive_query.open_archive_tables`.
        as_of: Events after it are as if they had not happened yet; None: the latest event.
        settled: Only rides picked up so long before `as_of`: short rides end first.

    Attributes:
        newest: The latest pickup that a ride may have (New York local time).
    """

    def __init__(
        self, db: duckdb.DuckDBPyConnection, as_of: datetime | None, settled: timedelta
    ) -> None:
        as_of = as_of or latest_event(db)
        label_rides(db, as_of)
        limits = {"shortest": MINUTES[0], "longest": MINUTES[1], "miles": MAX_MILES}
        db.execute(_TRIPS, limits)
        self._db = db
        self.newest = (as_of - settled).astimezone(NEW_YORK).replace(tzinfo=None)

    def write(self, folder: Path, begin: datetime | None, end: datetime) -> list[Path]:
        """Write the rides picked up from `begin` until before `end`, a file for each month.

        Args:
            folder: Is created.
            begin: New York local time; None: from the first ride.
            end: New York local time.
        """
        folder.mkdir(parents=True)
        span = {"begin": begin or _EARLIEST, "end": end}
        paths = []
        for (month,) in self._db.execute(_MONTHS, span).fetchall():
            paths.append(folder / f"rides_{month}.parquet")
            found = self._db.execute(_OF_MONTH, {**span, "month": month}).to_arrow_table()
            pq.write_table(found, paths[-1])
        return paths
