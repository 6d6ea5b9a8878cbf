from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deployment.commands import DryRun, Processes, first_error, last_line
from deployment.errors import CommandFailed, ToolMissing

ROOT = Path(__file__).resolve().parents[2]
NOT_ALLOWED = """
Error: Invalid value for variable

  on variables.tf line 13:
  13: variable "region" {
    ├────────────────
    │ var.region is "atlantis"

region: allowed is a region's code, such as
eu-central-1.

This was checked by the validation rule at variables.tf:17,3-13.

Error: Another
"""
LINE = (
    "Error: Invalid value for variable: region: allowed is a region's code, such as eu-central-1."
)
BORDERED = "╷\n" + "".join(f"│ {line}\n" for line in NOT_ALLOWED.splitlines()) + "╵\n"
COLORED = BORDERED.replace("│", "\x1b[31m│\x1b[0m\x1b[0m").replace(
    "Error:", "\x1b[1;31mError:\x1b[0m"
)


def program(folder: Path, name: str, text: str) -> Path:
    """Write an executable shell script, and return its path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Processes(tmp_path, {"TF_VAR_region": "eu-central-1"})


def test_a_program_runs_in_its_folder_with_its_variables_and_its_input(
    processes: Processes, tmp_path: Path
) -> None:
    program(tmp_path, "tool", 'echo "$PWD $TF_VAR_region $*"; cat')

    printed = processes.read("tool", "a", "b c", stdin="secret")

    assert printed == f"{tmp_path} eu-central-1 a b c\nsecret"


def test_a_program_without_input_gets_none_and_does_not_wait_for_a_terminal(
    processes: Processes, tmp_path: Path
) -> None:
    program(tmp_path, "tool", "cat")
    assert processes.read("tool") == ""


def test_a_program_that_fails_is_one_line_with_its_first_error(
    processes: Processes, tmp_path: Path
) -> None:
    program(
        tmp_path, "terraform", "printf '╷\\n│ Error: No such file\\n│ \\n│ more\\n╵\\n' >&2; exit 1"
    )
    with pytest.raises(
        CommandFailed, match=r"^terraform output failed: Error: No such file: more$"
    ):
        processes.read("terraform", "-chdir=x", "output", "-json")


def test_an_error_that_is_printed_with_status_0_is_an_error(
    processes: Processes, tmp_path: Path
) -> None:
    program(tmp_path, "terraform", "echo 'Error: Invalid value' >&2; echo '{}'")
    with pytest.raises(CommandFailed, match=r"^terraform console failed: Error: Invalid value$"):
        processes.read("terraform", "-chdir=x", "console")


def test_a_warning_is_no_error(processes: Processes, tmp_path: Path) -> None:
    program(tmp_path, "terraform", "echo 'Warning: Deprecated' >&2; echo '{}'")
    assert processes.read("terraform", "console") == "{}\n"


def test_a_program_that_fails_silently_is_said_to(processes: Processes, tmp_path: Path) -> None:
    program(tmp_path, "docker", "exit 3")
    with pytest.raises(CommandFailed, match=r"^docker push failed: it printed nothing$"):
        processes.read("docker", "push")
    with pytest.raises(CommandFailed, match=r"^docker push failed with status 3$"):
        processes.run("docker", "push", "--quiet")


def test_a_program_of_this_project_that_fails_is_named_without_its_python(
    processes: Processes,
) -> None:
    with pytest.raises(CommandFailed, match=r"^scripts image failed with status 1$"):
        processes.run(sys.executable, "-m", "scripts", "image")  # the folder has no scripts/


@pytest.mark.parametrize("tool", ["terraform", "docker", "git"])
def test_a_program_that_is_not_installed_is_one_line_that_says_where_it_is(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=f"^{tool} is needed and not installed; it is at https:"):
        Processes(tmp_path, {}).run(tool)


def interrupted(folder: Path, number: signal.Signals, command: str) -> str:
    """Run a command that prints `started`, end it by a signal, and return what it prints then."""
    (folder / "example.py").write_text(
        "from pathlib import Path\nfrom cli.program import program\n"
        "from deployment.commands import Processes\n@program()\ndef main():\n"
        f"    Processes(Path(), {{}}).run({command!r}, 'apply')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", "from cli.program import run_program; run_program('example')"],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        if number == signal.SIGINT:  # a terminal sends Ctrl-C to the whole group
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        printed = process.communicate(timeout=60)[0]
        assert process.returncode == 130
    finally:
        process.kill()
        process.communicate()
    return str(printed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_child_once_and_waits_for_its_end(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Terraform that is killed half-way leaves resources that its state does not know."""
    program(
        tmp_path,
        "terraform",
        "trap 'n=x$n; echo signal' INT\ntrap 'echo wrong' TERM\necho started\n"
        "while [ -z $n ]; do sleep 0.05; done\nsleep 0.3\necho ended $n",
    )
    assert interrupted(tmp_path, number, "terraform") == "signal\nended x\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_what_the_child_has_started(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Docker's buildx is a process of its own, which would go on building."""
    program(tmp_path, "docker", "trap : INT\nplugin\necho ended")
    program(
        tmp_path,
        "plugin",
        "trap 'echo stopped; exit' INT\necho started\n"
        "for _ in $(seq 400); do sleep 0.05; done\necho built",
    )
    assert interrupted(tmp_path, number, "docker") == "stopped\nended\n"


def test_a_dry_run_prints_what_changes_something_and_runs_what_does_not(
    processes: Processes, tmp_path: Path
) -> None:
    program(tmp_path, "tool", f"echo ran >>{tmp_path}/log; echo output")
    lines: list[str] = []
    dry = DryRun(processes, lines.append)

    assert dry.read("tool") == "output\n"
    dry.run("tool", "a b", stdin="secret")
    dry.run("tool", changes=False)

    assert lines == ["would run: tool 'a b' < (a password)"]
    assert (tmp_path / "log").read_text() == "ran\nran\n"


@pytest.mark.parametrize(
    "printed", [NOT_ALLOWED, BORDERED, COLORED], ids=["plain", "with a border", "in color"]
)
def test_an_error_is_told_with_its_explanation_and_without_its_place(printed: str) -> None:
    assert first_error(f"Warning: Unable to open\n\nmore\n{printed}") == LINE


@pytest.mark.parametrize(
    ("printed", "line"),
    [
        ("Error: one\n\nError: two\n", "Error: one"),
        ("Error: one\n", "Error: one"),
        ("Error: one\nof two lines\n\nmore", "Error: one of two lines: more"),
        ("Error: one\n\non main.tf line 1:\n", "Error: one"),
        ("error: one\nErrors: two", ""),
        ("", ""),
    ],
)
def test_an_error_without_an_explanation_stands_alone(printed: str, line: str) -> None:
    assert first_error(printed) == line


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert last_line("one\n\x1b[1mtwo\x1b[0m\n\n\x1b[0m\x1b[0m\n") == "two"
    assert last_line("\x1b[0m\n") == ""
