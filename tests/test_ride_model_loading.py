"""Which ONNX models and settings are accepted, and what is said of the others."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from model import ModelSettings, load_model
from model_graph import FEATURES, load_graph
from streaming.errors import ModelBundleError, SettingsError, excerpt
from tests.bundle_files import write_bundle
from tests.fakes.no_s3 import no_s3
from tests.ride_graphs import endless_graph, graph, graph_with_range


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not an ONNX model", "cannot be loaded"),
        (graph(inputs=[*FEATURES, "fare_amount"]), "has inputs .*fare_amount.*expected"),
        (graph(inputs=FEATURES[:5]), "expected the float vectors PULocationID"),
        (graph(rank=2), "expected the float vectors"),
        (graph_with_range(1, 2, ("prediction", "high", "low")), "or three: prediction, low, high"),
        (graph_with_range(1, 2, ("minutes", "low", "high")), "or three: prediction, low, high"),
    ],
)
def test_an_incompatible_onnx_model_is_rejected(content: bytes, message: str) -> None:
    with pytest.raises(ModelBundleError, match=f"the tip model .*{message}"):
        load_graph("tip model", content)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            helper.make_node("ReduceSum", ["trip_distance"], ["prediction"], keepdims=1),
            r"the tip model returns shape \(1,\) for 2 rides; expected \(2,\)",
        ),
        (
            helper.make_node("Gather", ["trip_distance", "far"], ["prediction"]),
            "the tip model fails in a trial prediction: ",
        ),
    ],
)
def test_an_onnx_model_that_fails_a_trial_prediction_is_rejected(
    node: onnx.NodeProto, message: str
) -> None:
    with pytest.raises(ModelBundleError, match=message):
        load_graph("tip model", graph(node=node))


def test_an_onnx_model_that_cannot_be_loaded_fails_with_its_path(tmp_path: Any) -> None:
    write_bundle(tmp_path, {"duration": graph(), "tip": b"not an ONNX model"})

    with pytest.raises(ModelBundleError, match=f"the tip model {tmp_path}/tip/model.onnx cannot"):
        load_model({"MODEL_LOCATION": str(tmp_path)}, no_s3)


# The message is onnxruntime's own, met under a limit of the address space.
ALLOCATION = (
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Where node. "
    "Status Message: bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 12000"
)


@pytest.mark.parametrize(
    ("message", "expected", "shown"),
    [
        (ALLOCATION, MemoryError, "^the tip model cannot allocate memory$"),
        ("std::bad_alloc", MemoryError, "^the tip model cannot allocate memory$"),
        ("bad input", RuntimeError, "^bad input$"),
    ],
)
def test_an_allocation_that_fails_in_onnxruntime_is_a_lack_of_memory(
    monkeypatch: pytest.MonkeyPatch, message: str, expected: type[Exception], shown: str
) -> None:
    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]  # untyped
        def run(self, names: Any, inputs: Any, options: Any = None) -> Any:
            if len(inputs["hour"]) > 2:
                raise RuntimeError(message)
            return super().run(names, inputs, options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    run = load_graph("tip model", graph(times=10))

    with pytest.raises(expected, match=shown):
        run({feature: np.ones(3, np.float32) for feature in FEATURES})


def test_a_model_is_run_by_one_thread_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = []

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]  # untyped
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            sessions.append(self)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    load_graph("tip model", graph())

    (session,) = sessions
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_the_environment_selects_targets_version_and_bundle(tmp_path: Any) -> None:
    write_bundle(tmp_path, {"duration": graph(), "tip": graph()}, version="run-7")
    environment = {"MODEL_LOCATION": str(tmp_path), "MODELS": "tip", "RUN_ID": "mine"}

    model = load_model(environment, no_s3)

    assert (model.name, model.version) == ("ride_tip_prediction_model", "mine")


def test_a_bundle_on_s3_is_loaded_with_the_client_that_is_handed_in(tmp_path: Any) -> None:
    write_bundle(tmp_path, {"duration": graph(), "tip": graph()}, version="run-7")

    def get_object(*, Bucket: str, Key: str) -> Any:
        assert Bucket == "bundles"
        return {"Body": io.BytesIO((tmp_path / Key).read_bytes())}

    client = SimpleNamespace(get_object=get_object)

    assert load_model({"MODEL_LOCATION": "s3://bundles"}, lambda: client).version == "run-7"


def test_without_a_run_id_the_version_is_the_bundles(tmp_path: Any) -> None:
    write_bundle(tmp_path, {"duration": graph(), "tip": graph()}, version="run-7")
    environment = {"MODEL_LOCATION": str(tmp_path), "RUN_ID": ""}

    assert load_model(environment, no_s3).version == "run-7"


def test_a_model_that_never_ends_fails_in_its_trial_prediction() -> None:
    with pytest.raises(ModelBundleError, match=r"the tip model takes longer than 0\.1 s"):
        load_graph("tip model", endless_graph(), trial_seconds=0.1)


@pytest.mark.parametrize("run_id", ["\udcff", "x" * 129, "run\n7", "x" * 100_000])
def test_a_run_id_that_no_prediction_can_hold_fails_with_what_is_allowed(run_id: str) -> None:
    shown = re.escape(excerpt(run_id))
    with pytest.raises(
        SettingsError, match=rf"^RUN_ID is {shown}; allowed: 1 to 128 printable characters$"
    ):
        ModelSettings.from_environment({"RUN_ID": run_id})


@pytest.mark.parametrize("run_id", ["run-7", "é" * 128, "3f2a 7"])
def test_a_run_id_is_any_printable_text(run_id: str) -> None:
    assert ModelSettings.from_environment({"RUN_ID": run_id}).run_id == run_id


@pytest.mark.parametrize("models", ["fare", "duration,fare", ",", "duration tip"])
def test_an_unknown_target_fails_with_what_is_allowed(models: str) -> None:
    with pytest.raises(SettingsError, match=f"MODELS is '{models}'; allowed: duration, tip, or"):
        ModelSettings.from_environment({"MODELS": models})


@pytest.mark.parametrize("models", ["duration,tip", " tip , duration ", ""])
def test_targets_are_always_in_the_same_order(models: str) -> None:
    assert ModelSettings.from_environment({"MODELS": models}).targets == ("duration", "tip")
