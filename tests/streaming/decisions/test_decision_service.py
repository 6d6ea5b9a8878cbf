"""A decision service, from batches and ticks to decisions."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from streaming.decisions.check_results import RESULT_BYTES
from streaming.decisions.decision_service import build_service, read_policy
from streaming.decisions.decision_table import BUCKETS
from streaming.decisions.policy import CHECKS
from streaming.errors import PolicyError, SettingsError, TableError, TableUnavailable
from tests.lambda_events import event
from tests.streaming.decisions.decision_fixtures import (
    DEADLINE,
    POLICY,
    SCHEDULED,
    START,
    Calls,
    World,
    opening,
    policy,
    result,
    throttled,
)


def put(world: World, *data: bytes, **how: Any) -> None:
    response = world.service(**how).handle(event(*data))
    assert response == {"batchItemFailures": []}


def test_an_item_is_decided_once_all_results_are_in(world: World) -> None:
    put(world, result("copyright", "u1", 0.1))
    assert world.stream.records == []

    put(world, result("language", "u1", 0.95, version="7"))

    (record,) = world.stream.records
    assert record.event_id == f"u1:{round(START * 1000)}:1"
    assert (record.event_type, record.model, record.version) == (
        "upload_decided",
        "moderation_policy",
        "3",
    )
    assert record.prediction == {
        "upload_id": "u1",
        "uploader": "of u1",
        "decision": 1,
        "outcome": "reject",
        "rule": "L1",
        "reason": "It abuses somebody.",
        "because": "complete",
        "missing": [],
        "revises": None,
        "checks": {
            "copyright": {
                "model": "copyright_model",
                "version": "1",
                "event_id": "shardId-000000000000:1",
                "prediction": {"upload_id": "u1", "uploader": "of u1", "similarity": 0.1},
            },
            "language": {
                "model": "language_model",
                "version": "7",
                "event_id": "shardId-000000000000:1",
                "prediction": {"upload_id": "u1", "uploader": "of u1", "abusive": 0.95},
            },
        },
    }


def test_an_early_rule_decides_before_all_results_are_in(world: World) -> None:
    put(world, result("copyright", "u1", 0.9))

    (decision,) = world.stream.decisions("u1")
    assert (decision["rule"], decision["because"], decision["missing"]) == (
        "C1",
        "early",
        ["language"],
    )
    put(world, result("language", "u1", 0.95))  # the first rule still holds
    assert world.stream.outcomes("u1") == ["reject"]


def test_an_item_is_decided_when_time_is_up_and_revised_when_the_late_result_comes(
    world: World,
) -> None:
    put(world, result("language", "u1", 0.1))
    world.clock.advance(DEADLINE - 0.1)
    assert world.service().handle(SCHEDULED) == {"due": 0}

    world.clock.advance(0.1)
    assert world.service().handle(SCHEDULED) == {"due": 1}
    assert world.service().handle(SCHEDULED) == {"due": 0}
    put(world, result("copyright", "u1", 0.1))

    late, revised = world.stream.decisions("u1")
    assert (late["outcome"], late["rule"], late["because"]) == ("review", "missing", "time_up")
    assert late["reason"] == "Not every check has answered. (missing: copyright)"
    assert (revised["decision"], revised["outcome"], revised["revises"]) == (
        2,
        "approve",
        "review",
    )


def test_an_item_without_any_result_is_decided_if_an_event_has_opened_it(world: World) -> None:
    put(world, opening("u1"))
    world.clock.advance(DEADLINE)
    world.service().handle(SCHEDULED)

    (decision,) = world.stream.decisions("u1")
    assert decision["missing"] == ["copyright", "language"]
    assert decision["uploader"] == "of u1"


def test_a_rule_that_holds_goes_before_missing_results(world: World) -> None:
    put(world, result("language", "u1", 0.95))
    world.clock.advance(DEADLINE)
    world.service().handle(SCHEDULED)

    (decision,) = world.stream.decisions("u1")
    assert (decision["rule"], decision["missing"]) == ("L1", ["copyright"])


def test_ids_that_look_alike_are_different_items(world: World) -> None:
    put(world, result("copyright", 256, 0.9), result("language", "256", 0.1))

    assert [record.prediction["upload_id"] for record in world.stream.records] == [256]
    assert len(world.items()) == 2

    put(world, result("copyright", "256", 0.1))
    ids = [record.event_id for record in world.stream.records]
    assert ids == [f"256:{round(START * 1000)}:1", f'"256":{round(START * 1000)}:1']


def test_many_items_of_one_batch_are_decided_by_several_workers(world: World) -> None:
    names = [f"u{number}" for number in range(50)]
    both = [result(check, name, 0.1) for name in names for check in ("language", "copyright")]
    put(world, *both, workers=4)

    assert [world.stream.outcomes(name) for name in names] == [["approve"]] * 50
    assert len(world.stream.records) == 50


def test_what_is_no_result_is_skipped_and_what_can_never_be_one_is_dead_lettered(
    world: World,
) -> None:
    put(
        world,
        b'{"event_type": "ride_predicted", "model": "another"}',
        b'{"model": "language_model", "version": "1"}',
        b"not JSON",
    )

    (lines,) = world.dead_letters
    messages = [json.loads(line)["error_message"] for line in lines.splitlines()]
    assert messages[0].startswith("event_id is missing; allowed: ")
    assert messages[1].startswith("event is b'not JSON'")
    assert world.items() == []


def test_during_an_outage_the_batch_is_retried_from_the_first_result_that_is_not_safe(
    world: World,
) -> None:
    def one_item_only(operation: str, make: Any) -> Any:
        if operation == "put_item" and world.items():
            raise throttled(operation)
        return make()

    batch = event(result("language", "u1", 0.1), result("language", "u2", 0.1))
    response = world.service(Calls(one_item_only)).handle(batch)

    assert response == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert len(world.items()) == 1


def test_a_sweep_settles_what_it_can_and_fails_for_the_rest(world: World) -> None:
    put(world, *(result("language", f"u{number}", 0.1) for number in range(9)))
    world.clock.advance(DEADLINE)

    def all_but_u3(operation: str, make: Any) -> Any:
        made = make()
        if operation == "get_item" and made["Item"]["item"] == {"S": '"u3"'}:
            raise throttled(operation)
        return made

    with pytest.raises(TableUnavailable, match="1 of 9 due items failed"):
        world.service(Calls(all_but_u3)).handle(SCHEDULED)

    assert len(world.stream.records) == 8
    assert world.service().handle(SCHEDULED) == {"due": 1}


def test_an_item_that_is_always_throttled_does_not_keep_ticks_from_all_others(
    world: World,
) -> None:
    put(world, *(result("language", f"u{number}", 0.1) for number in range(40)))

    def slow_and_without_u3(operation: str, make: Any) -> Any:
        world.clock.advance(0.25)
        made = make()
        if operation == "get_item" and made["Item"]["item"] == {"S": '"u3"'}:
            raise throttled(operation)
        return made

    for _ in range(BUCKETS):
        world.clock.advance(60)
        with pytest.raises(TableUnavailable, match="due items failed"):
            world.service(Calls(slow_and_without_u3)).handle(SCHEDULED)

    undecided = [f"u{number}" for number in range(40) if not world.stream.outcomes(f"u{number}")]
    assert undecided == ["u3"]


def test_a_sweep_without_work_reads_each_bucket_once(world: World) -> None:
    calls = Calls()
    world.service(calls).handle(SCHEDULED)

    assert calls.made == ["query"] * BUCKETS


class OutOfTime:
    """Lambda's context at the end of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        return 0


