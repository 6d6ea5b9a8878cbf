"""`replay_decisions`, on moto's DynamoDB and a stream in memory."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from scripts.replay_decisions import main
from streaming.decisions.decision_table import DecisionTable
from streaming.errors import TableError, TableUnavailable
from streaming.timestamps import iso_utc
from tests.lambda_events import event
from tests.streaming.decisions.decision_fixtures import NAME, POLICY, World, open_world, result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world() -> Iterator[World]:
    with open_world() as opened:
        opened.clock.advance(time.time() - opened.now())
        for item, abusive in (("u1", 0.1), ("u2", 0.6)):
            both = [
                result(check, item, value, arrived_at=iso_utc(opened.now()))
                for check, value in (("copyright", 0.1), ("language", abusive))
            ]
            opened.service().handle(event(*both))
        yield opened


def run(world: World, folder: Path, *options: str, version: int = 4) -> int:
    policy = {**POLICY, "version": version, "rules": []}
    (folder / "policy.json").write_text(json.dumps(policy))
    names = ("--policy", str(folder / "policy.json"), "--table", NAME, "--stream", NAME)
    return main(
        [*names, *options], dynamodb=world.client, kinesis=world.stream, retries=world.retries()
    )


def test_without_apply_it_counts_and_with_it_it_publishes(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(world, tmp_path) == 0
    assert capsys.readouterr().out == (
        "review -> approve: 1\n1 of 2 items would have another outcome with moderation_policy 4\n"
    )
    assert world.stream.outcomes("u2") == ["review"]

    assert run(world, tmp_path, "--apply") == 0
    assert world.stream.outcomes("u2") == ["review", "approve"]
    assert run(world, tmp_path, "--apply") == 0
    assert capsys.readouterr().out.endswith(
        "0 of 2 items have another outcome with moderation_policy 4\n"
    )


def test_an_older_policy_is_an_error_of_one_line(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(world, tmp_path, "--apply", version=2) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: moderation_policy has version 2, and decisions of version 3")
    assert error.count("\n") == 1


def test_what_cannot_be_written_is_listed(
    world: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> None:
        raise TableError("the table decisions: AccessDeniedException")

    monkeypatch.setattr(DecisionTable, "write", refused)

    assert run(world, tmp_path, "--apply") == 1
    assert capsys.readouterr().out.splitlines() == [
        "0 of 2 items have another outcome with moderation_policy 4",
        "failed: 'u1': the table decisions: AccessDeniedException",
        "failed: 'u2': the table decisions: AccessDeniedException",
    ]


def test_a_table_that_stays_unavailable_is_an_error_of_one_line(
    world: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def throttled(*_: object) -> None:
        raise TableUnavailable("the table decisions: ThrottlingException")

    with monkeypatch.context() as patched:
        patched.setattr(DecisionTable, "write", throttled)
        assert run(world, tmp_path, "--apply") == 1
    said = capsys.readouterr()
    assert said.out == "0 of 0 items have another outcome with moderation_policy 4\n"
    assert said.err == (
        "error: the table decisions: ThrottlingException; ended after 0 items; "
        "run it again for the others\n"
    )

    assert run(world, tmp_path, "--apply") == 0
    assert world.stream.outcomes("u2") == ["review", "approve"]


def test_a_table_that_cannot_be_read_is_an_error_of_one_line(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.client.delete_table(TableName=NAME)

    assert run(world, tmp_path) == 1
    said = capsys.readouterr()
    assert said.err.startswith("error: the table decisions: ResourceNotFoundException")
    assert said.err.endswith("; ended after 0 items; nothing was changed\n")
    assert said.err.count("\n") == 1


def test_what_is_not_the_state_of_an_item_is_passed_over_and_named(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.client.put_item(TableName=NAME, Item={"item": {"S": "by hand"}})

    assert run(world, tmp_path, "--apply") == 1
    assert capsys.readouterr().out.endswith("passed over: 'by hand': not the state of an item\n")
    assert world.stream.outcomes("u2") == ["review", "approve"]
