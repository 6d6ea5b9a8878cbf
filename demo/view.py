"""Formats the state of a run for the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.printable import printable
from demo.ride_tracker import DeadLetter, Prediction, RideCounts, Route

Zones = Mapping[int, tuple[str, str]]
"""TLC zone to (borough, zone name)."""

UNKNOWN = "-"
BY_OTHERS = "put by others"
MILLISECONDS_BELOW = 10.0
WHOLE_SECONDS_FROM = 100.0
VALUE_WIDTHS = (9, 8, 7)
"""Widths of the three columns of figures, so that all fit in 80 columns."""

LATEST_PREDICTIONS = 8
LATEST_OF_OTHERS = 3
"""A ride put by hand stays on the screen, however many rides this run puts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of a run at one moment.

    Attributes:
        counts: The rides by state.
        goal: How many rides will be put; None: no limit.
        elapsed: Seconds since the first ride.
        per_second: Predictions per second over the last seconds.
        p50: Median latency in seconds, from the put until the prediction can be read; None
            before any.
        p99: The 99th percentile.
        iterator_age: Of the event source mapping, in milliseconds; None before the first batch.
        invocations: Of the function, retries included.
        function_errors: Invocations that failed.
        recent: The last predictions of this run's rides, the newest first.
        recent_others: The same for rides that this run did not put.
        newest_dead_letter: The last dead-letter record.
    """

    counts: RideCounts
    goal: int | None
    elapsed: float
    per_second: float
    p50: float | None
    p99: float | None
    iterator_age: float | None
    invocations: int
    function_errors: int
    recent: Sequence[Prediction]
    recent_others: Sequence[Prediction]
    newest_dead_letter: DeadLetter | None


def render(snapshot: Snapshot, zones: Zones) -> RenderableType:
    """Render a snapshot for a terminal."""
    parts: list[RenderableType] = [_figures(snapshot)]
    if snapshot.goal is not None:
        parts.append(_progress(snapshot, snapshot.goal))
    if snapshot.newest_dead_letter is not None:
        line = plain_dead_letter(snapshot.newest_dead_letter)
        parts.append(Text(line, style="yellow", no_wrap=True, overflow="ellipsis"))
    parts.append(_predictions(snapshot, zones))
    panel = Panel(
        Group(*parts),
        title="[bold]rides in, predictions out[/]",
        border_style="cyan",
        padding=(0, 1),
    )
    # The last line is short, so that the terminal's ^C after it does not shift the others.
    return Group(panel, Text("Ctrl-C stops and prints a summary", style="dim"))


def plain_line(snapshot: Snapshot) -> str:
    """Return a snapshot as one line."""
    counts = snapshot.counts
    dead_lettered = counts.dead_lettered + counts.others_dead_lettered
    return (
        f"{snapshot.elapsed:5.0f} s  rides in {counts.put:,}  "
        f"predictions out {counts.predicted:,}  {snapshot.per_second:,.0f} rides/s  "
        f"p50 {_seconds(snapshot.p50)}  p99 {_seconds(snapshot.p99)}  "
        f"iterator age {_milliseconds(snapshot.iterator_age)}  "
        f"dead-lettered {dead_lettered:,}  outstanding {counts.outstanding:,}"
    )


def plain_prediction(prediction: Prediction, zones: Zones) -> str:
    """Return a prediction as one line."""
    ride, route, duration, tip, _ = _cells(prediction, zones)
    if prediction.text is not None:
        return f"{ride}  {route}"
    return f"ride {ride}  {route}  {duration}  {tip}"


def plain_dead_letter(dead_letter: DeadLetter) -> str:
    """Return a dead-letter record's key and reason as one line."""
    key = printable(dead_letter.key or UNKNOWN)
    return f"dead-letter record {key}: {printable(dead_letter.reason)}"


def closing_lines(snapshot: Snapshot) -> list[str]:
    """Return the summary of a run."""
    counts = snapshot.counts
    always = {
        "rides put": counts.put,
        "predicted": counts.predicted,
        "dead-lettered": counts.dead_lettered,
        "outstanding": counts.outstanding,
        "duplicates": counts.duplicates,
    }
    if_any = {
        "rejected by Kinesis": counts.rejected,
        f"{BY_OTHERS}, predicted": counts.others_predicted,
        f"{BY_OTHERS}, dead-lettered": counts.others_dead_lettered,
    }
    rows = {**always, **{name: count for name, count in if_any.items() if count}}
    lines = [f"{name:<30}{count:>12,}" for name, count in rows.items()]
    lines.append(
        f"{counts.completed:,} of {counts.put:,} rides accounted for in {snapshot.elapsed:.1f} s; "
        f"end to end p50 {_seconds(snapshot.p50)}, p99 {_seconds(snapshot.p99)}"
    )
    return lines


