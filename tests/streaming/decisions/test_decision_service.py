"""A decision service: from batches, and time that is up, to decisions."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from streaming.decisions.check_results import RESULT_BYTES
from streaming.decisions.policy import CHECKS
from tests.lambda_events import event
from tests.streaming.decisions.decision_fixtures import (
    DEADLINE,
    SCHEDULED,
    START,
    Calls,
    World,
    opening,
    policy,
    put,
    result,
    throttled,
)


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
    missing, no_json = (json.loads(line)["error_message"] for line in lines.splitlines())
    assert missing.startswith("event_id is missing; allowed: ")
    assert no_json.startswith("event is b'not JSON'")
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
    alone = msgspec.json.encode(json.loads(result("language", "u1", 0.5))["prediction"])
    rest = b'"x":"' + b"\x7f" * (RESULT_BYTES - len(alone) - len(b'"x":"",')) + b'",'
    records = [
        result("language", "u1", 0.5, model=model, event_id="\x01" * 512, version="\x01" * 256)
        .replace(b'"uploader"', rest + b'"uploader"')
        for model in checks.values()
    ]  # fmt: skip

    put(world, *records, of=of)

    assert world.stream.outcomes("u1") == ["approve"]
    assert world.dead_letters == []
    put(world, records[0].replace(b"\x7f", b"\x7f\x7f", 1), of=of)
    assert "prediction is '4097 bytes'" in json.loads(world.dead_letters[0])["error_message"]
