from __future__ import annotations

import json

import pytest

from page.board import Board


def newer(board: Board, version: int) -> dict[str, object]:
    found: dict[str, object] = json.loads(board.since(version))
    return found


def test_a_board_tells_what_is_newer_than_a_version() -> None:
    board = Board()
    board.update({"a": 1, "b": 1})
    board.update({"a": 2, "b": 1})
    board.update({"b": 3})

    assert newer(board, 0) == {"a": 2, "b": 3}
    assert newer(board, 1) == {"a": 2, "b": 3}
    assert newer(board, 2) == {"b": 3}
    assert newer(board, 3) == {}


def test_a_cell_that_stays_as_it_is_is_no_change() -> None:
    board = Board()

    assert board.update({"a": [1, 2]})
    assert not board.update({"a": [1, 2]})
    assert board.version == 1


def test_a_client_resumes_where_it_was() -> None:
    board = Board("epoch")
    board.update({"a": 1})
    before = board.event_id()
    board.update({"a": 2})

    assert board.version_of(before) == 1
    assert before == "epoch-1"


@pytest.mark.parametrize(
    "event_id",
    [
        None,
        "",
        "epoch",
        "epoch-",
        "epoch-2",
        "other-1",
        "epoch--1",
        "epoch-1x",
        "epoch-٣",
        "epoch-" + "9" * 5_000,
    ],
)
def test_a_client_with_another_servers_id_or_none_begins_anew(event_id: str | None) -> None:
    board = Board("epoch")
    board.update({"a": 1})

    assert board.version_of(event_id) == 0


def test_messages_of_old_versions_are_not_kept() -> None:
    board = Board()
    for number in range(1_000):
        board.update({"a": number})
        for version in range(board.version + 1):
            board.since(version)

    assert len(board._messages) <= 2
