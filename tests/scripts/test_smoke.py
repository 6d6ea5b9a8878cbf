import json
from typing import Any

import pytest

from scripts.smoke import main
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

EVENT = (
    '{"ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}, "ride_id": 256}'
)


@pytest.fixture
def kinesis(clock: Clock) -> Any:
    kinesis = FakeKinesis(clock)
    for stream in ("ride_events", "ride_predictions", "other_predictions"):
        kinesis.create_stream(StreamName=stream)
    return kinesis


def smoke(kinesis: Any, clock: Clock, *arguments: str) -> int:
    return main(list(arguments), client=kinesis, clock=clock.now, sleep=clock.sleep, now=clock.utc)


def put_entries(kinesis: Any) -> list[dict[str, Any]]:
    calls = [arguments for name, arguments in kinesis.calls if name == "put_records"]
    return [entry for call in calls for entry in call["Records"]]


@pytest.mark.rides
def test_the_rides_of_a_run_are_marked_and_no_two_runs_have_one_mark(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smoke(kinesis, clock, "--count", "3", "--timeout", "1") == 1
    assert smoke(kinesis, clock, "--count", "3", "--timeout", "1") == 1

    ids = [json.loads(entry["Data"])["ride_id"] for entry in put_entries(kinesis)]
    assert ids == [entry["PartitionKey"] for entry in put_entries(kinesis)]
    assert len(set(ids)) == 6
    mark = ids[0].removesuffix("-1")
    assert mark.startswith("smoke-20250301T131500Z-")
    assert ids[:3] == [f"{mark}-1", f"{mark}-2", f"{mark}-3"]
    assert capsys.readouterr().out.startswith(
        f"{mark}: 3 events to ride_events at https://kinesis.us-east-1.amazonaws.com\n"
    )


@pytest.mark.rides
def test_without_a_function_it_fails_and_says_what_may_be_the_reason(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smoke(kinesis, clock, "--timeout", "5") == 1

    shown = capsys.readouterr()
    assert "0 of 20 predicted by ride_duration_tip_prediction_model" in shown.out
    assert shown.err.startswith("error: no prediction of 20 of 20 events in 5 s: dead-lettered")


@pytest.mark.rides
@pytest.mark.parametrize(
    ("arguments", "keys"),
    [([], 3), (["--key", "ride.PULocationID"], 1)],
    ids=["a new key for each", "the field that is named"],
)
def test_an_event_of_ones_own_is_put_again_and_again(
    kinesis: Any, clock: Clock, arguments: list[str], keys: int
) -> None:
    smoke(kinesis, clock, "--event", EVENT, "--count", "3", "--timeout", "1", *arguments)

    assert [entry["Data"].decode() for entry in put_entries(kinesis)] == [EVENT] * 3
    assert len({entry["PartitionKey"] for entry in put_entries(kinesis)}) == keys


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--key", "ride_id"], "--key needs --event (EVENT='{...}')"),
        (["--event", EVENT, "--key", "machine"], "--key is 'machine'; allowed: a field of the eve"),
    ],
    ids=["without an event", "a field that the event has not"],
)
def test_a_key_that_would_be_ignored_is_refused(
    kinesis: Any,
    clock: Clock,
    arguments: list[str],
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        smoke(kinesis, clock, *arguments)
    assert capsys.readouterr().err.startswith(f"error: {line}")
    assert put_entries(kinesis) == []


@pytest.mark.rides
@pytest.mark.parametrize(
    ("event", "error"),
    [
        ('{"ride": {"PULocationID": 999}}', "refuses the event: ride.PULocationID is 999; allowed"),
        ("\x1b[2J", "refuses the event: "),
        ('{"event_type": "other"}', "skips the event: another event type"),
    ],
)
def test_an_event_that_would_be_dead_lettered_or_skipped_is_not_put(
    kinesis: Any, clock: Clock, event: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smoke(kinesis, clock, "--event", event) == 2

    shown = capsys.readouterr().err
    assert shown.startswith(f"error: the local model {error}")
    assert shown.count("\n") == 1
    assert "\x1b" not in shown
    assert put_entries(kinesis) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--predictions", "nowhere"], "error: cannot read the stream 'nowhere'"),
        (["--stream", "nowhere"], "error: 0 of 20 events accepted by nowhere: cannot put on nowh"),
    ],
)
@pytest.mark.rides
def test_a_stream_that_is_not_there_is_one_line(
    kinesis: Any,
    clock: Clock,
    arguments: list[str],
    error: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert smoke(kinesis, clock, *arguments) == 1

    shown = capsys.readouterr().err
    assert shown.startswith(error)
    assert shown.count("\n") == 1


@pytest.mark.rides
def test_the_output_stream_is_the_environments(
    kinesis: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICTIONS_STREAM_NAME", "other_predictions")

    smoke(kinesis, clock, "--timeout", "1")

    (described, *_) = [a for name, a in kinesis.calls if name == "describe_stream_summary"]
    assert described == {"StreamName": "other_predictions"}


@pytest.mark.parametrize("arguments", [["--count", "0"], ["--timeout", "-1"], ["--count", "two"]])
def test_a_wrong_option_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)

    assert capsys.readouterr().err.startswith(f"error: {arguments[0]} is '{arguments[1]}'; allowed")