def test_a_sweep_without_time_leaves_what_is_due_to_the_next(world: World) -> None:
    put(world, result("language", "u1", 0.1))
    world.clock.advance(DEADLINE)

    assert world.service().handle(SCHEDULED, OutOfTime()) == {"due": 0}
    assert world.stream.records == []
    assert world.service().handle(SCHEDULED) == {"due": 1}


def test_a_missing_table_is_an_error_of_one_line(world: World) -> None:
    world.client.delete_table(TableName="decisions")

    with pytest.raises(TableError, match=r"^the table decisions: ResourceNotFoundException"):
        world.service().handle(SCHEDULED)


def test_an_expired_item_begins_anew_with_other_event_ids(world: World) -> None:
    put(world, result("copyright", "u1", 0.9), result("language", "u1", 0.1))
    world.clock.advance(31 * 86_400)
    fresh = "2025-04-01T13:15:00Z"
    put(world, result("copyright", "u1", 0.9, arrived_at=fresh))

    ids = [record.event_id for record in world.stream.records]
    assert len(set(ids)) == 2
    assert [found["decision"] for found in world.stream.decisions("u1")] == [1, 1]


def test_what_is_older_than_decisions_are_kept_is_dead_lettered(world: World) -> None:
    world.clock.advance(31 * 86_400)
    put(world, result("copyright", "u1", 0.9), opening("u2"))  # both from 1 March

    for line in world.dead_letters[0].splitlines():
        assert json.loads(line)["error_message"].startswith("arrived_at is '31.0 days ago'; allow")
    assert len(world.dead_letters[0].splitlines()) == 2
    assert world.items() == []


