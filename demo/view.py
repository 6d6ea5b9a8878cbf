"""The live view of a run, for a terminal of any size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.snapshot import (
    BY_OTHERS,
    UNKNOWN,
    Snapshot,
    Zones,
    cells,
    is_slow,
    milliseconds,
    plain_dead_letter,
    running,
    seconds,
    stopping_line,
)

MARK = "*"
"""Marks a ride that was put by others."""

FIGURE_WIDTH = 26
"""Columns of a label, its value and the gap behind it."""

MOST_BESIDE = 3
"""Figures in a line; so many fit in 80 columns."""

ROUTE_FROM = 64
"""On narrower terminals the route gives way to the figures of a prediction."""

LATEST_PREDICTIONS = 8
LATEST_OF_OTHERS = 3
"""A ride put by hand stays on the screen, however many rides this run puts."""

TABLE_LINES, NARROW_TABLE_LINES = 5, 2
"""What a table of predictions takes besides its rows."""

PANEL_LINES = 3
"""The panel's border, and the line of the cursor below everything."""


@dataclass(frozen=True, slots=True)
class View:
    """A snapshot as it is shown on a terminal of any size.

    Attributes:
        snapshot: What to show.
        zones: The zones' names.
        hint: Lines below it: what to try.
    """

    snapshot: Snapshot
    zones: Zones
    hint: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the snapshot: narrow terminals keep the values, low ones the newest rows."""
        snapshot = self.snapshot
        inside = options.max_width - 4  # the panel's border and padding
        parts: list[RenderableType] = [_figures(snapshot, inside)]
        if snapshot.goal is not None:
            parts.append(_progress(snapshot, snapshot.goal))
        if snapshot.newest_dead_letter is not None:
            line = plain_dead_letter(snapshot.newest_dead_letter)
            parts.append(Text(line, style="yellow", no_wrap=True, overflow="ellipsis"))
        below = self._below()
        taken = sum(_lines(console, part, inside) for part in parts)
        taken += sum(_lines(console, part, options.max_width) for part in below)
        around = TABLE_LINES if inside >= ROUTE_FROM else NARROW_TABLE_LINES
        rows = console.height - taken - around - PANEL_LINES
        if rows > 0:
            parts.append(_predictions(snapshot, self.zones, min(rows, LATEST_PREDICTIONS), inside))
        yield Panel(
            Group(*parts),
            title="[bold]rides in, predictions out[/]",
            border_style="cyan",
            padding=(0, 1),
        )
        yield from below

    def _below(self) -> list[Text]:
        if self.snapshot.stopping is not None:
            return [Text(stopping_line(self.snapshot), style="bold yellow")]
        # The last line is short, so that the terminal's ^C after it does not shift the others.
        end = Text("Ctrl-C stops and prints a summary", style="dim")
        return [*(Text(line, overflow="fold") for line in self.hint), end]


def _figures(snapshot: Snapshot, width: int) -> Table:
    counts = snapshot.counts
    dead_lettered = counts.all_dead_lettered
    errors, skipped = snapshot.function_errors, counts.others_skipped
    figures = (
        ("rides in", f"{counts.all_put:,}", "bold"),
        ("predictions out", f"{counts.all_predicted:,}", "bold green"),
        ("outstanding", f"{counts.outstanding:,}", ""),
        ("dead-lettered", f"{dead_lettered:,}", "yellow" if dead_lettered else ""),
        ("skipped", f"{skipped:,}", "yellow" if skipped else ""),
        ("rides/s", f"{snapshot.per_second:,.0f}", "bold"),
        ("end to end p50", seconds(snapshot.p50), ""),
        ("end to end p99", seconds(snapshot.p99), ""),
        ("iterator age", milliseconds(snapshot.iterator_age), ""),
        (BY_OTHERS, f"{counts.others:,}", "magenta" if counts.others else ""),
        *([("rides ended", f"{counts.ends.put:,}", "")] if counts.ends.put else []),
        ("invocations", f"{snapshot.invocations:,}", ""),
        ("running", running(snapshot), "bold yellow" if is_slow(snapshot) else ""),
        ("function errors", f"{errors:,}", "bold red" if errors else ""),
        ("duplicates", f"{counts.duplicates:,}", ""),
    )
    return _grid(figures, width)


def _grid(figures: Sequence[tuple[str, str, str]], width: int) -> Table:
    """Lay labels and values out, in fewer columns on a narrow terminal."""
    beside = max(1, min(MOST_BESIDE, (width + 2) // FIGURE_WIDTH))
    if beside == 1:  # one above the other: what is not there gives way
        figures = [figure for figure in figures if figure[1] not in {"0", UNKNOWN}]
    height = math.ceil(len(figures) / beside)
    table = Table.grid(padding=(0, 1), expand=True)
    for _ in range(beside):
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(ratio=1)  # the spare width of a wider terminal
    for row in range(height):
        table.add_row(
            *(
                cell
                for name, value, style in figures[row::height]
                for cell in (name, Text(value, style), "")
            )
        )
    return table


def _lines(console: Console, part: RenderableType, width: int) -> int:
    """Return how many lines a part takes at a width."""
    return len(console.render_lines(part, console.options.update_width(width), pad=False))


def _progress(snapshot: Snapshot, goal: int) -> Table:
    completed = snapshot.counts.completed
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(ratio=1)
    row.add_column(justify="right", no_wrap=True)
    row.add_row(ProgressBar(total=max(goal, 1), completed=completed), f"{completed:,} of {goal:,}")
    return row


def _predictions(snapshot: Snapshot, zones: Zones, rows: int, width: int) -> Table:
    others = snapshot.recent_others[: max(LATEST_OF_OTHERS, rows - len(snapshot.recent))][:rows]
    shown = [*others, *snapshot.recent[: rows - len(others)]]
    has_rides = not shown or any(prediction.text is None for prediction in shown)
    has_route = width >= ROUTE_FROM or not has_rides
    table = Table(
        box=box.SIMPLE_HEAD if width >= ROUTE_FROM else None,
        expand=True,
        padding=(0, 1),
        pad_edge=False,
        caption=f"{MARK} {BY_OTHERS}" if others else None,
        caption_justify="left",
    )
    # What has a ratio gives way to the figures.
    key = "ride" if has_rides else "key"
    table.add_column(key, no_wrap=True, overflow="ellipsis", ratio=None if has_route else 1)
    if has_route:
        content = "from → to" if has_rides else "prediction"
        table.add_column(content, ratio=1, no_wrap=True, overflow="ellipsis")
    for name in (*(("duration", "tip") if has_rides else ()), "end to end"):
        table.add_column(name, justify="right", no_wrap=True)
    for prediction in shown:
        key, text, *numbers, latency = cells(prediction, zones)
        marked = f"{MARK} {key}" if prediction.by_others else key
        row = [marked, *([text] if has_route else ()), *(numbers if has_rides else ()), latency]
        style = "bold magenta" if prediction.by_others else ""
        table.add_row(*map(Text, row), style=style)
    return table
