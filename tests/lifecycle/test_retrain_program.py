from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pytest

from lifecycle.registry import CHAMPION, MODELS, Registry
from scripts.retrain import main
from tests.lifecycle.city_archive import write_city_archive

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a month's rides, which take longer by a tenth than any that a model learnt from."""
    folder = tmp_path_factory.mktemp("slower")
    write_city_archive(folder, "2023-03", slower=1.1)
    return str(folder)


@pytest.fixture
def weak(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Return the tracked registry, whose champions are the weak models."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    registry.move_alias(CHAMPION, dict.fromkeys(MODELS, "1"))
    yield registry
    mlflow.set_tracking_uri(None)


def test_new_models_learn_from_trips_and_rides_and_the_better_serve(
    weak: Registry, archive: str, months: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([archive, "--data", str(months["2023-01"]), "--publish", "live"]) == 0

    shown = capsys.readouterr().out
    assert "duration version 4 is the champion now (better by more than noise" in shown
    assert "duration on 2023-03: version 4 beside the champion, version 1" in shown
    assert json.loads(Path("live/champion.json").read_text())["version"].startswith("duration-4-")
    record = weak.model("duration", "4").record
    assert record["trained_on"] == ["2023-01", "2023-03"]
    assert record["until"] == "2023-03-14T00:00:00"
    assert 2_000 + 2_000 < record["trips"] < 2_000 + 3_000
    # The next one holds out rides that this one has not seen, of a month that it has.
    assert main([archive, "--recalibrate", "--publish", "live"]) in (0, 1)


def test_another_level_is_learnt_compared_and_published(
    weak: Registry, archive: str, capsys: pytest.CaptureFixture[str]
) -> None:
    weak.move_alias(CHAMPION, dict.fromkeys(MODELS, "2"))

    assert main([archive, "--recalibrate", "--why", "slower", "--publish", "live"]) == 0

    shown = capsys.readouterr().out
    assert re.search(r"^ duration +1\.0[4-8]\d\d ", shown, re.MULTILINE)
    assert "duration version 4 is the champion now (better by more than noise" in shown
    assert "tip version" not in shown
    assert weak.aliased(CHAMPION) == {"duration": "4", "tip": "2"}
    manifest = json.loads(Path("live/bundles/duration-4-tip-2/manifest.json").read_text())
    assert manifest["validated_on"] == ["2023-03"]

    assert main([archive, "--recalibrate", "--publish", "live"]) == 0
    assert capsys.readouterr().out.endswith(
        "No level changes by 0.5% or more: there is no candidate.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nowhere", "--recalibrate"], "nowhere"),
        (["archive", "--data", "nope.parquet"], "no such file: nope.parquet"),
    ],
    ids=["archive", "data"],
)
def test_what_cannot_be_done_is_an_error_of_one_line(
    weak: Registry, capsys: pytest.CaptureFixture[str], arguments: list[str], error: str
) -> None:
    assert main(arguments) == 1

    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert error in line
    assert weak.aliased(CHAMPION) == dict.fromkeys(MODELS, "1")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--recalibrate", "--data", "a.parquet"], "DATA is of no use with RECALIBRATE"),
        (["--as-of", "March"], "--as-of is 'March'; allowed: a date and time"),
    ],
    ids=["both ways", "as of"],
)
def test_options_that_are_not_allowed_are_an_error_of_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], error: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["archive", *arguments])

    assert capsys.readouterr().err.startswith(f"error: {error}")


def test_without_a_registry_there_is_nothing_to_recalibrate(
    archive: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)

    assert main([archive, "--recalibrate"]) == 1

    assert "error: there is no registry sqlite:///mlflow.db" in capsys.readouterr().err
    assert not (tmp_path / "mlflow.db").exists()
