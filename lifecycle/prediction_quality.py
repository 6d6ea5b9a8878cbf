"""How good predictions were: errors by version and by slice, and by the predictions' age."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from lifecycle.scored_predictions import Scored

By = Literal["version", "age", "hour", "borough", "distance"]
EVERY_BY: tuple[By, ...] = get_args(By)

COHORTS = (0, 15, 30, 60)
"""Minutes: the cohorts are the predictions that are at least so old."""

COMPLETE = COHORTS[-1]
"""Minutes after which every ride that is scored has ended; labels that arrive late are missing."""

WHY_COHORTS = (
    "Short rides end first: of the last minutes only they have a label, so that the error at all "
    f"ages looks too small; at least {COMPLETE} minutes after the pickup it does not."
)

_FIGURES = """
count(*), count(*) FILTER (labelled), count(*) FILTER (usable),
sqrt(avg(error * error) FILTER (usable)), avg(abs(error)) FILTER (usable),
avg(error) FILTER (usable), avg(in_range::INT) FILTER (usable)
"""
_COLUMNS: dict[By, str] = {
    "version": "''",
    "age": "cohort",
    "hour": "hour",
    "borough": "borough",
    "distance": "distance",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """The errors of some of a version's predictions.

    Attributes:
        model, version: Who predicted.
        part: Which predictions, such as a borough; empty: all.
        predictions: How many there are.
        labelled: How many have a label.
        rides: How many are scored.
        rmse, mae: In the target's unit; None if no ride is scored.
        bias: The mean of prediction minus truth; likewise.
        in_range: Of the scored rides that have a range, the share whose truth lies in it; None if
            none has one.
    """

    model: str
    version: str
    part: str
    predictions: int
    labelled: int
    rides: int
    rmse: float | None
    mae: float | None
    bias: float | None
    in_range: float | None = None

    @property
    def labelled_share(self) -> float:
        """The share of the predictions that have a label."""
        return self.labelled / self.predictions


@dataclass(frozen=True, slots=True)
class Gates:
    """Bounds on the errors of predictions that are at least `COMPLETE` minutes old.

    Attributes:
        max_rmse: In the target's unit.
        max_bias: Of its absolute value, likewise.
        min_labelled: The least share of predictions with a label.
    """

    max_rmse: float | None = None
    max_bias: float | None = None
    min_labelled: float | None = None

    def failures(self, cohorts: Sequence[Figures]) -> list[str]:
        """Return a sentence for each bound that is not kept, by any version.

        Args:
            cohorts: By age.
        """
        bounds = (self.max_rmse, self.max_bias, self.min_labelled)
        if all(bound is None for bound in bounds):
            return []
        complete = [figures for figures in cohorts if figures.part == age_name(COMPLETE)]
        if not complete:
            return [f"no prediction is at least {COMPLETE} minutes old: nothing can be decided"]
        return [sentence for figures in complete for sentence in self._broken(figures)]

    def _broken(self, figures: Figures) -> list[str]:
        of = f"of version {figures.version}, on {figures.rides:,} rides"
        share = figures.labelled_share
        if self.min_labelled is not None and share < self.min_labelled:
            return [f"only {share:.1%} have a label, not {self.min_labelled:.1%}, {of}"]
        if figures.rmse is None or figures.bias is None:
            return [f"no ride is scored: nothing can be decided {of}"]
        found = []
        if self.max_rmse is not None and figures.rmse > self.max_rmse:
            found.append(f"the RMSE is {figures.rmse:.3f}, above {self.max_rmse:g}, {of}")
        if self.max_bias is not None and abs(figures.bias) > self.max_bias:
            found.append(f"the bias is {figures.bias:+.3f}, beyond {self.max_bias:g}, {of}")
        return found


def age_name(minutes: int) -> str:
    """Return the name of a cohort."""
    return f"at least {minutes} min" if minutes else "all ages"


def figures_by(scored: Scored, by: By) -> list[Figures]:
    """Return the errors of each version's predictions, by slice.

    Predictions whose ride is not in the archive are left out: their hour is not known, say.

    Args:
        scored: The predictions.
        by: `version`: all of a version's together; `age`: see `COHORTS`; the others are of the
            pickup, in New York local time.

    Returns:
        Ordered by model, version and slice.
    """
    column = _COLUMNS[by]
    rows = scored.db.table("scored").filter("pickup IS NOT NULL")
    if by == "age":
        ages = ", ".join(f"({minutes})" for minutes in COHORTS)
        cohorts = scored.db.sql(f"FROM (VALUES {ages}) AS cohorts(cohort)")
        rows = rows.join(cohorts, "age >= cohort")
    order = "min(trip_distance)" if by == "distance" else column
    keys = f"model, version, {column}"
    found = (
        rows.aggregate(
            f"model, version, {column} AS part, {order} AS rank, {_FIGURES}",
            "model, version" if by == "version" else keys,
        )
        .order("model, version, rank")
        .fetchall()
    )
    return [
        Figures(model, version, _part(by, part), *figures)
        for model, version, part, _, *figures in found
    ]


def _part(by: By, part: object) -> str:
    if by == "age":
        return age_name(int(str(part)))
    return f"{part:02}:00" if by == "hour" else str(part)
