"""The function unpickles nothing: unpickling can run any code."""

from __future__ import annotations

import ast
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bundle_files import write_bundle
from tests.lambda_events import event, ride
from tests.ride_graphs import graph

ROOT = Path(__file__).parent.parent
LOADERS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}

PROGRAM = """
import json, sys
unpickled = []
sys.addaudithook(lambda name, _: unpickled.append(name) if name.startswith("pickle.") else None)
import lambda_function
response = lambda_function.lambda_handler(json.loads(sys.argv[1]))
modules = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps({"unpickled": unpickled, "modules": modules, "response": response}))
"""


def start(bundle: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Start the function in a new process and invoke it with a ride."""
    environment = {"PATH": os.environ["PATH"], "TEST_RUN": "True"}
    if bundle is not None:
        environment["MODEL_LOCATION"] = str(bundle)
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(event(ride()))],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def output() -> dict[str, Any]:
    started = start()
    assert started.returncode == 0, started.stderr
    printed: dict[str, Any] = json.loads(started.stdout.splitlines()[-1])
    return printed


def test_start_and_prediction_unpickle_nothing(output: dict[str, Any]) -> None:
    assert len(output["response"]["predictions"]) == 1
    assert output["unpickled"] == []
    assert not output["modules"].keys() & {"cloudpickle", "dill", "joblib"}


def test_no_module_of_the_function_imports_a_pickle_library(output: dict[str, Any]) -> None:
    files = [Path(file) for file in output["modules"].values() if file]
    own = [path for path in files if path.parent == ROOT or path.is_relative_to(ROOT / "streaming")]
    assert {"lambda_function.py", "model.py", "model_bundle.py"} <= {path.name for path in own}
    for path in own:
        assert not imported(path) & LOADERS, path


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


class Harmful:
    """An object that creates a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._trace,))


@pytest.mark.parametrize("file", ["model", "manifest"])
def test_a_pickle_in_the_bundle_is_rejected_and_not_run(file: str, tmp_path: Path) -> None:
    trace = tmp_path / "harm"
    harmful = pickle.dumps(Harmful(trace))
    bundle = write_bundle(tmp_path, {"duration": graph(), "tip": harmful})
    if file == "manifest":
        (bundle / "manifest.json").write_bytes(harmful)

    started = start(bundle)

    assert started.returncode != 0
    assert str(bundle) in started.stderr.splitlines()[-1]
    assert not trace.exists()
    pickle.loads(harmful)  # noqa: S301  the test's own
    assert trace.exists()
