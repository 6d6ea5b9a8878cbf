"""The rooms, which way imports go between them, and the words that name things."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "lambda_function": {"model", "streaming"},
    "model": {"model_graph", "streaming"},
    "model_graph": {"streaming"},
    "model_columns": set[str](),
    "streaming": set[str](),
    "local": {"streaming"},
    "cli": {"local", "streaming"},
    "page": {"streaming"},
    "demo": {"cli", "local", "page", "streaming"},
    "deployment": {"cli", "streaming"},
    "training": {"model", "streaming"},
    "examples": {"batch", "cli", "demo", "local", "streaming", "training"},
    "lifecycle": {"model", "streaming", "training"},
    "batch": {"model", "streaming"},
    "web": {"model", "streaming"},
    "scripts": {
        *("batch", "cli", "demo", "deployment", "lifecycle", "local"),
        *("model", "page", "streaming", "training"),
    },
}
ROOMS = {*MAY_IMPORT, "benchmarks", "tests"}

WITHIN_STREAMING = {
    "consumer": {"consumer"},
    "reader": {"reader"},
    "redrive": {"redrive"},
    "archive": {"archive", "consumer", "reader"},
    "decisions": {"consumer", "decisions"},
}
"""What the rooms of streaming/ may import of each other; what they share lies beside them."""

SHARED_NAMES = {"__init__", "__main__", "conftest", "errors", "model", "test_errors"}
"""`model`: each consumer of examples/ has one, as the function imports it."""

WRITTEN = ("*.py", "*.md", "*.yaml", "*.toml", "*.tf", "Makefile", "Dockerfile", ".ci/*")
"""Where words are looked at."""

REPLACED_WORDS = {
    r"bur(y|ied|ies|ying)": "dead-letter",
    r"hasten\w*": "install_fast_put_records",
    r"undone": "failed",
    r"halted": "publishing stopped",
    r"flaws?": "decode error",
    r"misshapen": "malformed",
    r"of another make": "incompatible",
    r"somebody else's": "unrecognised event type",
    r"foreign": "unrecognised event type",
    r"doubles": "duplicates",
    r"given up": "discarded",
    r"gave up": "discarded",
    r"lanes?": "concurrent batches",
    r"patience": "timeout",
    r"never going back": "monotonic",
    r"bookmarks?": "checkpoint file",
    r"journals?": "delivery log",
    r"sabot\w+": "fault injection",
    r"meddl\w+": "fault injection",
    r"parcels?": "records",
    r"stand-?ins?": "stub or emulator",
    r"judge[sd]?": "evaluate",
    r"(give|tell) whether": "return whether",
    r"Accounts": "batch counts",
}


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def imported_by(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_one_way(room: str) -> None:
    files = tracked(f"{room}.py", f"{room}/*.py")
    assert files

    for path in files:
        rooms = {module.partition(".")[0] for module in imported_by(path)} & ROOMS
        assert rooms - {room} <= MAY_IMPORT[room], path


def test_what_imports_the_ride_models_names_is_left_out_with_another_model() -> None:
    """Else another `model.py` breaks mypy, or the collection of the tests."""
    modules = {
        path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in tracked("*.py")
    }
    imports = {path: imported_by(path) for path in modules}
    about_rides = {
        path
        for path, imported in imports.items()
        if {m for m in imported if m.startswith("model.")} - {"model.load_model"}
        or ("model" in imported and not any(m.startswith("model.") for m in imported))
    }
    while users := {
        path
        for path in modules.keys() - about_rides
        if imports[path] & {modules[found] for found in about_rides}
    }:
        about_rides |= users

    listed = (ROOT / "tests" / "ride_files.txt").read_text().split()
    assert listed == sorted(str(path.relative_to(ROOT)) for path in about_rides)


@pytest.mark.parametrize("room", WITHIN_STREAMING)
def test_the_rooms_of_streaming_import_only_what_they_may(room: str) -> None:
    for path in tracked(f"streaming/{room}/*.py"):
        inner = {
            parts[1]
            for module in imported_by(path)
            if (parts := module.split("."))[0] == "streaming" and len(parts) > 1
        }
        assert inner & WITHIN_STREAMING.keys() <= WITHIN_STREAMING[room], path


def test_what_the_rooms_of_streaming_share_imports_none_of_them() -> None:
    for path in tracked("streaming/*.py"):
        if path.parent.name == "streaming" and path.name != "__init__.py":
            inner = {".".join(module.split(".")[:2]) for module in imported_by(path)}
            assert not inner & {f"streaming.{room}" for room in WITHIN_STREAMING}, path


def test_no_two_modules_have_one_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in tracked("*.py"):
        places[path.stem].append(str(path.relative_to(ROOT)))

    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert not twice.keys() - SHARED_NAMES, twice


@pytest.mark.parametrize(("pattern", "instead"), REPLACED_WORDS.items())
def test_replaced_words_do_not_come_back(pattern: str, instead: str) -> None:
    flags = re.NOFLAG if pattern[0].isupper() else re.IGNORECASE
    word = re.compile(rf"(?<![A-Za-z]){pattern}(?![A-Za-z])", flags)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked(*WRITTEN)
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if word.search(line)
    ]
    assert not found, f"write {instead!r} instead:\n" + "\n".join(found)
