"""`make run CHALLENGER=`: other models on the same rides."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from demo.__main__ import main
from streaming.clients import kinesis_client
from streaming.reader.stream_reader import StreamReader
from tests.bundle_files import write_bundle
from tests.demo_run import PROJECT, Run
from tests.ride_graphs import graph

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHALLENGER_STREAM = "ride_predictions_challenger_1"


@pytest.fixture
def other_version(tmp_path: Path) -> Path:
    bundle = shutil.copytree(PROJECT / "models", tmp_path / "other")
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, "version": "other"}))
    return bundle


@pytest.fixture
def never_predicts(tmp_path: Path) -> Path:
    nan = graph(times=float("nan"))
    return write_bundle(tmp_path / "nan", {"duration": nan, "tip": nan}, version="nan")


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    bundle = request.getfixturevalue(request.param)
    started = Run(tmp_path / "run", "--rate", "100", "--challenger", str(bundle))
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.end()


def predictions(url: str, stream: str, count: int) -> list[dict[str, Any]]:
    """Read the first predictions of a stream."""
    found = []
    for record in StreamReader(kinesis_client(url), stream):
        found.append(json.loads(record.data))
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("run", ["other_version"], indirect=True)
def test_a_challenger_predicts_the_same_rides_on_a_stream_of_its_own(run: Run) -> None:
    url = run.wait_for(r"Kinesis is at (\S+)")[1]
    run.wait_for("rides in")
    champions = predictions(url, "ride_predictions", 50)
    challengers = predictions(url, CHALLENGER_STREAM, 50)

    assert [each["event_id"] for each in challengers] == [each["event_id"] for each in champions]
    assert {each["version"] for each in challengers} == {"other"}
    assert "other" not in {each["version"] for each in champions}
    run.process.terminate()
    assert run.end() == 0
    assert any(line.startswith("challenger 1, ") for line in run.lines)


@pytest.mark.parametrize("run", ["never_predicts"], indirect=True)
def test_a_challenger_that_fails_on_every_ride_does_not_touch_the_champion(run: Run) -> None:
    url = run.wait_for(r"Kinesis is at (\S+)")[1]
    run.wait_for("rides in")
    assert len(predictions(url, "ride_predictions", 100)) == 100
    run.process.terminate()

    assert run.end() == 0
    assert run.count("outstanding") == 0
    (line,) = [line for line in run.lines if line.startswith("challenger 1, ")]
    assert "batches with failures: " in line
    assert line.endswith("behind the champion")


def test_a_challenger_that_cannot_be_loaded_stops_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--folder", str(tmp_path / "run"), "--rides", "1", "--challenger", "no-bundle"]

    assert main(arguments) != 0
    assert "cannot read no-bundle/manifest.json" in capsys.readouterr().err


def test_a_challenger_needs_its_own_function(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--challenger", "models", "--function-url", "http://127.0.0.1:9000"])
    assert "not allowed with --function-url" in capsys.readouterr().err