def test_only_what_is_decided_and_published_may_expire(world: World) -> None:
    put(world, result("language", "u1", 0.1))
    (waiting,) = world.items()
    put(world, result("copyright", "u1", 0.1))
    (decided,) = world.items()

    assert "expires_at" not in waiting
    assert float(waiting["due_at"]["N"]) == START + DEADLINE
    assert "due_bucket" not in decided
    assert float(decided["expires_at"]["N"]) == int(START) + 30 * 86_400


def test_a_function_with_an_older_policy_stores_results_and_leaves_the_decision(
    world: World,
) -> None:
    put(world, result("language", "u1", 0.1), result("copyright", "u1", 0.1))
    old = policy(version=2, otherwise={"outcome": "review", "reason": "Formerly so."})
    put(world, result("language", "u1", 0.95, number=2), of=old)
    assert world.stream.outcomes("u1") == ["approve"]

    assert world.service().handle(SCHEDULED) == {"due": 1}
    assert world.stream.outcomes("u1") == ["approve", "reject"]


def test_settings_are_checked(tmp_path: Any) -> None:
    file = tmp_path / "policy.json"
    environment = {
        "DECISION_POLICY": str(file),
        "DECISION_TABLE": "decisions",
        "PREDICTIONS_STREAM_NAME": "decided",
    }
    with pytest.raises(PolicyError, match=r"policy\.json"):
        build_service(environment)
    file.write_text(json.dumps({**POLICY, "version": 0}))
    with pytest.raises(PolicyError, match="version is 0; allowed: a whole number from 1"):
        build_service(environment)
    for location in ("http://host/policy.json", "s3://policy.json"):
        with pytest.raises(SettingsError, match=r"^DECISION_POLICY is "):
            build_service({**environment, "DECISION_POLICY": location})
    file.write_text(json.dumps(POLICY))
    assert build_service(environment)
    for name in environment:
        with pytest.raises(SettingsError, match=f"{name} is not set"):
            build_service({**environment, name: ""})


@pytest.mark.usefixtures("world")
def test_a_policy_is_read_from_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="policies")
    s3.put_object(Bucket="policies", Key="rides/1.json", Body=json.dumps(POLICY).encode())
    s3.put_object(Bucket="policies", Key="2.json", Body=b"{")

    assert read_policy("s3://policies/rides/1.json") == policy()
    with pytest.raises(PolicyError, match=r"policies/2\.json: its content is b'\{'; allowed:"):
        read_policy("s3://policies/2.json")
    for missing in ("s3://policies/rides/3.json", "s3://no-bucket/3.json"):
        with pytest.raises(PolicyError, match=f"the policy {missing}: .*NoSuch"):
            read_policy(missing)


