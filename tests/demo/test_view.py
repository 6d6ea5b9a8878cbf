from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from demo.ride_tracker import DeadLetter, Prediction, RideCounts
from demo.snapshot import (
    Snapshot,
    closing_lines,
    plain_dead_letter,
    plain_line,
    plain_prediction,
)
from demo.view import View

ZONES = {130: ("Queens", "Jamaica"), 205: ("Queens", "Saint Albans")}
BY_HAND = Prediction(
    key="256", duration=21.3, tip=2.41, route=(130, 205), latency=0.4, by_others=True
)
DEAD_LETTER = DeadLetter(
    "257", "ride.trip_distance is -1; allowed: a number from 0 to 1,000 (miles)"
)
OURS = Prediction(key="1795164343000", duration=7.0, tip=0.5, route=(205, 130), latency=0.312)


def snapshot(**changes: Any) -> Snapshot:
    values: dict[str, Any] = {
        "counts": RideCounts(put=1204, predicted=1180, dead_lettered=12, others_predicted=1),
        "goal": 2000,
        "elapsed": 12.2,
        "per_second": 101.2,
        "p50": 0.312,
        "p99": 12.55,
        "iterator_age": 140.0,
        "invocations": 52,
        "function_errors": 0,
        "recent": [OURS],
        "recent_others": [BY_HAND],
        "newest_dead_letter": None,
    }
    return Snapshot(**{**values, **changes})


def screen(
    shown: Snapshot, *, width: int = 80, height: int = 24, hint: Sequence[str] = ()
) -> list[str]:
    console = Console(width=width, height=height, color_system=None)
    with console.capture() as capture:
        console.print(View(shown, ZONES, hint))
    return capture.get().splitlines()


def line_with(text: str, lines: list[str]) -> str:
    (line,) = [line for line in lines if text in line]
    return " ".join(line.split())


def test_every_figure_fits_a_terminal_of_80_columns() -> None:
    text = " ".join(" ".join(screen(snapshot())).split())
    for figure in (
        "rides in 1,205",
        "predictions out 1,181",
        "rides/s 101",
        "end to end p50 312 ms",
        "end to end p99 12.6 s",
        "iterator age 140 ms",
        "outstanding 12",
        "dead-lettered 12",
        "put by others 1",
        "1,192 of 2,000",
    ):
        assert figure in text


def test_a_full_view_fits_a_terminal_of_24_lines() -> None:
    full = snapshot(recent=[OURS] * 8, recent_others=[BY_HAND] * 8, newest_dead_letter=DEAD_LETTER)
    assert len(screen(full)) < 24


HINT = (
    "Put a ride from a second terminal (with aws: build/local/20250301T081500Z/commands.txt):",
    "  make put PU=130 DO=205 MILES=3.66",
)


@pytest.mark.parametrize("width", [100, 80, 60, 40])
def test_every_value_and_the_command_to_try_stay_whole_on_any_terminal(width: int) -> None:
    full = snapshot(recent=[OURS] * 8, recent_others=[BY_HAND], newest_dead_letter=DEAD_LETTER)
    lines = screen(full, width=width, hint=HINT)
    text = " ".join(" ".join(lines).split())
    for value in ("1,205", "1,181", "101", "312 ms", "12.6 s", "140 ms", "52", "1,192 of 2,000"):
        assert value in text
    assert "make put PU=130 DO=205 MILES=3.66" in text
    assert "256" in text
    assert "21.3 min" in text
    assert len(lines) < 24
    assert max(map(len, lines)) <= width


def test_an_invocation_in_progress_is_shown_with_its_duration() -> None:
    text = " ".join(" ".join(screen(snapshot(running=[12.4, 3.0]))).split())
    assert "running 2 for 12 s" in text
    assert plain_line(snapshot(running=[12.4])).endswith("running 1 for 12 s")


def test_a_run_that_stops_says_what_it_waits_for() -> None:
    counts = RideCounts(others_outstanding=200)
    stopping = snapshot(counts=counts, stopping=4.2, running=[12.4])
    assert " ".join(" ".join(screen(stopping)[-2:]).split()) == (
        "Stopping: waiting up to 5 s for 200 outstanding events, invocations running: 1 for 12 s. "
        "Ctrl-C again does not wait."
    )


def test_events_of_others_are_counted_by_outcome() -> None:
    counts = RideCounts(
        others_predicted=160, others_dead_lettered=20, others_skipped=15, others_outstanding=5
    )
    text = " ".join(" ".join(screen(snapshot(counts=counts))).split())
    for figure in ("rides in 200", "predictions out 160", "skipped 15", "outstanding 5"):
        assert figure in text
    assert "195 of 200 rides accounted for" in closing_lines(snapshot(counts=counts))[-1]


def test_large_figures_fit_80_columns_with_their_units() -> None:
    many = RideCounts(
        put=1_204_000,
        predicted=1_190_000,
        dead_lettered=12_345,
        duplicates=1_234,
        others_predicted=10_000,
    )
    text = " ".join(" ".join(screen(snapshot(counts=many, p50=1.041, p99=120.5))).split())
    for figure in (
        "rides in 1,214,000",
        "predictions out 1,200,000",
        "put by others 10,000",
        "end to end p50 1,041 ms",
        "end to end p99 120 s",
        "dead-lettered 12,345",
        "duplicates 1,234",
    ):
        assert figure in text


