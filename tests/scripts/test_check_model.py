from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.check_model import behaviour

ROOT = Path(__file__).parents[2]

MODEL = """
import json
from streaming import InvalidEvent, Prediction

EXAMPLES = (b'{"id": "a", "x": 1.5}', b'{"id": "b", "x": 2}')

class TimesTwo:
    name, version, event_type = "times_two", "1", "multiplied"

    def decode(self, content, arrived_at):
        try:
            event = json.loads(content)
            return event["id"], event["x"] * 2
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidEvent("event", content, "an id and a number x") from error

    def predict(self, events):
        return [Prediction(key, {"x": x}) for key, x in events]

def load_model(environment, s3_client):
    return TimesTwo()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all that the check needs of the project but the model."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("cli", "scripts", "streaming"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "requirements").symlink_to(ROOT / "requirements")
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, folder)
    return folder


def check(project: Path, model: str, *options: str) -> subprocess.CompletedProcess[str]:
    (project / "model.py").write_text(model)
    return subprocess.run(
        [sys.executable, "-B", "-m", "scripts", "check_model", *options],
        cwd=project,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def changed(old: str, new: str) -> str:
    assert old in MODEL
    return MODEL.replace(old, new)


def test_a_good_model_passes_and_quietly_on_request(project: Path) -> None:
    passed = check(project, MODEL)
    quiet = check(project, MODEL, "--quiet")

    assert (passed.returncode, passed.stderr) == (0, "")
    assert passed.stdout == "times_two, version 1: 2 examples decoded and predicted\n"
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_without_examples_the_report_says_what_was_not_checked(project: Path) -> None:
    checked = check(project, changed("EXAMPLES = ", "SAMPLES = "))

    assert checked.returncode == 0
    assert "only its members were checked; to check its predictions, put events" in checked.stdout


def test_events_of_a_file_are_checked(project: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text('{"id": "a", "x": 1}\n{"id": "b"}\n')

    checked = check(project, MODEL, "--events", str(events))

    assert checked.returncode == 1
    assert checked.stderr.startswith("error: decode rejects an example: event is ")


PREDICTION = "Prediction(key, {"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "return event",
            "event",
            'decode returned None for the example b\'{"id": "a", "x": 1.5}\'',
        ),
        ("(ValueError,", "(", "decode raised JSONDecodeError for b''; it must raise InvalidEvent"),
        ('event["id"]', 'event["ID"]', 'decode rejects an example: event is b\'{"id"'),
        ("in events]", "in events[1:]]", "predict returned 1 predictions for 2 events"),
        ("in events]", "in sorted(events, reverse=True)]", "for it alone; predictions must be in"),
        ("return [Pred", "[Pred", "predict returned a NoneType; allowed: a list"),
        (PREDICTION, "(key, {", "predict returned a tuple; allowed: Prediction"),
        (PREDICTION, "Prediction(7, {", "Prediction.partition_key is of type int; allowed: a "),
        (PREDICTION, "Prediction('', {", "Prediction.partition_key is empty; allowed: a string"),
        (PREDICTION, "Prediction(key * 257, {", "Prediction.partition_key has 257 characters; "),
        ('{"x": x}', 'x * float("nan")', "Prediction.value holds NaN or infinity, which JSON"),
        ('{"x": x}', "object()", "Prediction.value is no JSON"),
        ('{"x": x}', '{"x": x / 0}', "predict raised ZeroDivisionError"),
    ],
)
def test_what_is_wrong_with_the_predictions_is_one_line(old: str, new: str, problem: str) -> None:
    namespace: dict[str, Any] = {}
    exec(changed(old, new), namespace)  # noqa: S102  the test's own

    problems = [*behaviour(namespace["load_model"]({}, dict), namespace["EXAMPLES"])]

    assert any(problem in line for line in problems), problems
    assert all(line.count("\n") == 0 for line in problems)


def test_predictions_that_differ_by_rounding_are_equal() -> None:
    namespace: dict[str, Any] = {}
    rounded = '{"x": [x + 1e-7 * len(events), str(x), None]}'
    exec(changed('{"x": x}', rounded), namespace)  # noqa: S102  the test's own

    assert [*behaviour(namespace["load_model"]({}, dict), namespace["EXAMPLES"])] == []


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("def load_model", "def load", "model.py has no function load_model(environment, s3_"),
        ("    return TimesTwo()", "    TimesTwo()", "load_model returned None; it must return"),
        ("    return TimesTwo()", "    1 / 0", "load_model failed: ZeroDivisionError: division"),
        ("name, version,", "title, version,", "TimesTwo.name is missing; allowed: a string"),
        ("in events]", "in events[1:]]", "predict returned 1 predictions for 2 events"),
        ("import json", "import jsen", "model.py cannot be imported: No module named 'jsen'; add"),
        ("import json", "import json, helpers", "model.py uses helpers.py, which the image does"),
        ("import json", "import json; from cli import arguments", "model.py uses cli/arguments"),
        ("import json", "import json, scripts.trim", "model.py uses scripts/trim.py, which the"),
        ("import json", "import json, streaming.reader", "model.py uses streaming/reader/"),
        ("    return T", "    __import__('importlib').import_module('cli'); return T", "uses cli/"),
        ("name, version,", "output_stream = 7; name, version,", "TimesTwo.output_stream is 7"),
        ("import json", "import json, pytest", "model.py imports pytest, which the image does not"),
        ("    return T", "    open('data.csv'); return T", "model.py uses data.csv, which the"),
        ('b\'{"id": "a"', '1, b\'{"id": "a"', "EXAMPLES must be a tuple of bytes, each a user"),
    ],
)
def test_what_is_wrong_is_one_line_and_a_status(
    project: Path, old: str, new: str, error: str
) -> None:
    (project / "helpers.py").touch()
    (project / "data.csv").touch()

    checked = check(project, changed(old, new))

    assert checked.returncode == 1
    last_line = checked.stderr.splitlines()[-1]
    assert last_line.startswith("error: ")
    assert error in last_line


@pytest.mark.parametrize(
    "importing",
    ["import json, model_helpers", "import json, msgspec, numpy", "import json, streaming"],
)
def test_what_the_image_holds_is_no_problem(project: Path, importing: str) -> None:
    (project / "model_helpers.py").touch()
    (project / "models").mkdir(exist_ok=True)
    (project / "models" / "table.csv").touch()
    model = changed("import json", importing)

    checked = check(
        project, model.replace("    return T", "    open('models/table.csv'); return T")
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def test_an_exception_of_the_model_shows_where_it_was_raised(project: Path) -> None:
    checked = check(project, changed('{"x": x}', '{"x": x / 0}'))

    assert "model.py" in checked.stderr
    assert "ZeroDivisionError" in checked.stderr
    assert checked.stderr.splitlines()[-1] == "error: predict raised ZeroDivisionError"
