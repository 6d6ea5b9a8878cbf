"""The `aws` command line: this machine's, or version 1 in an environment of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "aws-cli.txt"
FOLDER = HERE.parent / "build" / "aws-cli"


def aws(*arguments: str, environment: Mapping[str, str]) -> str:
    """Run the command and return what it prints.

    Args:
        arguments: Such as `kinesis list-streams`.
        environment: Variables beside those of this process.
    """
    command = [aws_command(), *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@cache
def aws_command() -> str:
    """Find the command, or install it."""
    with suppress(OSError, subprocess.CalledProcessError):
        subprocess.run(["aws", "--version"], check=True, capture_output=True)
        return "aws"
    if not (FOLDER / "installed").exists():
        pip = [str(FOLDER / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
        subprocess.run([*pip, "--require-hashes", "-r", REQUIREMENTS], check=True)
        (FOLDER / "installed").touch()
    return str(FOLDER / "bin" / "aws")