def test_the_newest_dead_letter_record_is_shown_with_its_reason() -> None:
    assert "dead-letter record 257: ride.trip_distance is -1" in line_with(
        "dead-letter record 257", screen(snapshot(newest_dead_letter=DEAD_LETTER))
    )


def test_poison_records_of_others_count_as_put_by_others() -> None:
    counts = RideCounts(put=3, predicted=3, others_predicted=2, others_dead_lettered=1)
    text = " ".join(" ".join(screen(snapshot(counts=counts, recent_others=[]))).split())
    assert "put by others 3" in text


def test_the_prediction_of_another_kind_of_model_is_shown_as_json() -> None:
    other = Prediction(
        key="9", duration=None, tip=None, text='{"label":"ok","score":[0.9]}', by_others=True
    )
    line = line_with("label", screen(snapshot(recent=[], recent_others=[other])))
    assert '9 {"label":"ok","score":[0.9]} -' in line
    assert plain_prediction(other, ZONES) == '9  {"label":"ok","score":[0.9]}'


def test_a_run_without_its_own_rides_shows_more_of_others() -> None:
    lines = screen(snapshot(recent=[], recent_others=[BY_HAND] * 8))
    assert sum("Jamaica → Saint Albans" in line for line in lines) == 8


def test_a_key_cannot_control_the_terminal() -> None:
    assert plain_dead_letter(DeadLetter("[red]\x1b[2J\n", "ride is missing")) == (
        r"dead-letter record [red]\u001b[2J\n: ride is missing"
    )
    odd = Prediction(key="[red]\n", duration=1.0, tip=1.0)
    assert r"[red]\n" in line_with("[red]", screen(snapshot(recent_others=[odd])))


def test_the_last_line_leaves_room_for_the_terminals_ctrl_c() -> None:
    assert screen(snapshot())[-1].rstrip() == "Ctrl-C stops and prints a summary"


def test_predictions_show_zone_names() -> None:
    line = line_with("1795164343000", screen(snapshot()))
    assert "Saint Albans → Jamaica 7.0 min $0.50 312 ms" in line


def test_a_ride_put_by_hand_is_on_top_and_marked() -> None:
    lines = screen(snapshot())
    line = line_with("256", lines)
    assert "* 256 Jamaica → Saint Albans 21.3 min $2.41 400 ms" in line
    assert next(row for row in lines if "min " in row).split()[1:3] == ["*", "256"]
    assert "* put by others" in " ".join(lines)


def test_an_unknown_value_is_a_dash() -> None:
    lines = screen(
        snapshot(
            p50=None,
            p99=None,
            iterator_age=None,
            recent_others=[Prediction(key="256", duration=None, tip=2.41)],
        )
    )
    assert "end to end p50 -" in line_with("end to end p50", lines)
    assert "256 - - $2.41 -" in line_with("256", lines)


def test_a_zone_without_a_name_shows_its_number() -> None:
    odd = Prediction(key="1", duration=1.0, tip=1.0, route=(130, 7))
    assert plain_prediction(odd, ZONES) == "ride 1  Jamaica → zone 7  1.0 min  $1.00"


def test_a_line_of_plain_output_leaves_out_what_is_not_known() -> None:
    no_route = Prediction(key="1", duration=1.0, tip=1.0)
    assert plain_prediction(no_route, ZONES) == "ride 1  1.0 min  $1.00"
    no_tip = Prediction(key="1", duration=1.0, tip=None, route=(130, 7))
    assert plain_prediction(no_tip, ZONES) == "ride 1  Jamaica → zone 7  1.0 min"


def test_an_endless_run_has_no_progress_bar() -> None:
    assert not any("━" in line for line in screen(snapshot(goal=None)))


def test_without_a_terminal_a_snapshot_is_one_line() -> None:
    assert plain_line(snapshot()) == (
        "   12 s  rides in 1,205  predictions out 1,181  101 rides/s  p50 312 ms  p99 12.6 s  "
        "iterator age 140 ms  dead-lettered 12  outstanding 12"
    )


def test_the_summary_accounts_for_every_ride() -> None:
    counts = RideCounts(put=1200, predicted=1180, dead_lettered=12, rejected=3, others_predicted=1)
    reasons = {"ride.trip_distance": 9, "ride": 3}
    last = snapshot(counts=counts, reasons=reasons)
    lines = [" ".join(line.split()) for line in closing_lines(last)]
    assert lines == [
        "rides put 1,200",
        "predicted 1,180",
        "dead-lettered 12",
        "outstanding 5",
        "duplicates 0",
        "rejected by Kinesis 3",
        "put by others 1",
        "put by others, predicted 1",
        "dead letters: ride.trip_distance: 9",
        "dead letters: ride: 3",
        "1,193 of 1,201 rides accounted for in 12.2 s; end to end p50 312 ms, p99 12.6 s",
    ]
