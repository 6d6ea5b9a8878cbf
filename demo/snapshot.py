"""The state of a run at one moment, and its text: lines, and the cells of the live view."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from cli.printable import counted, printable
from demo.ride_tracker import DeadLetter, Prediction, RideCounts
from page.ride_records import Route

Zones = Mapping[int, tuple[str, str]]
"""TLC zone to (borough, zone name)."""

UNKNOWN = "-"
BY_OTHERS = "put by others"
MILLISECONDS_BELOW = 10.0
WHOLE_SECONDS_FROM = 100.0

SLOW_SECONDS = 5.0
"""From here on an invocation in progress is shown as slow."""

REASONS = 5
"""How many kinds of dead-letter records the summary lists."""


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
        reasons: The number of dead-letter records by reason.
        running: For how many seconds each invocation in progress has run.
        stopping: Seconds until the run ends although events are outstanding; None: it goes on.
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
    reasons: Mapping[str, int] = field(default_factory=dict)
    running: Sequence[float] = ()
    stopping: float | None = None


def stopping_line(snapshot: Snapshot) -> str:
    """Return what a run that was stopped still waits for, and for how long."""
    left = math.ceil(max(snapshot.stopping or 0.0, 0.0))
    invocations = f", invocations running: {running(snapshot)}" if snapshot.running else ""
    return (
        f"Stopping: waiting up to {left} s for {snapshot.counts.outstanding:,} outstanding "
        f"events{invocations}. Ctrl-C again does not wait."
    )


def plain_line(snapshot: Snapshot) -> str:
    """Return a snapshot as one line."""
    counts = snapshot.counts
    return (
        f"{snapshot.elapsed:5.0f} s  rides in {counts.all_put:,}  "
        f"predictions out {counts.all_predicted:,}  "
        f"{snapshot.per_second:,.0f} rides/s  "
        f"p50 {seconds(snapshot.p50)}  p99 {seconds(snapshot.p99)}  "
        f"iterator age {milliseconds(snapshot.iterator_age)}  "
        f"dead-lettered {counts.all_dead_lettered:,}  outstanding {counts.outstanding:,}"
        + (f"  rides ended {counts.ends.put:,}" if counts.ends.put else "")
        + (f"  skipped {counts.others_skipped:,}" if counts.others_skipped else "")
        + (f"  running {running(snapshot)}" if is_slow(snapshot) else "")
    )


def plain_prediction(prediction: Prediction, zones: Zones) -> str:
    """Return a prediction as one line of what is known of it."""
    ride, *values, _ = cells(prediction, zones)
    kind = "ride " if prediction.text is None else ""
    return "  ".join([f"{kind}{ride}", *(value for value in values if value != UNKNOWN)])


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
        "ends of rides put": counts.ends.put,
        "ends of rides, skipped": counts.ends.skipped,
        "ends of rides, dead-lettered": counts.ends.dead_lettered,
        "ends of rides, rejected": counts.ends.rejected,
        "ends of rides, outstanding": counts.ends.outstanding,
        BY_OTHERS: counts.others,
        f"{BY_OTHERS}, predicted": counts.others_predicted,
        f"{BY_OTHERS}, dead-lettered": counts.others_dead_lettered,
        f"{BY_OTHERS}, skipped": counts.others_skipped,
    }
    rows = {**always, **{name: count for name, count in if_any.items() if count}}
    lines = [f"{name:<30}{count:>8,}" for name, count in rows.items()]
    lines += [
        f"  dead letters: {printable(reason)}: {count:,}"
        for reason, count in islice(snapshot.reasons.items(), REASONS)
    ]
    if others := sum(islice(snapshot.reasons.values(), REASONS, None)):
        lines.append(f"  dead letters: other reasons: {others:,}")
    accounted_for = counts.completed + counts.others_completed
    lines.append(
        f"{accounted_for:,} of {counted(counts.all_put, 'ride')} accounted for in "
        f"{snapshot.elapsed:.1f} s; "
        f"end to end p50 {seconds(snapshot.p50)}, p99 {seconds(snapshot.p99)}"
    )
    return lines


def cells(prediction: Prediction, zones: Zones) -> tuple[str, str, str, str, str]:
    """Return a prediction's key, its route or JSON, minutes, dollars and latency."""
    duration, tip = prediction.duration, prediction.tip
    return (
        printable(prediction.key),
        _route(prediction.route, zones) if prediction.text is None else printable(prediction.text),
        UNKNOWN if duration is None else f"{duration:.1f} min",
        UNKNOWN if tip is None else f"${tip:.2f}",
        seconds(prediction.latency),
    )


def _route(route: Route | None, zones: Zones) -> str:
    if route is None:
        return UNKNOWN
    pickup, dropoff = (zones.get(zone, ("", f"zone {zone}"))[1] for zone in route)
    return f"{pickup} → {dropoff}"


def running(snapshot: Snapshot) -> str:
    """Return how many invocations are in progress and for how long the longest has run."""
    if not snapshot.running:
        return "0"
    return f"{len(snapshot.running):,} for {max(snapshot.running):.0f} s"


def is_slow(snapshot: Snapshot) -> bool:
    """Return whether an invocation has been in progress for long."""
    return max(snapshot.running, default=0.0) >= SLOW_SECONDS


def seconds(value: float | None) -> str:
    """Format seconds, with three significant digits or so; a dash if they are not known."""
    if value is None:
        return UNKNOWN
    if value < MILLISECONDS_BELOW:
        return f"{value * 1000:,.0f} ms"
    return f"{value:.1f} s" if value < WHOLE_SECONDS_FROM else f"{value:,.0f} s"


def milliseconds(value: float | None) -> str:
    """Format milliseconds as `seconds` does."""
    return seconds(None if value is None else value / 1000)
