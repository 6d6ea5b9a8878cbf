"""Train the recommender's table on months of trips, and measure it on others.

It writes `zones.npz`, which the recommender loads, and `figures.md`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import numpy as np

from cli.arguments import Parser, names
from cli.program import program
from examples.recommender.fleet_replay import (
    Drivers,
    Outcome,
    differences,
    drawn_drivers,
    joined,
    measured,
    replay,
)
from examples.recommender.model import Recommender
from examples.recommender.waiting_times import (
    Array,
    Indices,
    Rates,
    Trips,
    hourly_rates,
    read_month,
    travel_minutes,
    waiting_minutes,
    write_table,
)
from training.errors import TrainingError, TripDataError

SHARES = (0.1, 0.3, 1.0)
"""Which shares of a month's drop-offs are drivers who follow a policy."""

REACH = 15.0
"""Minutes: how far "the busiest zone near" may be."""

COLUMNS = (
    *("drivers", "policy", "mean minutes", "median", "in 15", "in 60", "$ an hour", "driving"),
    *("recommender's minutes less these", "its $ less these"),
)
SEED = 1
RECOMMENDER, ALONE = "recommender", "recommender, others ignored"

Policy: TypeAlias = Callable[[Drivers], Indices]


@program(TrainingError, OSError)
def main(argv: list[str] | None = None) -> int:
    """Train, measure and write."""
    options = _parser().parse_args(argv)
    train, held_out = (
        [read_month(Path(name)) for name in chain.from_iterable(given)]
        for given in (options.data, options.held_out)
    )
    if seen := {month.month for month in train} & {month.month for month in held_out}:
        raise TripDataError(f"{', '.join(sorted(seen))} is among the months to train on")
    options.output.mkdir(parents=True, exist_ok=True)
    lines = figures(fit(train, options.output), held_out)
    (options.output / "figures.md").write_text("\n".join(lines) + "\n")
    trips = sum(len(month.fare) for month in train)
    print(*lines, f"trained on {trips:,} trips; wrote {options.output}/zones.npz", sep="\n")
    return 0


def fit(months: Sequence[Trips], folder: Path) -> dict[str, Policy]:
    """Write the table; return it and its baselines as policies.

    Args:
        months: What to train on.
        folder: Where `zones.npz` is written.
    """
    rates, there = hourly_rates(months), travel_minutes(months)
    table = folder / "zones.npz"
    write_table(table, there, waiting_minutes(rates, there))
    recommender = Recommender(table)
    alone = waiting_minutes(rates, there, followers=0)
    return {
        "stay where you are": lambda drivers: drivers.zone,
        "the busiest zone": lambda drivers: rates.pickups.argmax(axis=1)[drivers.hour],
        f"the busiest within {REACH:.0f} minutes": lambda drivers: _nearby(drivers, rates, there),
        RECOMMENDER: lambda drivers: recommender.minutes(drivers.zone, drivers.hour).argmin(axis=1),
        ALONE: lambda drivers: (there[drivers.zone] + alone[drivers.hour]).argmin(axis=1),
    }


def figures(policies: Mapping[str, Policy], months: Sequence[Trips]) -> list[str]:
    """Measure policies on months that they were not trained on; return a table's lines.

    Each policy gets the same drivers, and every pickup again. How long an empty drive takes is what
    the held-out months' own trips say.
    """
    there = travel_minutes(months)
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for share in SHARES:
        outcomes = _outcomes(policies, months, there, share)
        for name, outcome in outcomes.items():
            cells = (f"{share:.0%}", name, *_cells(outcome, outcomes[RECOMMENDER]))
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _outcomes(
    policies: Mapping[str, Policy], months: Sequence[Trips], there: Array, share: float
) -> dict[str, Outcome]:
    draw = np.random.default_rng(SEED)
    drawn = [(month, drawn_drivers(month, share, draw)) for month in months]
    if not all(len(drivers.zone) for _, drivers in drawn):
        raise TripDataError(f"too few drop-offs to measure with {share:.0%} of them")
    return {
        name: joined([replay(drivers, go(drivers), there, month) for month, drivers in drawn])
        for name, go in policies.items()
    }


def _nearby(drivers: Drivers, rates: Rates, there: Array) -> Indices:
    near = there[drivers.zone] <= REACH
    chosen: Indices = np.where(near, rates.pickups[drivers.hour], -1).argmax(axis=1)
    return chosen


def _cells(outcome: Outcome, recommender: Outcome) -> Iterator[str]:
    found = measured(outcome)
    yield f"{found.minutes:.1f}"
    yield f"{np.median(outcome.minutes):.1f}"
    yield from (f"{share:.1%}" for share in (found.soon, found.found))
    yield f"{found.dollars:.2f}"
    yield f"{found.driving:.1f}"
    if outcome is recommender:
        yield from ("", "")
    else:
        apart = differences(recommender, outcome, np.random.default_rng(SEED))
        yield "{:+.1f} to {:+.1f}".format(*apart["minutes"])
        yield "{:+.2f} to {:+.2f}".format(*apart["dollars"])


def _parser() -> Parser:
    parser = Parser(prog="python -m examples.recommender.train_recommender", description=__doc__)
    for option, use in (("--data", "train on"), ("--held-out", "measure on")):
        parser.add_argument(
            option,
            type=names,
            nargs="+",
            required=True,
            metavar="FILE",
            help=f"green-taxi months to {use}, parquet",
        )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/recommender-table"),
        help="folder of the table (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    main()
