"""The archive's program: its options, its errors of one line, and a real stream."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds
import pytest

from cli import archives
from local.embedded_kinesis import embedded_kinesis
from scripts.archive import main
from streaming import kinesis_client
from streaming.archive.archive_state import locked_folder
from tests.lambda_events import ride

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
PREDICTION = {
    "event_type": "ride_predicted",
    "event_id": "shardId-000000000000:1",
    "model": "ride_duration_tip_prediction_model",
    "version": "7",
    "prediction": {"ride_id": 1, "ride_duration": 14.65, "ride_tip": 2.39},
    "arrived_at": "2025-03-01T13:15:00.123Z",
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("kinesis") / "log"
    with embedded_kinesis(log, port=0) as kinesis:
        client: Any = kinesis_client(kinesis.endpoint_url, isolated=True)
        for stream in ("ride_events", "ride_predictions"):
            client.create_stream(StreamName=stream, ShardCount=1)
        end = b'{"event_type": "ride_ended", "ride_id": 1}'
        for data in (ride(1), end, b"poison"):
            client.put_record(StreamName="ride_events", PartitionKey="1", Data=data)
        for _ in range(2):
            client.put_record(
                StreamName="ride_predictions",
                PartitionKey="1",
                Data=json.dumps(PREDICTION).encode(),
            )
        yield kinesis.endpoint_url


def rows(folder: Path) -> dict[str, int]:
    tables = [path.name for path in folder.iterdir() if path.name != "_state"]
    return {name: ds.dataset(folder / name, format="parquet").count_rows() for name in tables}


def test_both_streams_are_archived_and_the_next_run_adds_nothing(
    endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(tmp_path / "archive"), "--endpoint-url", endpoint, "--once"]

    assert main(arguments) == 0

    found = {"others": 1, "predictions": 1, "ride_ended": 1, "ride_started": 1}
    assert rows(tmp_path / "archive") == found
    output = capsys.readouterr()
    assert re.search(r"^\d\d:\d\d:\d\d  ride_predictions: predictions 1$", output.out, re.MULTILINE)
    assert output.err == (
        "rows written: others 1, predictions 1, ride_ended 1, ride_started 1; 1 duplicate dropped\n"
    )
    assert main(arguments) == 0
    assert rows(tmp_path / "archive") == found
    assert capsys.readouterr() == ("", "rows written: none\n")


def test_another_models_records_are_archived_as_json(endpoint: str, tmp_path: Path) -> None:
    place, tables = str(tmp_path / "archive"), "streaming.archive.any_model"

    assert main([place, "--endpoint-url", endpoint, "--once", "--tables", tables]) == 0

    assert rows(tmp_path / "archive") == {"events": 2, "others": 1, "predictions": 1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_signal_it_ends_and_the_next_run_goes_on(
    endpoint: str, tmp_path: Path, number: int
) -> None:
    arguments = [str(tmp_path / "archive"), "--endpoint-url", endpoint]
    with subprocess.Popen(
        [sys.executable, "-m", "scripts", "archive", *arguments, "--rows", "3"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        first = program.stdout.readline()
        program.send_signal(number)
        _, errors = program.communicate(timeout=60)

    assert first.endswith("  ride_events: others 1, ride_ended 1, ride_started 1\n")
    assert program.returncode == 0, errors
    assert errors.startswith("rows written: others 1, ")
    assert main([*arguments, "--once"]) == 0
    found = {"others": 1, "predictions": 1, "ride_ended": 1, "ride_started": 1}
    assert rows(tmp_path / "archive") == found


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--seconds", "0"], "--seconds is '0'; allowed: a number above 0"),
        (
            ["--events", "ride_predictions"],
            "--events is 'ride_predictions'; allowed: none of --predictions",
        ),
        (["--rows", "x"], "--rows is 'x'; allowed: 1, 2, 3, ..."),
        (
            ["--tables", "nowhere"],
            (
                "--tables is 'nowhere'; allowed: a module with EVENTS and PREDICTIONS, such as "
                "streaming.archive.any_model (No module named 'nowhere')"
            ),
        ),
        (
            ["--tables", "json"],
            (
                "--tables is 'json'; allowed: a module with EVENTS and PREDICTIONS, such as "
                "streaming.archive.any_model (module 'json' has no attribute 'EVENTS')"
            ),
        ),
    ],
    ids=str,
)
def test_an_option_that_is_not_allowed_is_one_line(
    arguments: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), *arguments])
    assert capsys.readouterr().err == f"error: {line}\n"


def test_a_place_that_is_neither_a_folder_nor_a_bucket_is_one_line(
    endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gs://bucket", "--endpoint-url", endpoint]) == 2
    assert capsys.readouterr().err == (
        "error: the archive is 'gs://bucket'; allowed: s3://bucket/prefix or file:///folder\n"
    )


def test_a_stream_that_does_not_exist_is_one_line(
    endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(tmp_path), "--endpoint-url", endpoint, "--once", "--events", "nothing"]

    assert main(arguments) == 1

    *_, line = capsys.readouterr().err.splitlines()[:-1]
    assert line.startswith("error: ")
    assert "nothing" in line


def test_an_archive_that_another_program_writes_is_one_line(
    endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked_folder(tmp_path, "ride_predictions"):
        assert main([str(tmp_path), "--endpoint-url", endpoint]) == 2
    assert capsys.readouterr().err == (
        f"error: another program writes the archive of ride_predictions in {tmp_path}\n"
    )


def test_without_the_parquet_library_the_error_says_what_to_install(
    endpoint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archives, "find_spec", lambda _name: None)

    assert main([str(tmp_path), "--endpoint-url", endpoint]) == 2

    error = capsys.readouterr().err
    assert re.fullmatch(
        r"error: an archive needs the Parquet library: .* -m pip install .*parquet\.txt\n", error
    )
