import json
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
        "ride_duration": 14.65,
        "ride_tip": 2.39,
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
