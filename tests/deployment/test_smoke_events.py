"""What the smoke test accepts, and what it does not."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from deployment.smoke_events import Answers, put_and_read, report
from streaming import Entry, Prediction, StreamError, StreamReader
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

EVENTS, PREDICTIONS = "numbers", "doubled_numbers"
ENTRIES: list[Entry] = [
    {"Data": json.dumps({"id": f"smoke-{n}", "n": n}).encode(), "PartitionKey": f"smoke-{n}"}
    for n in range(5)
]
Change = Callable[[dict[str, Any]], object]


class Doubling:
    """A model of numbers."""

    name, version, event_type = "doubling", "1", "doubled"

    def decode(self, content: bytes, _arrived_at: float) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(content)
        return found

    def predict(self, events: Sequence[dict[str, Any]]) -> list[Prediction]:
        return [
            Prediction(e["id"], {"id": e["id"], "twice": {"value": 2.0 * e["n"], "even": True}})
            for e in events
        ]


class Function:
    """A function on the input stream, whose work is done while the smoke test sleeps."""

    def __init__(self, kinesis: Any, clock: Clock, change: Change = lambda _record: None) -> None:
        self._kinesis = kinesis
        self._clock = clock
        self._change = change
        self._events = StreamReader(kinesis, EVENTS, follow=False, clock=clock.now)

    def sleep(self, seconds: float) -> None:
        self._clock.advance(seconds)
        for event in self._events:
            (prediction,) = Doubling().predict([Doubling().decode(event.data, 0.0)])
            record = {
                "event_type": "doubled",
                "event_id": event.event_id,
                "model": "doubling",
                "version": "1",
                "prediction": prediction.value,
                "arrived_at": "2025-03-01T13:15:00.000Z",
                "stream": EVENTS,
                "partition_key": prediction.partition_key,
            }
            if self._change(record) is None:
                key = record.pop("partition_key")
                data = json.dumps(record).encode()
                self._kinesis.put(PREDICTIONS, key, data)


@pytest.fixture
def kinesis(clock: Clock) -> Any:
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName=EVENTS, ShardCount=2)
    kinesis.create_stream(StreamName=PREDICTIONS, ShardCount=2)
    return kinesis


def answers(
    kinesis: Any, clock: Clock, change: Change = lambda _record: None, *, timeout: float = 60.0
) -> Answers:
    function = Function(kinesis, clock, change)
    return put_and_read(
        kinesis,
        ENTRIES,
        "doubling",
        EVENTS,
        PREDICTIONS,
        timeout=timeout,
        clock=clock.now,
        sleep=function.sleep,
    )


def problems(
    kinesis: Any, clock: Clock, change: Change, *, timeout: float = 60.0
) -> tuple[list[str], list[str]]:
    return report(answers(kinesis, clock, change, timeout=timeout), Doubling(), timeout)


def test_every_prediction_comes_and_is_as_the_local_models(kinesis: Any, clock: Clock) -> None:
    found = answers(kinesis, clock)
    lines, wrong = report(found, Doubling(), 60)

    assert wrong == []
    assert lines == [
        f"5 of 5 predicted by doubling in {clock.now():.1f} s",
        "version 1: 5, ids, fields and values compared",
    ]
    assert clock.now() > 0


def test_what_was_on_the_streams_before_is_not_counted(kinesis: Any, clock: Clock) -> None:
    kinesis.put(PREDICTIONS, "old", b'{"event_id": "shardId-000000000000:1"}', b"no JSON")

    assert problems(kinesis, clock, lambda _record: None)[1] == []


def test_what_others_put_meanwhile_is_not_counted(kinesis: Any, clock: Clock) -> None:
    def beside(_record: dict[str, Any]) -> None:
        unknown = {**_record, "event_id": "shardId-000000000000:7"}
        same_id = {**_record, "stream": "another"}
        for data in (b"no JSON", b"{}", *(json.dumps(x).encode() for x in (unknown, same_id))):
            kinesis.put(PREDICTIONS, "other", data)

    assert problems(kinesis, clock, beside)[1] == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"event_type": "halved"}, "event_type is 'halved'; expected: 'doubled'"),
        ({"partition_key": "x"}, "the partition key is 'x'; expected: 'smoke-3'"),
        ({"arrived_at": "noon"}, "arrived_at is 'noon'; allowed: ISO 8601"),
        (
            {"prediction": 6.0},
            "prediction is 6.0; expected: {'id': 'smoke-3', 'twice': {'value': 6.0, 'even': True}}",
        ),
        (
            {"prediction": {"id": "smoke-3", "twice": {"even": True}}},
            "prediction.twice.value is missing",
        ),
        (
            {"prediction": {"id": "smoke-3", "twice": {"value": 6.02, "even": True}}},
            "prediction.twice.value is 6.02; expected: 6.0",
        ),
        (
            {"prediction": {"id": "smoke-3", "twice": {"value": 6.0, "even": 1}}},
            "prediction.twice.even is 1; expected: True",
        ),
        (
            {
                "version": "2",
                "prediction": {"id": "smoke-3", "twice": {"value": "6", "even": True}},
            },
            "prediction.twice.value is '6'; expected: 6.0",
        ),
    ],
)
def test_a_prediction_that_differs_is_a_problem(
    kinesis: Any, clock: Clock, change: dict[str, Any], problem: str
) -> None:
    def third(record: dict[str, Any]) -> None:
        if record["partition_key"] == "smoke-3":
            record.update(change)

    _, (wrong,) = problems(kinesis, clock, third)

    event_id, _, text = wrong.partition(": ")
    assert event_id.startswith("shardId-")
    assert text == problem


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([1.0, 2.0], None),
        ([1.0, 3.0], "prediction.hours[1] is 3.0; expected: 2.0"),
        ([1.0], "prediction.hours is of length 1; expected: 2"),
    ],
)
def test_the_elements_of_a_list_are_compared(
    kinesis: Any, clock: Clock, found: list[float], problem: str | None
) -> None:
    class Hours(Doubling):
        def predict(self, events: Sequence[dict[str, Any]]) -> list[Prediction]:
            return [Prediction(event["id"], {"hours": (1.0, 2.0)}) for event in events]

    def hours(record: dict[str, Any]) -> None:
        record["prediction"] = {"hours": found}

    _, wrong = report(answers(kinesis, clock, hours), Hours(), 60)

    assert {line.partition(": ")[2] for line in wrong[:3]} == ({problem} if problem else set())


def test_the_last_digit_may_differ_from_one_machine_to_another(kinesis: Any, clock: Clock) -> None:
    def rounded_up(record: dict[str, Any]) -> None:
        record["prediction"]["twice"]["value"] += 0.01

    assert problems(kinesis, clock, rounded_up)[1] == []


def test_another_versions_values_are_not_compared_and_that_is_said(
    kinesis: Any, clock: Clock
) -> None:
    def other(record: dict[str, Any]) -> None:
        if record["partition_key"] in {"smoke-1", "smoke-2"}:
            record["version"] = "2"
            record["prediction"]["twice"]["value"] = 1_000.0

    lines, wrong = problems(kinesis, clock, other)

    assert wrong == []
    assert sorted(lines[1:3]) == [
        "version 1: 3, ids, fields and values compared",
        "version 2: 2, ids and fields compared; values not, as the local model has version 1",
    ]


def test_a_local_model_that_fails_is_a_problem_and_no_traceback(kinesis: Any, clock: Clock) -> None:
    class Failing(Doubling):
        def predict(self, events: Sequence[dict[str, Any]]) -> list[Prediction]:
            raise LookupError(f"no table for {len(events)}")

    _, wrong = report(answers(kinesis, clock), Failing(), 60)

    assert wrong[0].endswith(": the local model fails on the event: LookupError: no table for 1")
    assert wrong[-1] == "2 more predictions differ"


def test_a_prediction_that_does_not_come_is_a_problem_after_the_timeout(
    kinesis: Any, clock: Clock
) -> None:
    lines, wrong = problems(
        kinesis,
        clock,
        lambda record: True if record["partition_key"] == "smoke-3" else None,
        timeout=30,
    )

    assert lines[0] == "4 of 5 predicted by doubling"
    assert wrong[0].startswith("no prediction of 1 of 5 events in 30 s: ")
    assert wrong[1].endswith(": no prediction")
    assert 30 <= clock.now() < 35


def test_the_timeout_holds_on_a_busy_stream(kinesis: Any, clock: Clock) -> None:
    get_records = kinesis.get_records

    def busy(**arguments: Any) -> Any:
        clock.advance(1)
        kinesis.put(PREDICTIONS, "other", b"{}")
        return get_records(**arguments)

    function = Function(kinesis, clock, lambda _record: True)
    kinesis.get_records = busy
    put_and_read(
        kinesis,
        ENTRIES,
        "doubling",
        EVENTS,
        PREDICTIONS,
        timeout=30,
        clock=clock.now,
        sleep=function.sleep,
    )

    assert 30 <= clock.now() < 40


def test_another_models_predictions_are_named(kinesis: Any, clock: Clock) -> None:
    def other(record: dict[str, Any]) -> None:
        record["model"] = "tripling"

    lines, wrong = problems(kinesis, clock, other, timeout=5)

    assert lines == ["0 of 5 predicted by doubling", "predicted by other models: tripling (5)"]
    assert len(wrong) == 1 + 3 + 1
    assert wrong[-1] == "2 more have none"


def test_refused_entries_are_put_again_and_each_is_recognised(kinesis: Any, clock: Clock) -> None:
    refused = iter(["ProvisionedThroughputExceededException"] * 3)
    kinesis.refuse = lambda _entry: next(refused, None)

    lines, wrong = problems(kinesis, clock, lambda _record: None)

    assert lines[0].startswith("5 of 5 predicted by doubling in ")
    assert wrong == []


def test_events_that_are_not_accepted_end_it(kinesis: Any, clock: Clock) -> None:
    kinesis.refuse = lambda _entry: "ProvisionedThroughputExceededException"

    with pytest.raises(StreamError, match=r"^0 of 5 events accepted by numbers: Provisioned"):
        answers(kinesis, clock, timeout=10)
