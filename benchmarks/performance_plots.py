"""Draws the plots of docs/performance.md from a run's results."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.contenders import COURSE, OURS, POWERTOOLS
from benchmarks.cost import PRICES_AS_OF, cost_curve
from benchmarks.results import Results
from cli.arguments import Parser
from cli.program import program
from streaming import DECODE_ERRORS

BATCH = 1_000
RATES = np.logspace(0, 6, 61).tolist()
OWN_PACKAGES = ("streaming", "model", "lambda_function")
SMALL_MS = 4.0
MODELS_AND_CLIENT, FIRST_PREDICTION = "models and client", "first prediction"

COLOURS = {OURS: "#0b6e99", POWERTOOLS: "#c77700", COURSE: "#8a3d5c"}
LABELS = {
    OURS: "this project",
    POWERTOOLS: "Powertools, a record at a time",
    COURSE: "the course's handler",
}
GREY = "#767676"
STAGE_COLOURS = ("#0b6e99", "#2e8fb5", "#6fb6cf", "#a9d5e2", "#c9a227", "#c77700", GREY)
STYLE: Any = {  # matplotlib's stubs spell out every key
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "figure.facecolor": "white",  # legible on dark pages, too
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "ride-predictions",  # the same run gives the same file
}


@program(OSError)
def main(argv: list[str] | None = None) -> int:
    """Draw all plots; return the exit status."""
    parser = Parser(prog="python -m benchmarks.performance_plots", description=__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=Path("build/bench.json"))
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs"))
    options = parser.parse_args(argv)
    try:
        results = msgspec.json.decode(options.results.read_bytes(), type=Results)
    except (FileNotFoundError, *DECODE_ERRORS) as error:
        parser.error(f"{options.results} has no results of `make bench`: {error}")
    for draw in (draw_throughput, draw_stages, draw_start, draw_cost):
        draw(results, options.folder)
    return 0


def draw_throughput(results: Results, folder: Path) -> None:
    """Plot records a second by batch size for all contenders, on logarithmic axes."""
    rates = {
        name: {size: cell.records_per_second for size, cell in results.throughput_of(name).items()}
        for name in LABELS
    }
    ratio = rates[OURS][BATCH] / rates[COURSE][BATCH]
    title = f"Batches of {BATCH:,}: {ratio:,.0f} times the course's records a second"
    with plot(folder / "throughput.svg", title) as axes:
        for name, by_size in rates.items():
            sizes, values = list(by_size), list(by_size.values())
            axes.plot(sizes, values, "o-", color=COLOURS[name], label=LABELS[name])
            label(axes, f"{values[-1]:,.0f}", (sizes[-1], values[-1]), COLOURS[name])
        logarithmic(axes)
        axes.set_xlim(0.8, 40_000)
        axes.set_xlabel("records in a batch")
        axes.set_ylabel("records a second, one thread")
        axes.legend(loc="upper left")


def draw_stages(results: Results, folder: Path) -> None:
    """Plot microseconds a record by stage, stacked, for the larger batches."""
    batches = [each for each in results.stages if each.batch >= 100]  # noqa: PLR2004  one call
    stages = list(results.stages[0].microseconds)
    with plot(folder / "stages.svg", "Where the time of a record goes", height=3.2) as axes:
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
    """Plot our start as a waterfall, from the interpreter to the first prediction."""
    starts = {start.contender: start for start in results.starts}
    ours, course = starts[OURS], starts[COURSE]
    bars = start_bars(ours.packages, ours.import_seconds.median, ours.seconds.median)
    title = (
        f"First prediction after {ours.seconds.median:.2f} s; "
        f"the course's handler: {course.seconds.median:.1f} s"
    )
    with plot(folder / "start.svg", title, height=4.2) as axes:
        begin = 0.0
        for row, (name, milliseconds) in enumerate(bars.items()):
            colour = COLOURS[OURS] if name in (MODELS_AND_CLIENT, FIRST_PREDICTION) else GREY
            axes.barh(row, milliseconds, left=begin, color=colour)
            begin += milliseconds
            axes.text(begin, row, f" {milliseconds:.0f}", va="center", fontsize=9)
        axes.set_yticks(range(len(bars)), list(bars))
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, begin * 1.06)
        axes.set_xlabel("ms")


def start_bars(packages: dict[str, float], imported: float, predicted: float) -> dict[str, float]:
    """Return the parts of a start and their milliseconds, in order.

    Args:
        packages: Milliseconds of import by package, from a process that is slower for being timed;
            they are scaled to `imported`.
        imported: Seconds until the handler was imported, the interpreter's own start included.
        predicted: Seconds until the first prediction.
    """
    scale = 1000 * imported / sum(packages.values())
    scaled = {name: scale * milliseconds for name, milliseconds in packages.items()}
    own = sum(scaled.pop(name, 0.0) for name in OWN_PACKAGES)
    large = {name: each for name, each in scaled.items() if each >= SMALL_MS}
    return {
        **large,
        "other packages": sum(scaled.values()) - sum(large.values()),
        MODELS_AND_CLIENT: own,
        FIRST_PREDICTION: 1000 * (predicted - imported),
    }


def draw_cost(results: Results, folder: Path) -> None:
    """Plot the cost of a million rides by rate: ours, the course's, and of that Kinesis alone."""
    title = f"A million rides in the cheapest setting (us-east-1, {PRICES_AS_OF})"
    curves = {name: cost_curve(results, name, RATES) for name in (COURSE, OURS)}
    with plot(folder / "cost.svg", title) as axes:
        for name, plans in curves.items():
            dollars = [plan.dollars for plan in plans]
            axes.plot(RATES, dollars, color=COLOURS[name], label=LABELS[name])
            label(axes, f"${dollars[-1]:.3f}", (RATES[-1], dollars[-1]), COLOURS[name])
        kinesis = [plan.kinesis_dollars for plan in curves[OURS]]
        axes.plot(RATES, kinesis, ":", color=GREY, label="of which Kinesis, this project")
        logarithmic(axes)
        axes.set_xlim(1, 6e6)
        axes.set_xlabel("rides a second")
        axes.set_ylabel("US$ for a million rides")
        axes.legend(loc="upper right")


@contextmanager
def plot(path: Path, title: str, height: float = 4.0) -> Iterator[Axes]:
    """Yield axes to draw on, and write them as SVG afterwards.

    Args:
        path: The file.
        title: The plot's message, in a sentence.
        height: In inches.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.0, height), layout="constrained")
        axes = figure.subplots()
        axes.set_title(title)
        yield axes
        figure.savefig(path, format="svg", metadata={"Date": None})


def label(axes: Axes, text: str, point: tuple[float, float], colour: str) -> None:
    """Write a label to the right of a point."""
    axes.annotate(text, point, textcoords="offset points", xytext=(8, -4), color=colour)


def logarithmic(axes: Axes) -> None:
    """Make both axes logarithmic, with plain numbers at their ticks."""
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


if __name__ == "__main__":
    sys.exit(main())
