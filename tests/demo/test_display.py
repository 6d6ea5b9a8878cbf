import io
from typing import Any

import pytest
from rich.console import Console

from demo.display import PlainLines, open_display
from demo.ride_tracker import DeadLetter, Prediction, RideCounts
from demo.snapshot import Snapshot
from tests.fakes.clock import Clock

ZONES = {130: ("Queens", "Jamaica"), 205: ("Queens", "Saint Albans")}


def snapshot(**changes: Any) -> Snapshot:
    values: dict[str, Any] = {
        "counts": RideCounts(put=3, predicted=2),
        "goal": None,
        "elapsed": 1.0,
        "per_second": 2.0,
        "p50": 0.1,
        "p99": 0.2,
        "iterator_age": 50.0,
        "invocations": 1,
        "function_errors": 0,
        "recent": [],
        "recent_others": [],
        "newest_dead_letter": None,
    }
    return Snapshot(**{**values, **changes})


def by_hand(*keys: str) -> dict[str, Any]:
    others = [Prediction(key=key, duration=21.3, tip=2.4, route=(130, 205)) for key in keys]
    return {
        "counts": RideCounts(put=3, predicted=2, others_predicted=len(keys)),
        "recent_others": others,
    }


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(clock: Clock, output: io.StringIO) -> PlainLines:
    return PlainLines(Console(file=output, width=40), ZONES, clock.now)


def test_a_line_is_printed_once_a_second(
    lines: PlainLines, clock: Clock, output: io.StringIO
) -> None:
    for _ in range(12):
        lines(snapshot())
        clock.advance(0.25)
    assert len(output.getvalue().splitlines()) == 3


def test_a_line_is_not_wrapped_on_a_narrow_terminal(lines: PlainLines, output: io.StringIO) -> None:
    lines(snapshot())
    assert "outstanding 1" in output.getvalue().splitlines()[0]


def test_each_ride_put_by_others_is_printed_once(lines: PlainLines, output: io.StringIO) -> None:
    lines(snapshot())
    lines(snapshot(**by_hand("256")))
    lines(snapshot(**by_hand("257", "256")))
    lines(snapshot(**by_hand("257", "256")))
    assert output.getvalue().splitlines()[1:] == [
        "ride 256  Jamaica → Saint Albans  21.3 min  $2.40",
        "ride 257  Jamaica → Saint Albans  21.3 min  $2.40",
    ]


def test_a_new_dead_letter_record_is_printed_once_with_its_reason(
    lines: PlainLines, clock: Clock, output: io.StringIO
) -> None:
    for newest in (
        None,
        DeadLetter("257", "ride is missing"),
        DeadLetter("257", "ride is missing"),
    ):
        lines(snapshot(newest_dead_letter=newest))
        clock.advance(1.0)
    printed = [line for line in output.getvalue().splitlines() if "rides in" not in line]
    assert printed == ["dead-letter record 257: ride is missing"]


def test_without_a_terminal_there_are_plain_lines(output: io.StringIO, clock: Clock) -> None:
    with open_display(Console(file=output), ZONES, clock=clock.now) as show:
        show(snapshot())
    assert "rides in 3" in output.getvalue()


def test_a_terminal_gets_the_live_view(output: io.StringIO) -> None:
    console = Console(file=output, force_terminal=True, width=80)
    with open_display(console, ZONES) as show:
        show(snapshot(**by_hand("256")))
    assert "Saint Albans" in output.getvalue()
    assert "Ctrl-C stops" in output.getvalue()


def test_a_stop_is_answered_at_once_with_what_it_waits_for(
    lines: PlainLines, output: io.StringIO
) -> None:
    lines(snapshot())
    for left in (5.0, 4.75):
        lines(snapshot(counts=RideCounts(put=3, predicted=1), stopping=left, running=[7.0]))
    stopping = [line for line in output.getvalue().splitlines() if "Stopping" in line]
    assert len(stopping) == 1
    assert "up to 5 s for 2 outstanding events, invocations running: 1 for 7 s" in stopping[0]


@pytest.mark.parametrize("terminal", [True, False])
def test_what_to_try_is_shown_with_or_without_a_terminal(
    output: io.StringIO, clock: Clock, *, terminal: bool
) -> None:
    console = Console(file=output, force_terminal=terminal, width=80, height=24)
    with open_display(console, ZONES, ["make put PU=130"], clock=clock.now) as show:
        show(snapshot())
    assert "make put PU=130" in output.getvalue()
