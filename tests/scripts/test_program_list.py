import ast
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.__main__ import main, programs

ROOT = Path(__file__).resolve().parents[2]


def test_without_a_name_every_program_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == 0
    listed = capsys.readouterr().out
    for name in ("evaluate", "produce", "redrive", "tail", "train"):
        assert f"  {name} " in listed
    assert "Print the predictions on a stream, as lines or as JSON." in listed
    assert "__init__" not in listed


def test_an_unknown_name_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tial"]) == 2
    assert capsys.readouterr().err == (
        f"error: the program is 'tial'; allowed: {', '.join(programs())}\n"
    )


def test_a_program_shows_its_own_name_and_options() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "scripts", "tail", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert shown.stdout.startswith("usage: python -m scripts tail [-h] [--stream STREAM]")


def test_every_program_ends_without_a_traceback_at_ctrl_c() -> None:
    """`cli.program.program` sees to it."""
    for name in programs():
        tree = ast.parse((ROOT / "scripts" / f"{name}.py").read_text())
        (main,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main")
        decorators = [ast.unparse(each).partition("(")[0] for each in main.decorator_list]
        assert decorators == ["program"], name
