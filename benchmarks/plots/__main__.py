"""Draws every picture. Run as `python -m benchmarks.plots [bench.json] [folder]`."""

import argparse
import sys
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.cost import PRICES
from benchmarks.costs import cost_curve
from benchmarks.plots.style import COLOURS, GREY, NAMES, logarithmic, picture
from benchmarks.results import Results
from benchmarks.throughput import HANDLERS, OURS, REFERENCE

BATCH = 1_000
STAGE_COLOURS = ("#0b6e99", "#2e8fb5", "#6fb6cf", "#a9d5e2", "#c9a227", "#c77700", GREY)
RATES = np.logspace(0, 6, 61)
OWN = ("streaming", "model", "lambda_function")
SMALL_MS = 4.0
MODELS_AND_CLIENT, FIRST_PREDICTION = "models and client", "first prediction"


def main(argv: list[str] | None = None) -> int:
    """Draw them."""
    options = _parser().parse_args(argv)
    results = msgspec.json.decode(options.results.read_bytes(), type=Results)
    for draw in (draw_throughput, draw_stages, draw_start, draw_cost):
        draw(results, options.folder)
    return 0


def draw_throughput(results: Results, folder: Path) -> None:
    """Records a second by batch size, all contenders, on logarithmic axes."""
    ratio = (
        results.throughput_of(OURS, BATCH).records_per_second
        / results.throughput_of(REFERENCE, BATCH).records_per_second
    )
    title = f"Batches of {BATCH:,}: {ratio:,.0f} times the course's records a second"
    with picture(folder / "throughput.svg", title) as axes:
        for name in HANDLERS:
            cells = [cell for cell in results.throughput if cell.contender == name]
            cells.sort(key=lambda cell: cell.batch)
            rates = [cell.records_per_second for cell in cells]
            axes.plot(
                [cell.batch for cell in cells], rates, "o-", color=COLOURS[name], label=NAMES[name]
            )
            axes.annotate(
                f"{rates[-1]:,.0f}",
                (cells[-1].batch, rates[-1]),
                textcoords="offset points",
                xytext=(8, -4),
                color=COLOURS[name],
            )
        logarithmic(axes)
        axes.set_xlim(0.8, 40_000)
        axes.set_xlabel("records in a batch")
        axes.set_ylabel("records a second, one thread")
        axes.legend(loc="upper left")


def draw_stages(results: Results, folder: Path) -> None:
    """Microseconds a record by stage, stacked, for the larger batches."""
    batches = [each for each in results.stages if each.batch >= 100]  # noqa: PLR2004  one call
    stages = list(results.stages[0].microseconds)
    with picture(folder / "stages.svg", "Where the time of a record goes", size=(8.0, 3.2)) as axes:
        labels = [f"{each.batch:,}" for each in batches]
        left = np.zeros(len(batches))
        for stage, colour in zip(stages, STAGE_COLOURS, strict=True):
            widths = np.array([each.microseconds[stage] for each in batches])
            axes.barh(labels, widths, left=left, color=colour, label=stage)
            left += widths
        for row, total in enumerate(left):
            axes.text(total, row, f"  {total:.1f}", va="center")
        axes.set_xlim(0, 1.12 * max(left))
        axes.set_xlabel("µs a record")
        axes.set_ylabel("records in a batch")
        axes.grid(visible=False, axis="y")
        axes.invert_yaxis()
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_start(results: Results, folder: Path) -> None:
    """The start as a waterfall, from the interpreter to a prediction."""
    ours = next(start for start in results.starts if start.contender == OURS)
    reference = next(start for start in results.starts if start.contender == REFERENCE)
    bars = start_bars(ours.packages, ours.import_seconds.median, ours.seconds.median)
    title = (
        f"First prediction after {ours.seconds.median:.2f} s; "
        f"the course's way: {reference.seconds.median:.1f} s"
    )
    with picture(folder / "start.svg", title, size=(8.0, 4.2)) as axes:
        begun = 0.0
        for row, (name, milliseconds) in enumerate(bars):
            colour = COLOURS[OURS] if name in (MODELS_AND_CLIENT, FIRST_PREDICTION) else GREY
            axes.barh(row, milliseconds, left=begun, color=colour)
            begun += milliseconds
            axes.text(begun, row, f" {milliseconds:.0f}", va="center", fontsize=9)
        axes.set_yticks(range(len(bars)), [name for name, _ in bars])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, begun * 1.06)
        axes.set_xlabel("ms")


def start_bars(
    packages: dict[str, float], imported: float, predicted: float
) -> list[tuple[str, float]]:
    """Give the parts of a start and their milliseconds, in order.

    Args:
        packages: Milliseconds of import by package, from a process of its own that is slower for
            being timed; they are scaled to what the import took.
        imported: Seconds until the handler was imported, the interpreter's own start included.
        predicted: Seconds until it had predicted.
    """
    scale = 1000 * imported / sum(packages.values())
    scaled = {name: scale * milliseconds for name, milliseconds in packages.items()}
    others = {name: each for name, each in scaled.items() if name not in OWN}
    return [
        *((name, each) for name, each in others.items() if each >= SMALL_MS),
        ("other packages", sum(each for each in others.values() if each < SMALL_MS)),
        (MODELS_AND_CLIENT, sum(scaled.get(name, 0.0) for name in OWN)),
        (FIRST_PREDICTION, 1000 * (predicted - imported)),
    ]


def draw_cost(results: Results, folder: Path) -> None:
    """What a million rides cost, by rate: ours, the reference's, and Kinesis alone."""
    title = f"A million rides in the cheapest setting (us-east-1, {PRICES.seen})"
    with picture(folder / "cost.svg", title) as axes:
        for name in (REFERENCE, OURS):
            plans = cost_curve(results, name, RATES.tolist())
            dollars = [plan.dollars for plan in plans]
            axes.plot(RATES, dollars, color=COLOURS[name], label=NAMES[name])
            axes.annotate(
                f"${dollars[-1]:.3f}",
                (RATES[-1], dollars[-1]),
                textcoords="offset points",
                xytext=(6, -3),
                color=COLOURS[name],
            )
        alone = [plan.kinesis_dollars for plan in cost_curve(results, OURS, RATES.tolist())]
        axes.plot(RATES, alone, ":", color=GREY, label="of which Kinesis, this project")
        logarithmic(axes)
        axes.set_xlim(1, 6e6)
        axes.set_xlabel("rides a second")
        axes.set_ylabel("US$ for a million rides")
        axes.legend(loc="upper right")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=Path("build/bench.json"))
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
