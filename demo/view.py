"""What the terminal shows while rides go in and predictions come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.ride_tracker import Dead, Prediction, Route, Sums

Zones = Mapping[int, tuple[str, str]]
"""TLC zone to (borough, zone name)."""

NOT_YET = "-"
BY_OTHERS = "put by others"
MILLISECONDS_BELOW = 10.0
WHOLE_SECONDS_FROM = 100.0
VALUE_WIDTHS = (9, 8, 7)
"""Characters of the three columns of figures, so that all of them fit into 80."""

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
        newest_dead: What was found last among the dead letters.
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
    newest_dead: Dead | None


def render(snapshot: Snapshot, zones: Zones) -> RenderableType:
    """Draw a snapshot for a terminal."""
    parts: list[RenderableType] = [_figures(snapshot)]
    if snapshot.goal is not None:
        parts.append(_progress(snapshot, snapshot.goal))
    if snapshot.newest_dead is not None:
        line = plain_dead(snapshot.newest_dead)
        parts.append(Text(line, style="yellow", no_wrap=True, overflow="ellipsis"))
    parts.append(_predictions(snapshot, zones))
    panel = Panel(
        Group(*parts),
        title="[bold]rides in, predictions out[/]",
        border_style="cyan",
        padding=(0, 1),
    )
    # The last line is short, so that the terminal's own ^C behind it does not move the others.
    return Group(panel, Text("Ctrl-C stops and sums up", style="dim"))


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
    if prediction.text is not None:
        return f"{ride}  {route}"
    return f"ride {ride}  {route}  {duration}  {tip}"


def plain_dead(record: Dead) -> str:
    """Say what was found among the dead letters, and why, in one line."""
    return f"dead letter {_printable(record.key or NOT_YET)}: {_printable(record.reason)}"


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
        f"{BY_OTHERS}, predicted": sums.others,
        f"{BY_OTHERS}, dead-lettered": sums.other_dead,
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
    others = sums.others + sums.other_dead
    columns = (
        (
            ("rides in", f"{sums.put:,}", "bold"),
            ("predictions out", f"{sums.predicted:,}", "bold green"),
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
    for width in VALUE_WIDTHS:
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True, min_width=width)
        table.add_column(ratio=1)  # what a wider terminal has to spare
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
    room = max(LATEST_OF_OTHERS, LATEST_PREDICTIONS - len(snapshot.recent))
    others = snapshot.recent_others[:room]
    shown = [*others, *snapshot.recent[: LATEST_PREDICTIONS - len(others)]]
    of_rides = not shown or any(prediction.text is None for prediction in shown)
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), pad_edge=False)
    table.add_column("ride" if of_rides else "key", no_wrap=True)
    what = "from → to" if of_rides else "prediction"
    table.add_column(what, ratio=1, no_wrap=True, overflow="ellipsis")
    for name in (*(("duration", "tip") if of_rides else ()), "end to end"):
        table.add_column(name, justify="right", no_wrap=True)
    for prediction in shown:
        key, said, *numbers, latency = map(Text, _cells(prediction, zones))
        style = "bold magenta" if prediction.latency is None else ""
        table.add_row(key, said, *(numbers if of_rides else ()), latency, style=style)
    return table


def _cells(prediction: Prediction, zones: Zones) -> tuple[str, str, str, str, str]:
    duration, tip = prediction.duration, prediction.tip
    return (
        _printable(prediction.key),
        _route(prediction.route, zones) if prediction.text is None else _printable(prediction.text),
        NOT_YET if duration is None else f"{duration:.1f} min",
        NOT_YET if tip is None else f"${tip:.2f}",
        BY_OTHERS if prediction.latency is None else _seconds(prediction.latency),
    )


def _route(route: Route | None, zones: Zones) -> str:
    if route is None:
        return NOT_YET
    pickup, dropoff = (zones.get(zone, ("", f"zone {zone}"))[1] for zone in route)
    return f"{pickup} → {dropoff}"


def _printable(text: str) -> str:
    """Take out what would steer the terminal: others choose their keys and what they write."""
    return "".join(character if character.isprintable() else "·" for character in text)


def _seconds(value: float | None) -> str:
    if value is None:
        return NOT_YET
    if value < MILLISECONDS_BELOW:
        return f"{value * 1000:,.0f} ms"
    return f"{value:.1f} s" if value < WHOLE_SECONDS_FROM else f"{value:,.0f} s"


def _milliseconds(value: float | None) -> str:
    return _seconds(None if value is None else value / 1000)
