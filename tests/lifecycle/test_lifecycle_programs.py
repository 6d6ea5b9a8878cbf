from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lifecycle.registry import CHAMPION
from model import load_model
from scripts.promote import main as promote
from scripts.publish_alias import main as publish_alias
from scripts.registered_models import main as registered_models
from scripts.rollback_model import main as rollback_model
from streaming import ModelSource

if TYPE_CHECKING:
    from lifecycle.registry import Registry


@pytest.fixture
def live(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name a registry of the test's own in the environment; return where to publish."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    monkeypatch.setenv("COLUMNS", "60")
    return str(tmp_path / "live")


def test_a_models_life_by_its_programs(
    live: str,
    months: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish = ["--publish", live]
    data = ["--data", str(months["2023-03"])]

    assert promote(["--version", "duration-1-tip-1", *publish]) == 0
    first = capsys.readouterr().out
    assert "duration version 1 is the champion now (there was no champion to compare with)" in first
    assert first.splitlines()[-1] == (
        f"duration-1-tip-1 serves: MODEL_LOCATION={live}/champion.json"
    )

    assert promote(["--version", "duration-2", *data, *publish]) == 0
    table = capsys.readouterr().out
    assert "duration on 2023-03: version 2 beside the champion" in table
    assert "duration-2-tip-1 serves" in table
    assert max(map(len, table.partition("duration version")[0].splitlines())) <= 60

    assert promote(["--version", "duration-3", *data, *publish]) == 1
    refused = capsys.readouterr().out
    assert "duration version 3 is not promoted: not better by more than noise" in refused
    assert "duration-2-tip-1 serves" in refused

    assert rollback_model(["--why", "a drill", *publish]) == 0
    assert "duration version 1 is the champion again, instead of version 2" in (
        capsys.readouterr().out
    )
    assert json.loads((tmp_path / "live" / "champion.json").read_text())["version"] == (
        "duration-1-tip-1"
    )

    assert registered_models(["--audit", *publish]) == 0
    listed = capsys.readouterr().out
    assert f"{live} serves duration-1-tip-1" in listed
    assert "'action': 'roll back'" in listed
    assert "'why': 'a drill'" in listed
    assert "3.25" in listed


def test_a_pointer_that_differs_from_the_registry_is_shown(
    live: str, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.move_alias(CHAMPION, {"duration": "2", "tip": "2"})

    assert registered_models(["--publish", live]) == 0

    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{live} serves nothing",
        "The champion is duration-2-tip-2: `make promote` publishes it",
    ]


@pytest.mark.rides
def test_an_alias_is_published_beside_what_serves(
    live: str, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish = ["--publish", live]
    assert promote(["--version", "duration-1-tip-1", *publish]) == 0
    served = (tmp_path / "live" / "champion.json").read_bytes()
    registry.move_alias("challenger", {"duration": "2"})
    capsys.readouterr()

    assert publish_alias(["challenger", *publish]) == 0

    pointer = f"{live}/alias-challenger.json"
    assert capsys.readouterr().out == f"@challenger is duration-2-tip-1: {pointer}\n"
    environment = {"MODEL_LOCATION": pointer}
    assert ModelSource(load_model, environment, pytest.fail).load().model.version == (
        "duration-2-tip-1"
    )
    assert (tmp_path / "live" / "champion.json").read_bytes() == served


@pytest.mark.parametrize(
    ("alias", "error"),
    [
        ("challenger", "has no alias challenger of ride-duration or ride-tip"),
        ("half", "has neither half nor champion of ride-tip; a bundle needs a version of each"),
        ("../x", "ALIAS is '../x'; allowed: lower-case letters, digits and any of _-"),
    ],
)
def test_an_alias_that_names_no_bundle_is_an_error_of_one_line(
    live: str, registry: Registry, capsys: pytest.CaptureFixture[str], alias: str, error: str
) -> None:
    registry.move_alias("half", {"duration": "2"})

    try:
        status = publish_alias([alias, "--publish", live])
    except SystemExit as ended:
        status = int(str(ended.code))

    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert status != 0
    assert error in line


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--version", "7"], "VERSION is '7'; allowed: such as duration-7-tip-7, or a part of it"),
        (["--data", "nope.parquet"], "no such file: nope.parquet"),
        (["--publish", "gs://models"], "PUBLISH is 'gs://models'; allowed: s3://bucket/prefix"),
        (["--version", "tip-9", "--force"], "ride-tip"),
    ],
    ids=["version", "data", "publish", "no such version"],
)
def test_what_cannot_be_promoted_is_an_error_of_one_line(
    live: str, capsys: pytest.CaptureFixture[str], arguments: list[str], error: str
) -> None:
    assert promote(["--publish", live, *arguments]) == 1

    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert error in line


def test_promoting_does_not_wait_for_what_only_training_needs() -> None:
    slow = {"sklearn", "skl2onnx", "matplotlib"}
    loaded = f"import sys, scripts.promote; print(*{slow} & {{*sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", loaded],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert done.stdout == "\n"


def test_without_a_champion_there_is_nothing_to_roll_back(
    live: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback_model(["--publish", live]) == 1

    assert capsys.readouterr().err.startswith("error: there is no former champion")
