"""What the documents show must be what a person sees."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.endpoint import EMBEDDED
from lambda_function import build_consumer
from local.embedded_kinesis import embedded_kinesis
from streaming import kinesis_client

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").rglob("README.md"),
    ROOT / "infrastructure" / "README.md",
    ROOT / "models" / "README.md",
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def answer_to_the_example() -> dict[str, Any]:
    event = json.loads((ROOT / "tests" / "events" / "kinesis.json").read_text())
    (answer,) = build_consumer({"TEST_RUN": "True"}).handle(event)["predictions"]
    found: dict[str, Any] = answer
    return found


@pytest.mark.rides
def test_the_answer_that_is_shown_is_the_shipped_models() -> None:
    (shown,) = blocks("json")

    assert json.loads(shown) == answer_to_the_example()


@pytest.mark.rides
def test_the_picture_shows_the_same_prediction() -> None:
    picture = (ROOT / "docs" / "data-flow.svg").read_text()

    for field, value in answer_to_the_example()["prediction"].items():
        assert f'"{field}": {value}' in picture.replace("&quot;", '"')


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    """Write the README's model to a file."""
    (model,) = (block for block in blocks("python") if "def load_model" in block)
    (tmp_path / "model.py").write_text(model)
    return tmp_path / "model.py"


def run_python(*arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "TEST_RUN": "True"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    "checker",
    [
        "ruff check --no-cache --config pyproject.toml --ignore INP001",
        "ruff format --check --no-cache --config pyproject.toml",
        "mypy --config-file pyproject.toml",
    ],
)
def test_the_other_model_passes_lint_and_types(other_model: Path, checker: str) -> None:
    checked = run_python("-m", *checker.split(), other_model)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_other_model_passes_its_check(other_model: Path) -> None:
    folder = other_model.parent
    for name in ("cli", "requirements", "scripts", "streaming"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, folder)

    check = run_python("-m", "scripts", "check_model", folder=folder)

    assert check.stdout == "alarm_model, version 1: 2 examples decoded and predicted\n", (
        check.stderr
    )


def test_another_model_is_another_model_py_and_nothing_else(other_model: Path) -> None:
    folder = other_model.parent
    shutil.copy(ROOT / "lambda_function.py", folder)
    shutil.copytree(ROOT / "streaming", folder / "streaming")
    batch = {"Records": [{"kinesis": {"data": "eyJtYWNoaW5lIjogIm0xIiwgImNlbHNpdXMiOiA5NX0="}}]}

    program = f"import lambda_function as f; print(f.lambda_handler({batch}))"
    started = run_python("-c", program, folder=folder)

    assert "'prediction': {'alarm': True}" in started.stdout, started.stderr
    assert "'event_type': 'alarm_predicted'" in started.stdout


def test_the_reader_resumes_and_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    (example,) = (block for block in blocks("python") if "StreamReader" in block)
    one, two, three = (f"'\\x9b2J' {data!r}\n" for data in (b"one", b"two", b"\x1b[2J"))

    with embedded_kinesis(tmp_path / "kinesis.log", port=0) as kinesis:
        # A shell's background job, in which tests may run, ignores SIGINT.
        handled = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        program = handled + example.replace(EMBEDDED, kinesis.endpoint_url)
        (tmp_path / "read.py").write_text(program)
        client = kinesis_client(kinesis.endpoint_url, isolated=True)
        client.create_stream(StreamName="ride_predictions", ShardCount=1)
        for data in (b"one", b"two"):
            client.put_record(StreamName="ride_predictions", PartitionKey="\x9b2J", Data=data)
        assert lines_until(two, tmp_path) == [one, two]
        client.put_record(StreamName="ride_predictions", PartitionKey="\x9b2J", Data=b"\x1b[2J")
        # Ctrl-C may have come before the second record was processed, but the first one was.
        assert lines_until(three, tmp_path) in ([three], [two, three])


def lines_until(last: str, folder: Path) -> list[str]:
    """Run the reader, return the lines that it prints up to the last one, and press Ctrl-C."""
    reading = subprocess.Popen(
        [sys.executable, "read.py"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert reading.stdout is not None
        lines = [reading.stdout.readline()]
        while lines[-1] and lines[-1] != last:
            lines.append(reading.stdout.readline())
        reading.send_signal(signal.SIGINT)
        assert reading.communicate(timeout=60) == ("", "")
        assert reading.returncode == 0
    finally:
        reading.kill()
    return lines


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_and_command_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    for path in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (document.parent / path).exists(), path
    for program in re.findall(r"-m scripts (\w+)", text):
        assert (ROOT / "scripts" / f"{program}.py").exists(), program
    for path in re.findall(r"`([\w/.-]+/[\w.-]+\.(?:py|txt|md|json|toml))`", text):
        assert any((folder / path).exists() for folder in (ROOT, document.parent)), path
