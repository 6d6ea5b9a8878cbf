"""What Prefect needs of its environment, and its server; nothing here imports Prefect."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from batch.prefect_environment import (
    API_URL,
    SchedulerUnavailable,
    prefect_server,
    prepare_environment,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    os.environ.pop(API_URL, None)


def test_prefect_reports_nothing_and_writes_into_its_folder(tmp_path: Path) -> None:
    prepare_environment(tmp_path / "prefect")

    assert os.environ["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["DO_NOT_TRACK"] == "1"


def test_a_server_that_is_named_is_used(tmp_path: Path) -> None:
    os.environ[API_URL] = "http://127.0.0.1:1/api"
    with prefect_server(tmp_path, 0) as url:
        assert url == "http://127.0.0.1:1/api"
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with (
            pytest.raises(SchedulerUnavailable, match=f"PORT is {number}, which is not free"),
            prefect_server(tmp_path, number),
        ):
            pass


def test_a_server_that_ends_at_once_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no prefect here\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    with (
        pytest.raises(SchedulerUnavailable, match=r"server.log says why"),
        prefect_server(tmp_path, 0),
    ):
        pass

    assert (tmp_path / "server.log").read_text() == "no prefect here\n"
    assert API_URL not in os.environ
