"""Customers that do not exist: their rides, and what is known of each at the start of every week.

The TLC's records name no passengers, for good reason. These customers ride at a rate of their own;
late pickups make them stop, and some stop anyway.
"""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

FIRST_WEEK = datetime(2024, 1, 1)  # noqa: DTZ001  a Monday, local time as in the TLC's files
WEEKS = 60
HORIZON = 4
"""A customer has churned who does not ride in so many weeks."""

WARM_UP = 12
"""Weeks before the first one that is looked at: the features look back so far."""

_WEEKLY = f"""
COPY (
    WITH weeks AS (
        SELECT range AS number, $first + to_days(7 * CAST(range AS INTEGER)) AS week
        FROM range({WARM_UP}, {WEEKS} + 1)
    ), counted AS (
        SELECT week, customer, number,
            number - max(ride_week) FILTER (ride_week < number) AS weeks_since_ride,
            count(*) FILTER (ride_week BETWEEN number - 4 AND number - 1) AS rides_4_weeks,
            count(*) FILTER (ride_week BETWEEN number - 12 AND number - 1) AS rides_12_weeks,
            number - min(ride_week) AS weeks_known,
            avg(CAST(late AS INTEGER)) FILTER (ride_week BETWEEN number - 12 AND number - 1)
                AS late_pickups,
            count(*) FILTER (ride_week BETWEEN number AND number + {HORIZON - 1}) = 0 AS churned
        FROM weeks CROSS JOIN rides WHERE ride_week < number + {HORIZON}
        GROUP BY week, customer, number HAVING rides_12_weeks > 0
    )
    SELECT week, customer, weeks_since_ride, rides_4_weeks, rides_12_weeks, weeks_known,
        late_pickups, CASE WHEN number + {HORIZON} <= {WEEKS} THEN churned END AS churned
    FROM counted ORDER BY week, customer
) TO $output (FORMAT parquet)
"""  # noqa: S608  constants of this module


def rides(customers: int, seed: int) -> pa.Table:
    """Return the rides of all customers: `customer`, `ride_week` (from 0) and `late`."""
    random = np.random.default_rng(seed)
    found: dict[str, list[object]] = {"customer": [], "ride_week": [], "late": []}
    for number in range(customers):
        rate, late_share = random.gamma(1.5, 0.8), random.beta(1.2, 6.0)
        for week in range(int(random.integers(0, WEEKS // 2)), WEEKS):
            late = random.random(random.poisson(rate)) < late_share
            found["customer"] += [f"c{number:05d}"] * len(late)
            found["ride_week"] += [week] * len(late)
            found["late"] += late.tolist()
            if random.random() < 0.006 + 0.10 * late.sum() / (len(late) + 1):
                break
    return pa.table(found)


def write_weekly(path: Path, customers: int, seed: int) -> None:
    """Write a Parquet file with a row for each week and customer who rode in the 12 weeks before.

    `churned` is what happened in the next four weeks; null where they are not over.
    """
    with duckdb.connect() as db:
        db.register("rides", rides(customers, seed))
        db.execute(_WEEKLY, {"first": FIRST_WEEK, "output": str(path)})


def week(number: int) -> datetime:
    """Return when a week starts."""
    return FIRST_WEEK + timedelta(weeks=number)