def _figures(snapshot: Snapshot) -> Table:
    counts = snapshot.counts
    dead_lettered = counts.dead_lettered + counts.others_dead_lettered
    others = counts.others_predicted + counts.others_dead_lettered
    columns = (
        (
            ("rides in", f"{counts.put:,}", "bold"),
            ("predictions out", f"{counts.predicted:,}", "bold green"),
            ("rides/s", f"{snapshot.per_second:,.0f}", "bold"),
            (BY_OTHERS, f"{others:,}", "magenta" if others else ""),
        ),
        (
            ("end to end p50", _seconds(snapshot.p50), ""),
            ("end to end p99", _seconds(snapshot.p99), ""),
            ("iterator age", _milliseconds(snapshot.iterator_age), ""),
            ("invocations", f"{snapshot.invocations:,}", ""),
        ),
        (
            ("outstanding", f"{counts.outstanding:,}", ""),
            ("dead-lettered", f"{dead_lettered:,}", "yellow" if dead_lettered else ""),
            ("duplicates", f"{counts.duplicates:,}", ""),
            (
                "function errors",
                f"{snapshot.function_errors:,}",
                "bold red" if snapshot.function_errors else "",
            ),
        ),
    )
    table = Table.grid(padding=(0, 1), expand=True)
    for width in VALUE_WIDTHS:
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True, min_width=width)
        table.add_column(ratio=1)  # the spare width of a wider terminal
    for row in zip(*columns, strict=True):
        table.add_row(
            *(cell for name, value, style in row for cell in (name, Text(value, style), ""))
        )
    return table


def _progress(snapshot: Snapshot, goal: int) -> Table:
    completed = snapshot.counts.completed
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(ratio=1)
    row.add_column(justify="right", no_wrap=True)
    row.add_row(ProgressBar(total=max(goal, 1), completed=completed), f"{completed:,} of {goal:,}")
    return row


def _predictions(snapshot: Snapshot, zones: Zones) -> Table:
    room = max(LATEST_OF_OTHERS, LATEST_PREDICTIONS - len(snapshot.recent))
    others = snapshot.recent_others[:room]
    shown = [*others, *snapshot.recent[: LATEST_PREDICTIONS - len(others)]]
    has_rides = not shown or any(prediction.text is None for prediction in shown)
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), pad_edge=False)
    table.add_column("ride" if has_rides else "key", no_wrap=True)
    content = "from → to" if has_rides else "prediction"
    table.add_column(content, ratio=1, no_wrap=True, overflow="ellipsis")
    for name in (*(("duration", "tip") if has_rides else ()), "end to end"):
        table.add_column(name, justify="right", no_wrap=True)
    for prediction in shown:
        key, text, *numbers, latency = map(Text, _cells(prediction, zones))
        style = "bold magenta" if prediction.latency is None else ""
        table.add_row(key, text, *(numbers if has_rides else ()), latency, style=style)
    return table


def _cells(prediction: Prediction, zones: Zones) -> tuple[str, str, str, str, str]:
    duration, tip = prediction.duration, prediction.tip
    return (
        printable(prediction.key),
        _route(prediction.route, zones) if prediction.text is None else printable(prediction.text),
        UNKNOWN if duration is None else f"{duration:.1f} min",
        UNKNOWN if tip is None else f"${tip:.2f}",
        BY_OTHERS if prediction.latency is None else _seconds(prediction.latency),
    )


def _route(route: Route | None, zones: Zones) -> str:
    if route is None:
        return UNKNOWN
    pickup, dropoff = (zones.get(zone, ("", f"zone {zone}"))[1] for zone in route)
    return f"{pickup} → {dropoff}"


def _seconds(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if value < MILLISECONDS_BELOW:
        return f"{value * 1000:,.0f} ms"
    return f"{value:.1f} s" if value < WHOLE_SECONDS_FROM else f"{value:,.0f} s"


def _milliseconds(value: float | None) -> str:
    return _seconds(None if value is None else value / 1000)
