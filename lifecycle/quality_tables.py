"""The quality of predictions as text: sentences, and the cells of tables."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from lifecycle.event_time import NEW_YORK
from lifecycle.prediction_quality import By, Figures
from lifecycle.scored_predictions import Scored

HEADINGS = ("number", "labelled", "RMSE", "MAE", "bias")
RANGE = "in range"
"""A further heading, if any prediction has a range."""

TITLES: Mapping[By, str] = {
    "version": "By version",
    "age": "By age, the time since the pickup",
    "hour": "By hour of the pickup",
    "borough": "By borough of the pickup",
    "distance": "By distance",
}


class Section(NamedTuple):
    """A table.

    Attributes:
        title: Its title.
        headings: Those of its columns, but for the first.
        rows: A name, and a cell for each heading.
    """

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]


def summary(scored: Scored, by_version: Sequence[Figures]) -> list[str]:
    """Return sentences that say what was scored, and what was left out."""
    since = f" of rides since {_local(scored.since)}" if scored.since else ""
    predictions = sum(figures.predictions for figures in by_version)
    rides = sum(figures.rides for figures in by_version)
    left_out = (
        (scored.out_of_range, "have a label outside of what the models are trained on: not scored"),
        (scored.without_start, "more have no ride_started event in the archive: not counted"),
        (scored.ends_without_start, "ride_ended events have no ride_started event before them"),
    )
    first = (
        f"{predictions:,} predictions of the {scored.target}{since}, as of "
        f"{_local(scored.as_of)} (New York); {rides:,} scored, errors in {scored.unit}"
    )
    return [
        first,
        *(f"{count:,} {what}" for count, what in left_out if count),
    ]


def sections(by: By, figures: Sequence[Figures]) -> Iterator[Section]:
    """Yield the tables of a kind of slice: one of all versions, or one for each version."""
    ranged = any(found.in_range is not None for found in figures)
    headings = (*HEADINGS, RANGE) if ranged else HEADINGS
    several_models = len({found.model for found in figures}) > 1

    def version(found: Figures) -> str:
        return f"{found.version} ({found.model})" if several_models else found.version

    if by == "version":
        if figures:
            rows = [(version(found), *_cells(found, headings)) for found in figures]
            yield Section(TITLES[by], headings, rows)
        return
    for name, group in groupby(figures, version):
        title = f"{TITLES[by]}: version {name}"
        yield Section(title, headings, [(each.part, *_cells(each, headings)) for each in group])


def _cells(figures: Figures, headings: Sequence[str]) -> tuple[str, ...]:
    cells = (
        f"{figures.predictions:,}",
        f"{figures.labelled_share:.1%}",
        "" if figures.rmse is None else f"{figures.rmse:.2f}",
        "" if figures.mae is None else f"{figures.mae:.2f}",
        "" if figures.bias is None else f"{figures.bias:+.2f}",
        "" if figures.in_range is None else f"{figures.in_range:.1%}",
    )
    return cells[: len(headings)]


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(NEW_YORK):%Y-%m-%d %H:%M}"
