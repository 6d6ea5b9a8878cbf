import json
import os
import sys
from types import ModuleType
from typing import Any

import pytest

from scripts.predict import main
from tests.fakes.clock import EPOCH, Clock
from tests.fakes.kinesis import FakeKinesis

RIDE = ("--pickup", "130", "--dropoff", "205", "--miles", "3.66")
DEAD_LETTERED = "no prediction; the function would dead-letter it:"


@pytest.fixture
def kinesis(clock: Clock) -> Any:
    kinesis = FakeKinesis(clock)
    for stream in ("ride_events", "ride_predictions"):
        kinesis.create_stream(StreamName=stream)
    return kinesis


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    lines = capsys.readouterr().out.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(" ") for line in lines)}


@pytest.mark.rides
def test_a_ride_is_predicted_without_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RIDE, "--at", "2025-03-01T08:15:00"]) == 0
    shown = printed(capsys)
    assert json.loads(shown["event"]) == {
        "ride": {
            "PULocationID": 130,
            "DOLocationID": 205,
            "trip_distance": 3.66,
            "pickup_datetime": "2025-03-01T08:15:00",
        },
        "ride_id": 256,
    }
    assert json.loads(shown["prediction"]) == {
        "ride_id": 256,
        "ride_duration": 13.91,
        "ride_duration_low": 9.95,
        "ride_duration_high": 16.66,
        "ride_tip": 2.06,
    }
    assert shown["model"].startswith("ride_duration_tip_prediction_model ")


@pytest.mark.rides
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--pickup", "999", "--dropoff", "205"],
            f"{DEAD_LETTERED} ride.PULocationID is 999; allowed: an integer",
        ),
        (
            ["--pickup", "130", "--dropoff", "here"],
            f'{DEAD_LETTERED} ride.DOLocationID is "here"; allowed: an integer',
        ),
        (
            ["--json", '{"event_type": "other"}'],
            "no prediction; the function would skip it: another event type",
        ),
    ],
    ids=str,
)
def test_an_event_without_a_prediction_says_what_the_function_does(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith(line)


OTHER_MODEL = """
from datetime import UTC, datetime
import msgspec
from streaming import DECODE_ERRORS, WHOLE_EVENT, Prediction, invalid_event

class Alarm(msgspec.Struct):
    machine: str
    at: datetime = datetime(2025, 3, 1, tzinfo=UTC)

class Alarms:
    name, version, event_type = "alarms", "1", "alarm"

    def decode(self, content, arrived_at):
        try:
            return msgspec.json.decode(content, type=Alarm)
        except DECODE_ERRORS as error:
            raise invalid_event(content, error, {WHOLE_EVENT: "a JSON object"}) from error

    def predict(self, events):
        return [Prediction(event.machine, event) for event in events]

def load_model(environment, s3_client):
    return Alarms()
"""
EVENT = '{"machine": "m\u00e9\u202e"}'
FAILS = f"{DEAD_LETTERED[:-1]}, or retry it if the model fails on all events: "


def use(monkeypatch: pytest.MonkeyPatch, code: str) -> str:
    """Make a module of this code; return its name."""
    module = ModuleType("other_model")
    exec(code, vars(module))  # noqa: S102  the test's own
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


def test_another_models_prediction_is_shown_as_it_is_published(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json", EVENT], module=use(monkeypatch, OTHER_MODEL)) == 0

    output = capsys.readouterr().out
    assert '"m\u00e9\\u202e", "at": "2025-03-01T00:00:00Z"}' in output
    assert output.splitlines()[-1] == "model       alarms 1"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("machine, event)", "machine, float('nan'))", f"{FAILS}Prediction.value holds NaN"),
        ("machine, event)", "machine, object())", f"{FAILS}Prediction.value is no JSON"),
        ("event.machine", "''", f"{FAILS}Prediction.partition_key is empty"),
        ("event.machine", "'k' * 257", f"{FAILS}Prediction.partition_key has 257 characters"),
        ("in events]", "in []]", f"{FAILS}predict returned 0 predictions for 1 events"),
        ("in events]", "in events if 1 / 0]", f"{FAILS}predict raised ZeroDivisionError"),
        ("        try:", "        1 / 0\n        try:", f"{FAILS}decode raised ZeroDivisionErr"),
        ("def decode", "def read", "error: Alarms.decode is missing; allowed: a method"),
        ("def load_model", "def load", "error: other_model.py has no function load_model("),
        ("return Alarms()", "return", "error: load_model returned None; it must return the model"),
        ("return Alarms()", "raise OSError('gone')", "error: load_model failed: OSError: gone"),
    ],
    ids=str,
)
def test_what_is_wrong_with_another_model_is_one_line_and_a_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    line: str,
) -> None:
    assert old in OTHER_MODEL
    module = use(monkeypatch, OTHER_MODEL.replace(old, new))

    assert main(["--json", EVENT], module=module) == 1

    output, error = capsys.readouterr()
    assert error.splitlines()[-1].startswith(line)
    assert "prediction  " not in output


def test_an_argument_that_is_no_utf8_reaches_the_model_as_its_bytes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argument = os.fsdecode(b'{"machine": "\xff"}')

    assert main(["--json", argument], module=use(monkeypatch, OTHER_MODEL)) == 1

    output, error = capsys.readouterr()
    assert output == 'event       {"machine": "\\udcff"}\n'
    assert error.startswith(f"{DEAD_LETTERED} event is ")
    assert error.count("\n") == 1


def test_an_event_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--pickup", "130"])
    assert "error: an event is needed" in capsys.readouterr().err


def test_an_event_that_is_put_is_shown_with_its_prediction(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    def predict(seconds: float) -> None:
        clock.advance(seconds)
        (number,) = [record["SequenceNumber"] for record in put_responses]
        data = {"event_id": f"shardId-000000000000:{number}", "prediction": {"ride_id": 256}}
        kinesis.put("ride_predictions", "256", json.dumps(data).encode())

    put_responses: list[Any] = []
    put_record = kinesis.put_record

    def recording(**arguments: Any) -> Any:
        put_responses.append(put_record(**arguments))
        return put_responses[-1]

    kinesis.put_record = recording
    assert (
        main([*RIDE, "--put"], client=kinesis, clock=clock.now, sleep=predict, now=lambda: EPOCH)
        == 0
    )
    shown = printed(capsys)
    assert shown["put"].startswith("ride_events, shardId-000000000000:")
    assert json.loads(shown["prediction"])["prediction"] == {"ride_id": 256}


def test_waiting_for_a_prediction_ends(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [*RIDE, "--put"], client=kinesis, clock=clock.now, sleep=clock.sleep, now=lambda: EPOCH
        )
        == 1
    )
    assert "No prediction within 20 s" in capsys.readouterr().err
    assert 20 <= clock.now() < 25


@pytest.mark.parametrize("option", ["--pickup", "--dropoff", "--at"])
def test_an_event_is_json_or_a_ride_and_not_both(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--json", EVENT, option, "130"])
    assert capsys.readouterr().err == (
        "error: an event is --json, or a ride: --pickup, --dropoff and --at; not both\n"
    )


def test_a_partition_key_that_the_event_has_not_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--json", EVENT, "--put", "--key", "nothing.here"])
    assert capsys.readouterr().err == (
        "error: --key is 'nothing.here'; allowed: a field of the event, with a number or a string "
        "that is not empty\n"
    )
