"""`.ci/python` finds a Python of a version, and passes over commands of that name that fail."""

import os
import subprocess
from pathlib import Path

FIND = Path(__file__).parent.parent / ".ci" / "python"


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def find(folder: Path, pyenv: Path) -> str:
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "PYENV_ROOT": str(pyenv)}
    return subprocess.run(
        [FIND, "3.99"], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_a_python_on_the_path_is_taken(tmp_path: Path) -> None:
    python = program(tmp_path / "bin" / "python3.99", 'echo "$0"')

    assert find(python.parent, tmp_path / "pyenv") == f"{python}\n"


def test_a_command_that_fails_is_passed_over_for_pyenvs_version(tmp_path: Path) -> None:
    command = program(tmp_path / "bin" / "python3.99", "exit 127")
    python = program(tmp_path / "pyenv" / "versions" / "3.99.1" / "bin" / "python", 'echo "$0"')

    assert find(command.parent, tmp_path / "pyenv") == f"{python}\n"
