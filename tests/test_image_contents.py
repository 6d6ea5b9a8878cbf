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
FUNCTION, WEB = "lambda_function", "web.__main__, web.function_url"
LOADED = """
import json, pathlib, sys
import MODULES
files = {getattr(module, "__file__", None) for module in sys.modules.values()}
print(json.dumps(sorted(filter(None, files))))
"""


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


def loaded(modules: str = FUNCTION) -> set[Path]:
    """Find the files of this project that the function, or the service, has loaded when ready."""
    program = subprocess.run(
        [sys.executable, "-c", LOADED.replace("MODULES", modules)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TEST_RUN": "True"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    files = {Path(name) for name in json.loads(program.stdout)}
    environment = Path(sys.prefix).absolute()
    return {f for f in files if f.is_relative_to(ROOT) and not f.is_relative_to(environment)}


@pytest.mark.parametrize("modules", [FUNCTION, WEB])
def test_the_image_holds_what_the_function_and_the_service_load(modules: str) -> None:
    assert loaded(modules) <= copied("function")


def test_the_function_loads_nothing_of_the_service() -> None:
    assert not {path for path in loaded() if path.is_relative_to(ROOT / "web")}


@pytest.mark.rides
def test_the_image_holds_no_other_module_and_the_models() -> None:
    modules = {path for path in copied("function") if path.suffix == ".py"}

    assert modules == loaded() | loaded(WEB)
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
