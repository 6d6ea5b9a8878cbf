"""One look for all pictures, on light and on dark pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.throughput import OURS, POWERTOOLS, REFERENCE

COLOURS = {OURS: "#0b6e99", POWERTOOLS: "#c77700", REFERENCE: "#8a3d5c"}
NAMES = {
    OURS: "this project",
    POWERTOOLS: "Powertools, a record at a time",
    REFERENCE: "the course's way",
}
GREY = "#767676"
SETTINGS: Any = {  # matplotlib's stubs spell out every key
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "ride-predictions",  # the same run gives the same file
}


@contextmanager
def picture(path: Path, title: str, size: tuple[float, float] = (8.0, 4.0)) -> Iterator[Axes]:
    """Give axes to draw on, and write them as SVG afterwards.

    Args:
        path: The file.
        title: What the picture says, in a sentence.
        size: In inches.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.set_title(title)
        yield axes
        figure.savefig(path, format="svg", metadata={"Date": None})


def logarithmic(axes: Axes) -> None:
    """Make both axes logarithmic, with numbers as people write them."""
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
