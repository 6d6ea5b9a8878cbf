"""What `docker build` copies of this project, beside what the function loads of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

from scripts.image import BASE_IMAGE

ROOT = Path(__file__).parent.parent
LOADED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
files = {getattr(module, "__file__", None) for module in sys.modules.values()}
print(json.dumps(sorted(filter(None, files))))
"""

RIDES, DECISIONS = "lambda_function", "streaming.decisions.decision_function"
SERVER, FUNCTION_URL = "web.__main__", "web.function_url"
FUNCTIONS: dict[str, dict[str, str]] = {
    RIDES: {"TEST_RUN": "True"},
    DECISIONS: {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DECISION_POLICY": "examples/rides/policy.json",
        "DECISION_TABLE": "decisions",
        "PREDICTIONS_STREAM_NAME": "decisions",
    },
    SERVER: {},
    FUNCTION_URL: {},
}
"""The modules of the image's commands, each with the settings that it needs to start."""


def context() -> set[Path]:
    """Find the files that `docker build` sends to the builder."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    names = exclude_paths(str(ROOT), patterns) - {".dockerignore", "Dockerfile"}  # always sent
    return {ROOT / name for name in names if (ROOT / name).is_file()}


def copied(stage: str) -> set[Path]:
    """Find the files of the context that a stage of the Dockerfile copies."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    (build,) = re.findall(rf"(?ms)^FROM \S+ AS {stage}\n(.*?)^FROM ", dockerfile)
    found: set[Path] = set()
    for sources in re.findall(r"(?m)^COPY (?!--)(.+) \S+$", build):
        for pattern in sources.split():
            named = set(ROOT.glob(pattern))
            found |= {path for path in context() if named & {path, *path.parents}}
    return found


def loaded(function: str) -> set[Path]:
    """Find the files of this project that a function has loaded when it is ready."""
    program = subprocess.run(
        [sys.executable, "-c", LOADED, function],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **FUNCTIONS[function]},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    files = {Path(name) for name in json.loads(program.stdout)}
    environment = Path(sys.prefix).absolute()
    return {f for f in files if f.is_relative_to(ROOT) and not f.is_relative_to(environment)}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_image_holds_what_a_function_loads(function: str) -> None:
    assert loaded(function) <= copied("function")


def test_the_functions_of_streams_load_nothing_of_the_web_service() -> None:
    for function in (RIDES, DECISIONS):
        assert not {path for path in loaded(function) if path.is_relative_to(ROOT / "web")}


def test_the_model_and_the_decision_service_start_without_each_other() -> None:
    rides, decisions = loaded(RIDES), loaded(DECISIONS)

    assert not {path for path in rides if "decisions" in path.parts}
    assert not {path for path in decisions if path.parent == ROOT}


@pytest.mark.rides
def test_the_image_holds_no_other_module_and_the_models() -> None:
    modules = {path for path in copied("function") if path.suffix == ".py"}

    assert modules == set[Path]().union(*map(loaded, FUNCTIONS))
    assert copied("function") - modules == {
        path
        for folder in ("models", "web/static")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }


def test_the_builder_gets_nothing_that_is_not_copied() -> None:
    assert context() == copied("packages") | copied("function")


def test_the_offline_image_has_the_python_of_the_one_it_replaces() -> None:
    build = (ROOT / "integration-test" / "offline" / "build").read_text()

    assert f"\nLAMBDA=lambda-python-offline:{BASE_IMAGE.rpartition(':')[2]}\n" in build
