"""Which intervals have a complete run, from the `runs` table of a predictions database."""

from batch.interval import Interval
from batch.predictions_database import COMPLETE
from batch.predictions_reader import fetch_all

_QUERY = """
SELECT runs.since, runs.until FROM runs JOIN (
    SELECT max(run) AS newest FROM runs
    WHERE status = $status AND model = $model GROUP BY version, since, until
) AS last ON run = newest
WHERE read > 0 AND ($version = '' OR version = $version)
"""


def complete_intervals(location: str, model: str, version: str = "") -> list[Interval]:
    """Return the intervals whose last complete run has read a ride.

    One in which no ride was found counts as missing: its rides may come later.

    Args:
        location: A DuckDB file's path, or a `postgresql://` URL.
        model: The model's name.
        version: The model's version; empty: any.

    Raises:
        DatabaseError: The database cannot be read.
        DatabaseInUse: Another program has it open to write.
    """
    values = {"status": COMPLETE, "model": model, "version": version}
    found = {Interval(*row) for row in fetch_all(location, _QUERY, values)}
    return sorted(found, key=lambda each: (each.since, each.until))
