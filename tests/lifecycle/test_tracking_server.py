from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lifecycle.errors import ServerError
from lifecycle.registry import CHAMPION, Registry
from lifecycle.tracking_server import tracking_server
from scripts.mlflow_server import main
from tests.lifecycle.conftest import copy_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        yield used.getsockname()[1]


def test_a_port_in_use_is_an_error_that_names_it(
    port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--port", str(port), "--log", str(tmp_path / "log")]) == 1

    assert f"error: port {port} of 127.0.0.1: Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_an_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([f"--port={text}"])
    assert capsys.readouterr().err == f"error: --port is '{text}'; allowed: 1 to 65535\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_server_that_cannot_start_is_an_error_that_names_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    log = tmp_path / "build" / "log"

    with (
        pytest.raises(ServerError, match=f"the tracking server ended; {log} says why"),
        tracking_server(tmp_path, str(tmp_path), free_port(), log),
    ):
        pytest.fail("it runs")


def wait_until_free(port: int) -> None:
    """Wait until nobody listens: the server has read the end of its input."""
    with socket.socket() as reader:
        reader.settimeout(60)
        if reader.connect_ex(("127.0.0.1", port)) == 0:
            with suppress(ConnectionResetError):
                assert reader.recv(1) == b""  # the server closes its connections at its end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_server_serves_the_registry_and_ends_with_its_program(
    registry: Registry, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    copy_registry(tmp_path / "mlflow.db", folder / "mlflow.db")
    port = free_port()
    serving = subprocess.Popen(
        [sys.executable, "-m", "scripts", "mlflow_server", "--port", str(port)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert serving.stdout is not None
        assert serving.stdout.readline() == "Starting MLflow ...\n"
        assert serving.stdout.readline().startswith(f"http://127.0.0.1:{port}: ")
        served = Registry(f"http://127.0.0.1:{port}")
        served.move_alias(CHAMPION, {"duration": "2", "tip": "1"})
        assert served.aliased(CHAMPION) == {"duration": "2", "tip": "1"}
        assert served.model("tip", "2") == registry.model("tip", "2")
        os.killpg(serving.pid, number)
        _, errors = serving.communicate(timeout=60)
        assert errors == ""
        assert serving.returncode == (0 if number == signal.SIGINT else -signal.SIGKILL)
        wait_until_free(port)
    finally:
        serving.kill()
