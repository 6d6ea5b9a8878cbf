"""What the terminal shows while rides go in and predictions come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from local.ledger import Prediction, Route, Sums

Zones = Mapping[int, tuple[str, str]]
"""TLC zone to (borough, zone name)."""

NOT_YET = "-"
MILLISECONDS_BELOW = 10.0
LATEST_PREDICTIONS = 8
LATEST_OF_OTHERS = 3
"""A ride that a person puts stays on the screen, however fast the others go by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The pipeline at one moment.

    Attributes:
        sums: What became of the rides.
        goal: How many rides there will be; None: no end.
        elapsed: Seconds since the first ride.
        per_second: Predictions a second, of late.
        p50: Median latency in seconds, from the put until the prediction can be read.
        p99: The same of the slowest in a hundred.
        iterator_age: Milliseconds that the last record processed had waited on the stream.
        invocations: How often the function was invoked.
        function_errors: How many invocations failed.
        recent: The last predictions, the newest first.
        recent_others: The same, of rides that somebody else put.
    """

    sums: Sums
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


def render(snapshot: Snapshot, zones: Zones) -> RenderableType:
    """Draw a snapshot for a terminal."""
    parts: list[RenderableType] = [_figures(snapshot)]
    if snapshot.goal is not None:
        parts.append(_progress(snapshot, snapshot.goal))
    parts.append(_predictions(snapshot, zones))
    return Panel(
        Group(*parts),
        title="[bold]rides in, predictions out[/]",
        subtitle="[dim]Ctrl-C stops and sums up[/]",
        border_style="cyan",
        padding=(0, 1),
    )


def plain_line(snapshot: Snapshot) -> str:
    """Say a snapshot in one line."""
    sums = snapshot.sums
    return (
        f"{snapshot.elapsed:5.0f} s  rides in {sums.put:,}  predictions out {sums.predicted:,}  "
        f"{snapshot.per_second:,.0f} rides/s  p50 {_seconds(snapshot.p50)}  "
        f"p99 {_seconds(snapshot.p99)}  iterator age {_milliseconds(snapshot.iterator_age)}  "
        f"dead letters {sums.dead + sums.other_dead:,}  outstanding {sums.outstanding:,}"
    )


def plain_prediction(prediction: Prediction, zones: Zones) -> str:
    """Say a prediction in one line."""
    ride, route, duration, tip, _ = _cells(prediction, zones)
    return f"ride {ride}  {route}  {duration}  {tip}"


def closing_lines(snapshot: Snapshot) -> list[str]:
    """Sum up a run."""
    sums = snapshot.sums
    always = {
        "rides put": sums.put,
        "predicted": sums.predicted,
        "dead-lettered": sums.dead,
        "outstanding": sums.outstanding,
        "duplicates": sums.duplicates,
    }
    if_any = {
        "not taken by Kinesis": sums.refused,
        "predictions of other rides": sums.others,
        "dead letters of other records": sums.other_dead,
    }
    rows = {**always, **{name: count for name, count in if_any.items() if count}}
    answered = sums.predicted + sums.dead
    lines = [f"{name:<30}{count:>12,}" for name, count in rows.items()]
    lines.append(
        f"{answered:,} of {sums.put:,} rides accounted for in {snapshot.elapsed:.1f} s; "
        f"end to end p50 {_seconds(snapshot.p50)}, p99 {_seconds(snapshot.p99)}"
    )
    return lines


def _figures(snapshot: Snapshot) -> Table:
    sums = snapshot.sums
    dead = sums.dead + sums.other_dead
    columns = (
        (
            ("rides in", f"{sums.put:,}", "bold"),
            ("predictions out", f"{sums.predicted:,}", "bold green"),
            ("rides/s", f"{snapshot.per_second:,.0f}", "bold"),
            ("put by others", f"{sums.others:,}", "magenta" if sums.others else ""),
        ),
        (
            ("end to end p50", _seconds(snapshot.p50), ""),
            ("end to end p99", _seconds(snapshot.p99), ""),
            ("iterator age", _milliseconds(snapshot.iterator_age), ""),
            ("invocations", f"{snapshot.invocations:,}", ""),
        ),
        (
            ("outstanding", f"{sums.outstanding:,}", ""),
            ("dead letters", f"{dead:,}", "yellow" if dead else ""),
            ("duplicates", f"{sums.duplicates:,}", ""),
            (
                "function errors",
                f"{snapshot.function_errors:,}",
                "bold red" if snapshot.function_errors else "",
            ),
        ),
    )
    table = Table.grid(padding=(0, 1), expand=True)
    for _ in columns:
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True, ratio=1)
        table.add_column(width=2)
    for row in zip(*columns, strict=True):
        table.add_row(
            *(cell for name, value, style in row for cell in (name, Text(value, style), ""))
        )
    return table


def _progress(snapshot: Snapshot, goal: int) -> Table:
    done = snapshot.sums.predicted + snapshot.sums.dead
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(ratio=1)
    row.add_column(justify="right", no_wrap=True)
    row.add_row(ProgressBar(total=max(goal, 1), completed=done), f"{done:,} of {goal:,}")
    return row


def _predictions(snapshot: Snapshot, zones: Zones) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), pad_edge=False)
    table.add_column("ride", no_wrap=True)
    table.add_column("from → to", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in ("duration", "tip", "end to end"):
        table.add_column(name, justify="right", no_wrap=True)
    others = snapshot.recent_others[:LATEST_OF_OTHERS]
    for prediction in others:
        table.add_row(*_cells(prediction, zones), style="bold magenta")
    for prediction in snapshot.recent[: LATEST_PREDICTIONS - len(others)]:
        table.add_row(*_cells(prediction, zones))
    return table


def _cells(prediction: Prediction, zones: Zones) -> tuple[str, str, str, str, str]:
    duration, tip = prediction.duration, prediction.tip
    return (
        prediction.key,
        _route(prediction.route, zones),
        NOT_YET if duration is None else f"{duration:.1f} min",
        NOT_YET if tip is None else f"${tip:.2f}",
        "put by hand" if prediction.latency is None else _seconds(prediction.latency),
    )


def _route(route: Route | None, zones: Zones) -> str:
    if route is None:
        return NOT_YET
    pickup, dropoff = (zones.get(zone, ("", f"zone {zone}"))[1] for zone in route)
    return f"{pickup} → {dropoff}"


def _seconds(value: float | None) -> str:
    if value is None:
        return NOT_YET
    return f"{value * 1000:,.0f} ms" if value < MILLISECONDS_BELOW else f"{value:,.1f} s"


def _milliseconds(value: float | None) -> str:
    return _seconds(None if value is None else value / 1000)
