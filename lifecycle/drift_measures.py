"""How far two histograms are apart, as effect sizes.

A test's p-value would call every difference significant once there are enough rides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from training.histograms import EDGES, ORDERED, Counts, Histograms

MOVED, MOVED_FAR = 0.1, 0.25
"""PSI: below the first there is no drift to speak of, from the second a large one (a convention of
credit scoring: Siddiqi, "Credit Risk Scorecards", 2006)."""

MOVED_DISTANCE = 0.1
"""Standard deviations of the reference that the values must have moved, on average."""

MOVED_UNKNOWN = 0.05
"""By so much the share of values that are not known must have changed."""

LEAST_SHARE = 1e-4
"""A bin's share counts as at least this: PSI is infinite if one of two is empty."""

Verdict = Literal["", "moved", "moved far", "too few rides"]
Bound = Literal["moved", "moved far"]

MOST_BY_CHANCE = 0.02
"""With fewer rides, PSI by chance alone is larger than this: nothing is said."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far something has moved.

    Attributes:
        name: A feature, or a target: then its predictions.
        rides: How many have a known value.
        psi: Population stability index.
        jensen_shannon: Distance with logarithms to the base 2: 0 to 1.
        wasserstein: In standard deviations of the reference; None for codes.
        unknown_before, unknown: The share of values not known, of the reference and now.
        by_chance: The PSI that is expected without any drift.
    """

    name: str
    rides: int
    psi: float
    jensen_shannon: float
    wasserstein: float | None
    unknown_before: float
    unknown: float
    by_chance: float

    @property
    def verdict(self) -> Verdict:
        """What can be said, in words; empty: nothing has moved."""
        if self.by_chance > MOST_BY_CHANCE:
            return "too few rides"
        if self.psi >= MOVED_FAR:
            return "moved far"
        moved = (
            self.psi >= MOVED
            or (self.wasserstein or 0) >= MOVED_DISTANCE
            or abs(self.unknown - self.unknown_before) >= MOVED_UNKNOWN
        )
        return "moved" if moved else ""


def measure_drift(reference: Histograms, current: Histograms) -> list[Drift]:
    """Compare the known values of histograms; what either has none of is left out."""
    return [
        _drift(name, before, after)
        for name, before in reference.counts.items()
        if before[:-1].any() and (after := current.counts[name])[:-1].any()
    ]


def drift_failures(reference: Histograms, drifts: Sequence[Drift], bound: Bound) -> Iterator[str]:
    """Yield a sentence for each thing that has moved, or of which nothing can be said.

    Args:
        reference: What was compared with.
        drifts: From `measure_drift`.
        bound: `moved far`: what has only moved is no failure.
    """
    found = {drift.name: drift for drift in drifts}
    for name, before in reference.counts.items():
        if not before[:-1].any():
            continue
        what, drift = name.replace("_", " "), found.get(name)
        if drift is None:
            yield f"no {what} is known: nothing can be decided"
        elif drift.verdict == "too few rides":
            yield f"too few rides have a known {what}, {drift.rides:,}: nothing can be decided"
        elif drift.verdict in {bound, "moved far"}:
            yield f"the {what} has {drift.verdict}, on {drift.rides:,} rides"


def _drift(name: str, all_before: Counts, all_after: Counts) -> Drift:
    before, after = all_before[:-1], all_after[:-1]
    used = (before > 0) | (after > 0)
    p, q = (np.maximum(counts[used] / counts.sum(), LEAST_SHARE) for counts in (before, after))
    return Drift(
        name,
        int(after.sum()),
        float(((q - p) * np.log(q / p)).sum()),
        float(jensenshannon(before[used], after[used], base=2)),
        _wasserstein(EDGES[name], before, after) if name in ORDERED else None,
        float(all_before[-1] / all_before.sum()),
        float(all_after[-1] / all_after.sum()),
        _psi_by_chance(int(used.sum()), int(before.sum()), int(after.sum())),
    )


def _psi_by_chance(bins: int, before: int, after: int) -> float:
    """Return PSI's expectation without drift (Yurdakul 2018, "Statistical properties of PSI")."""
    return (bins - 1) * (1 / before + 1 / after)


def _wasserstein(edges: Sequence[float], before: Counts, after: Counts) -> float | None:
    """Return the Wasserstein distance in standard deviations of the reference; None if that is 0.

    All values of a bin count as its middle, those beyond an end as that edge.
    """
    ends = np.array(edges)
    middles = np.concatenate([ends[:1], (ends[1:] + ends[:-1]) / 2, ends[-1:]])
    mean = np.average(middles, weights=before)
    deviation = float(np.sqrt(np.average((middles - mean) ** 2, weights=before)))
    if not deviation:
        return None
    return float(wasserstein_distance(middles, middles, before, after)) / deviation
