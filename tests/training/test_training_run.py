from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

import model as serving
from lifecycle.drift_sources import bundle_histograms
from scripts.ship import main as ship
from tests.training.city import city_trips, write_month
from training.bundle_io import read_model, trained_on
from training.errors import BundleError
from training.export import run_outputs
from training.trips import INPUTS, file_hashes, inputs

REPOSITORY = Path(__file__).parents[2]

mlflow_warns = pytest.mark.filterwarnings(
    "ignore"
)  # about deprecated calls in itself and its libraries


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        folder: The folder that it ran in.
        output: Its standard output.
    """

    folder: Path
    output: str

    @property
    def bundle(self) -> Path:
        return self.folder / "models"

    @property
    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.bundle / "manifest.json").read_text())
        return manifest


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Run the program once, as a user would, in a folder that already holds a bundle."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "models" / "duration").mkdir(parents=True)
    (folder / "models" / "duration" / "old.onnx").write_text("an old model")
    (folder / "models" / "README.md").write_text("a model card")
    files = {month: write_month(folder, month).name for month in ("2023-01", "2023-02", "2023-03")}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "scripts", "train"),
            *("--data", f"{files['2023-01']} {files['2023-02']}", "--test", files["2023-03"]),
            *("--output", "models"),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Trained(folder, done.stdout)


def test_the_manifest_records_what_the_bundle_was_made_from(trained: Trained) -> None:
    manifest = trained.manifest

    assert manifest["format"] == 1
    assert manifest["version"] in trained.output
    assert manifest["trained_on"] == ["2023-01", "2023-02"]
    assert manifest["validated_on"] == []
    assert manifest["tested_on"] == ["2023-03"]
    for target in manifest["targets"].values():
        assert set(target["libraries"]) >= {"scikit-learn", "onnx", "skl2onnx", "onnxruntime"}
        assert target["data"] == file_hashes(
            [trained.folder / f"green_tripdata_{month}.parquet" for month in manifest["trained_on"]]
        )
    assert trained_on(trained.bundle) == ["2023-01", "2023-02"]


def test_each_target_has_its_unit_model_run_and_metrics(trained: Trained) -> None:
    targets = trained.manifest["targets"]

    assert {name: (t["unit"], t["model"], t["version"]) for name, t in targets.items()} == {
        "duration": ("minutes", "ride-duration", "1"),
        "tip": ("US dollars", "ride-tip", "1"),
    }
    for target in targets.values():
        metrics = target["metrics"]
        assert {"validation_rmse", "test_rmse", "test_noisy_mae", "test_r2"} <= set(metrics)
        assert metrics["test_rmse"] > 0
        assert metrics["level"] == 1  # no month to validate on
    duration = targets["duration"]
    assert duration["parameters"]["range_trees"] == 20
    assert 0 < duration["metrics"]["test_noisy_inside"] < 1
    assert "test_inside" not in targets["tip"]["metrics"]
    assert targets["duration"]["trips"] > targets["tip"]["trips"] > 1_000


def test_a_training_shows_its_steps_and_ends_with_its_metrics(trained: Trained) -> None:
    lines = trained.output.splitlines()

    assert "duration: fit 100 trees ..." in lines
    assert "track in MLflow ..." in lines
    for target, entry in trained.manifest["targets"].items():
        (row,) = [line.split() for line in lines if f"{target}, test, noisy" in line]
        assert row[3] == f"{entry['metrics']['test_noisy_rmse']:.2f}"
    assert lines[-1] == f"wrote version {trained.manifest['version']} to models"


def test_a_trained_bundle_is_shipped_by_a_step_of_its_own(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "duration").mkdir()
    (tmp_path / "duration" / "old.onnx").touch()
    (tmp_path / "README.md").write_text("a model card")

    assert ship([str(trained.bundle), "--to", str(tmp_path)]) == 0

    assert f"has version {trained.manifest['version']} now; before: none" in capsys.readouterr().out
    assert serving.load_model({"MODEL_LOCATION": str(tmp_path)}, pytest.fail).version
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("README.md", "duration", "manifest.json", "statistics.json", "tip")
    ]
    assert not (tmp_path / "duration" / "old.onnx").exists()


def test_a_damaged_bundle_is_not_shipped(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, target = tmp_path / "bundle", tmp_path / "models"
    shutil.copytree(trained.bundle, damaged)
    (damaged / "tip" / "model.onnx").write_bytes(b"damaged")

    assert ship([str(damaged), "--to", str(target)]) == 1

    assert "error: " in capsys.readouterr().err
    assert not target.exists()


def test_every_hash_in_the_manifest_is_that_of_its_file(trained: Trained) -> None:
    manifest = trained.manifest

    for entry in (*manifest["targets"].values(), manifest["statistics"]):
        content = (trained.bundle / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]


def test_the_bundle_has_histograms_of_its_trips_and_of_its_predictions(trained: Trained) -> None:
    trips = trained.manifest["targets"]["duration"]["trips"]

    histograms = bundle_histograms(trained.bundle)

    assert {int(counts.sum()) for counts in histograms.counts.values()} == {trips}
    assert histograms.counts["duration"][1:-1].sum() == trips
    assert histograms.counts["trip_distance"][0] == 0


def test_the_bundle_replaces_the_old_one_and_keeps_other_files(trained: Trained) -> None:
    assert sorted(path.name for path in trained.bundle.iterdir()) == [
        *("README.md", "duration", "manifest.json", "statistics.json", "tip")
    ]
    assert not (trained.bundle / "duration" / "old.onnx").exists()


def test_the_bundle_names_no_path_or_url_of_the_machine_that_built_it(trained: Trained) -> None:
    for path in trained.bundle.rglob("*"):
        if path.is_file():
            content = path.read_bytes().decode("latin-1")
            assert not re.search(
                rf"https?://|/(home|root)/|{re.escape(str(trained.folder))}", content
            )


def test_the_function_loads_the_bundle_and_predicts(trained: Trained) -> None:
    loaded = serving.load_model({"MODEL_LOCATION": str(trained.bundle)}, pytest.fail)
    ride = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
    event = loaded.decode(json.dumps({"ride": ride, "ride_id": 256}).encode(), 1_740_834_900.0)
    assert event is not None

    (prediction,) = loaded.predict([event])

    assert loaded.version == trained.manifest["version"]
    assert prediction.value["ride_id"] == 256
    assert prediction.value["ride_duration"] == pytest.approx(3 + 3.5 * 3.66, rel=0.4)
    ends = [prediction.value[f"ride_duration_{end}"] for end in ("low", "high")]
    assert ends[0] < prediction.value["ride_duration"] < ends[1]
    assert prediction.value["ride_tip"] == pytest.approx(0.2 * (3 + 2.5 * 3.66), rel=0.4)


@mlflow_warns
@pytest.mark.parametrize("target", ["duration", "tip"])
def test_mlflow_predicts_what_onnxruntime_predicts(
    trained: Trained, target: str, tmp_path: Path
) -> None:
    trips = city_trips(tmp_path)
    graph, _ = read_model(trained.bundle, target)
    outputs = [output.name for output in graph.graph.output]

    loaded = mlflow.pyfunc.load_model(str(trained.bundle / target))
    predicted = loaded.predict(trips[list(INPUTS)])

    for name, expected in zip(outputs, run_outputs(graph, inputs(trips)), strict=True):
        np.testing.assert_array_equal(predicted[name], expected)


@mlflow_warns
def test_the_run_records_parameters_metrics_figures_and_registered_models(trained: Trained) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{trained.folder}/mlflow.db")
    manifest = trained.manifest

    parent = client.get_run(manifest["version"])
    assert parent.data.params["trained on"] == "2023-01 2023-02"
    for name, target in manifest["targets"].items():
        run = client.get_run(target["run_id"])
        assert run.data.tags["mlflow.parentRunId"] == manifest["version"]
        assert run.data.params["learning_rate"] == str(target["parameters"]["learning_rate"])
        assert run.data.metrics["test_rmse"] == target["metrics"]["test_rmse"]
        figures = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert figures >= {"error_by_hour.png", "predicted_against_true.png"}, name
        registered = client.get_model_version(target["model"], target["version"])
        assert registered.run_id == target["run_id"]


def test_a_folder_without_a_manifest_is_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no readable manifest: .*No such file"):
        trained_on(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{}", "required field `trained_on`"),
        (b'{"trained_on": [], "targets": {"tip": {}}}', "required field `file`"),
        (b'{"trained_on": ["\xff"]}', "codec can't decode"),
    ],
    ids=["empty", "target", "encoding"],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "manifest.json").write_bytes(content)

    with pytest.raises(BundleError, match=f"has no readable manifest: .*{problem}"):
        trained_on(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file"), (b"no graph", "parsing")],
    ids=["gone", "bytes"],
)
def test_a_model_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    target = {"file": "tip.onnx", "trips": 1, "metrics": {}}
    manifest = {"trained_on": [], "targets": {"tip": target}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    if content is not None:
        (tmp_path / "tip.onnx").write_bytes(content)

    with pytest.raises(BundleError, match=rf"has no readable tip\.onnx: .*{problem}"):
        read_model(tmp_path, "tip")


def test_a_target_that_a_bundle_lacks_is_named(trained: Trained) -> None:
    with pytest.raises(BundleError, match="has no tolls; it has duration, tip"):
        read_model(trained.bundle, "tolls")