def results_with(raw: bytes) -> list[bytes]:
    """Return a result with something more in its prediction, and one of another item."""
    large = result("copyright", "large", 0.9).replace(b'"uploader"', b'"x":' + raw + b',"uploader"')
    return [large, result("copyright", "u1", 0.9)]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'"' + b"x" * 390_000 + b'"', id="390 KB, almost an item of DynamoDB"),
        pytest.param(b'"' + b"x" * 900_000 + b'"', id="almost a record of Kinesis"),
        pytest.param(b"[" + b"1e15," * 780 + b"1]", id="four times as large when it is stored"),
        *(
            pytest.param(b"[" * levels + b"]" * levels, id=f"{levels} levels")
            for levels in (*range(33, 1000, 60), *range(960, 1000), 2000, 100_000)
        ),
    ],
)
def test_a_result_that_cannot_be_kept_is_dead_lettered_and_holds_nothing_up(
    world: World, raw: bytes
) -> None:
    """Python decodes some levels more than it encodes, a few calls deeper."""
    put(world, *results_with(raw))

    assert world.stream.outcomes("u1") == ["reject"]
    (written,) = world.dead_letters
    (line,) = written.splitlines()
    letter = json.loads(line)
    assert letter["error_type"] == "InvalidEvent"
    assert "allowed: " in letter["error_message"]
    assert [item["item"]["S"] for item in world.items()] == ['"u1"']


def test_every_check_with_the_largest_result_is_decided(world: World) -> None:
    checks = {f"check{number}": f"model{number}" for number in range(CHECKS)}
    of = policy(checks=checks, rules=[])
    spare = RESULT_BYTES - len(json.loads(result("language", "u1", 0.5))["prediction"]) - 60
    records = [
        result("language", "u1", 0.5, model=model, event_id="\x01" * 512, version="\x01" * 256)
        .replace(b'"uploader"', b'"x":"' + b"\x7f" * spare + b'","uploader"')
        for model in checks.values()
    ]  # fmt: skip

    put(world, *records, of=of)

    assert world.stream.outcomes("u1") == ["approve"]
    assert world.dead_letters == []


def test_a_tick_says_how_many_items_were_due_and_for_how_long(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    service = world.service(level="INFO")
    service.handle(SCHEDULED)
    put(world, opening("u1"), opening("u2"))
    world.clock.advance(DEADLINE + 90)
    service.handle(SCHEDULED)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ticks = [line for line in lines if line.get("message") == "tick"]
    assert [(t["settled"], t["failed"], t["overdue_seconds"]) for t in ticks] == [
        (0, 0, 0),
        (2, 0, 90),
    ]


def test_a_tick_with_failures_says_so_before_it_fails(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    put(world, opening("u1"))
    world.clock.advance(DEADLINE + 1)
    capsys.readouterr()

    def refuse(operation: str, make: Any) -> Any:
        if operation == "put_item":
            raise throttled(operation)
        return make()

    with pytest.raises(TableUnavailable):
        world.service(Calls(refuse), level="INFO").handle(SCHEDULED)

    (line,) = (json.loads(each) for each in capsys.readouterr().out.splitlines())
    assert (line["message"], line["settled"], line["failed"]) == ("tick", 0, 1)
    assert line["overdue_seconds"] == 1


def test_a_tick_passes_over_a_key_that_no_item_has_and_decides_the_others(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    put(world, *(opening(f"u{number}") for number in range(20)))
    keys = ("not JSON", '"\\u0061"', "1.5", '""', "true", f"{2**64}")
    for number, key in enumerate(keys):
        attributes = {"item": {"S": key}, "due_bucket": {"S": str(number)}, "due_at": {"N": "1"}}
        world.client.put_item(TableName="decisions", Item=attributes)
    world.clock.advance(DEADLINE)
    capsys.readouterr()

    assert world.service(level="INFO").handle(SCHEDULED) == {"due": 20}

    tick, warning = (json.loads(each) for each in capsys.readouterr().out.splitlines())
    assert (tick["settled"], tick["failed"], tick["unreadable"]) == (20, 0, len(keys))
    assert tick["overdue_seconds"] == 0
    assert warning["level"] == "WARNING"
    assert warning["message"].startswith("keys in the table that are no item's are passed over: 6 ")
    assert len(world.stream.records) == 20
