from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from local.embedded_kinesis import embedded_kinesis
from scripts.page import main
from streaming import kinesis_client
from tests.page.ride_stream import PREDICTIONS, RIDES

ROOT = Path(__file__).parent.parent.parent


def test_it_shows_an_endpoints_streams_until_ctrl_c(tmp_path: Path) -> None:
    with embedded_kinesis(tmp_path / "kinesis.log", port=0) as kinesis:
        client = kinesis_client(kinesis.endpoint_url, isolated=True)
        for stream in (RIDES, PREDICTIONS):
            client.create_stream(StreamName=stream, ShardCount=1)
        command = [sys.executable, "-m", "scripts", "page", "--port", "0"]
        running = subprocess.Popen(
            [*command, "--endpoint-url", kinesis.endpoint_url, "--dead-letters", str(tmp_path)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert running.stdout is not None
            line = running.stdout.readline().strip()
            address = line.removeprefix("The page is at ")
            assert address.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(f"{address}state", timeout=30) as response:  # noqa: S310
                state = json.load(response)
            running.send_signal(signal.SIGTERM)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()

    assert (running.returncode, out, err) == (0, "", "")
    assert state["about"] == {
        "endpoint": kinesis.endpoint_url,
        "input_stream": RIDES,
        "output_streams": [PREDICTIONS],
        "can_put": True,
        "failure": None,
    }


def test_elsewhere_it_wants_a_token(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAGE_TOKEN", raising=False)

    assert main(["--host", "0.0.0.0"]) == 1  # noqa: S104  it is refused
    assert capsys.readouterr().err == (
        "error: PAGE_TOKEN is not set; allowed: at least 16 printable characters, with any host "
        "but 127.0.0.1\n"
    )


def test_an_endpoint_that_does_not_respond_is_an_error_of_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--endpoint-url", "http://127.0.0.1:9"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot read the stream 'ride_events'")


def test_a_place_of_dead_letters_that_cannot_be_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--dead-letters", "http://host/x"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --dead-letters is 'http://host/x'; allowed: ")


@pytest.mark.parametrize("port", ["-1", "65536", "http", "1.5"])
def test_a_port_is_a_number(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit):
        main([f"--port={port}"])
    assert capsys.readouterr().err == f"error: --port is '{port}'; allowed: 0 to 65535\n"
