"""Two versions' predictions of the same rides, compared on what really happened."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from lifecycle.errors import ComparisonError
from lifecycle.gate import MIN_DAYS, MIN_RIDES, SLICE_RIDES, Difference, difference
from lifecycle.prediction_quality import COMPLETE
from lifecycle.scored_predictions import Scored
from lifecycle.slices import slices

TOO_LITTLE = "too little to tell"

_VERSIONS = """
SELECT DISTINCT version FROM predictions
WHERE ride_duration IS NOT NULL OR ride_tip IS NOT NULL ORDER BY version
"""

_PAIRS = """
CREATE TEMP TABLE pairs AS
SELECT a.*, b.error AS other_error FROM scored AS a JOIN scored AS b
  ON a.event_id = b.event_id AND a.ride_id = b.ride_id AND a.model = b.model
 AND a.stream IS NOT DISTINCT FROM b.stream
WHERE a.version = $a AND b.version = $b AND a.age >= $minutes
"""

_RIDES = """
SELECT error * error AS a, other_error * other_error AS b,
       (dense_rank() OVER (ORDER BY CAST(pickup AS DATE)) - 1) AS day,
       zone AS PULocationID, trip_distance, CAST(payment_type AS DOUBLE) AS payment_type,
       hour(pickup) + minute(pickup) / 60 AS hour
FROM pairs WHERE usable
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """The errors of two versions on some rides.

    Attributes:
        difference: Version A as the champion, version B as the candidate.
        days: On how many days the rides began.
        verdict: What can be said, in words.
    """

    difference: Difference
    days: int
    verdict: str


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """Two versions, A and B, compared.

    Attributes:
        a, b: Their names.
        pairs: Rides that both have predicted, at least `COMPLETE` minutes ago.
        parts: All rides that are scored, then the slices of them; empty if none is scored.
    """

    a: str
    b: str
    pairs: int
    parts: Sequence[Compared]


def two_versions(db: duckdb.DuckDBPyConnection, a: str | None, b: str | None) -> tuple[str, str]:
    """Return the versions to compare: those given, or those that the archive holds.

    Args:
        db: From `open_archive_tables`.
        a: Version A; by default, if there are two, the first by name.
        b: Version B; by default the other.

    Raises:
        ComparisonError: A version has no predictions, both are one, or there are not just two.
    """
    found = [version for (version,) in db.execute(_VERSIONS).fetchall()]
    names = ", ".join(found) or "none"
    for option, version in (("A", a), ("B", b)):
        if version is not None and version not in found:
            raise ComparisonError(
                f"version {option} is {version!r}; the archive has predictions of: {names}"
            )
    others = [version for version in found if version not in (a, b)]
    if a is None and b is None and len(found) == 2:  # noqa: PLR2004  two can be compared
        return found[0], found[1]
    if (a is None) != (b is None) and len(others) == 1:
        return (others[0], str(b)) if a is None else (a, others[0])
    if a is None or b is None:
        raise ComparisonError(f"A and B must name two versions of those in the archive: {names}")
    if a == b:
        raise ComparisonError(f"A and B are both {a!r}; two versions can be compared")
    return a, b


def compare_versions(scored: Scored, a: str, b: str) -> VersionComparison:
    """Compare two versions on the rides that both have predicted.

    Rides that began less than `COMPLETE` minutes ago are left out, of which only the short ones
    have ended.

    Args:
        scored: The predictions.
        a: Version A.
        b: Version B.
    """
    db = scored.db
    db.execute(_PAIRS, {"a": a, "b": b, "minutes": COMPLETE})
    ((pairs,),) = db.execute("SELECT count(*) FROM pairs").fetchall()
    rides = {name: np.asarray(column, np.float64) for name, column in db.sql(_RIDES).df().items()}
    day = rides["day"].astype(int)
    if not len(day):
        return VersionComparison(a, b, pairs, ())
    inputs = {name: rides[name].astype(np.float32) for name in rides}
    masks = [("all rides", np.ones(len(day), bool)), *slices(inputs)]
    parts: list[Compared] = []
    for name, mask in masks:
        found = difference(name, rides["a"][mask], rides["b"][mask], day[mask])
        days = len(np.unique(day[mask]))
        enough = days >= MIN_DAYS and found.rides >= (SLICE_RIDES if parts else MIN_RIDES)
        parts.append(Compared(found, days, _verdict(found) if enough else TOO_LITTLE))
    return VersionComparison(a, b, pairs, tuple(parts))


def _verdict(found: Difference) -> str:
    if found.is_better:
        return "B is better"
    return "A is better" if found.low > 0 else "no difference beyond noise"
