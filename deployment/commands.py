"""Other programs: Terraform, Docker and git, started without a shell."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Protocol

from cli.program import stop_on_signal
from deployment.errors import CommandFailed, ToolMissing

WHERE_FROM = {
    "terraform": "https://developer.hashicorp.com/terraform/install, version 1.6 or newer",
    "docker": "https://docs.docker.com/engine/install/, with its buildx plugin",
    "git": "https://git-scm.com/downloads",
}
LOOK_SECONDS = 0.2
"""How often it is looked whether a signal must be handed to a child."""

COLOR = re.compile(r"\x1b\[[0-9;]*m")
BORDER = "│╷╵ \t"
PLACE = "on "
"""How Terraform begins the paragraph that quotes the line at fault."""


class Commands(Protocol):
    """Runs programs. Secrets go to `stdin`, never into `command`, which every user can list.

    Raises:
        ToolMissing: The program is not installed.
        CommandFailed: It ended with an error; from `read` with Terraform's first error, or the last
            line that was printed.
    """

    def read(self, *command: str, stdin: str | None = None) -> str:
        """Run a program that changes nothing, and return what it prints."""

    def run(self, *command: str, stdin: str | None = None, changes: bool = True) -> None:
        """Run a program whose output the user sees; `changes`: it may change something."""


class Processes:
    """Commands as child processes, in a folder, with variables besides those of this process.

    Ctrl-C or SIGTERM reaches a child and what it has started once, as SIGINT, and is raised when
    the child has ended: Terraform killed half-way through would leave resources that its state does
    not know, and Docker's buildx, a process of its own, would go on building.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment

    def read(self, *command: str, stdin: str | None = None) -> str:
        """See `Commands`."""
        status, out, error = self._to_its_end(command, stdin, subprocess.PIPE)
        # `terraform console` ends with status 0 where a variable is not allowed.
        if status or first_error(error):
            reason = first_error(error) or first_error(out) or last_line(f"{out}\n{error}")
            raise CommandFailed(f"{_short(command)} failed: {reason or 'it printed nothing'}")
        return out

    def run(self, *command: str, stdin: str | None = None, changes: bool = True) -> None:
        """See `Commands`."""
        del changes
        status, *_ = self._to_its_end(command, stdin, None)
        if status:
            raise CommandFailed(f"{_short(command)} failed with status {status}")

    def _to_its_end(
        self, command: tuple[str, ...], stdin: str | None, pipe: int | None
    ) -> tuple[int, str, str]:
        """Return a program's exit status, and what it prints to a pipe."""
        stops: list[bool] = []  # a handler, as an exception in Popen would leave an unknown child
        with stop_on_signal(lambda: stops.append(True)):
            child = self._start(command, stdin, pipe)
            told = False
            while True:
                try:
                    if stops and not told:
                        told = True
                        _interrupt(child)
                    out, error = child.communicate(stdin, timeout=LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    stdin = None  # communicate goes on with what it has
                except KeyboardInterrupt:  # the second: Terraform then ends without waiting
                    stdin = None
                    _interrupt(child)
        if stops:
            raise KeyboardInterrupt
        return child.returncode, out or "", error or ""

    def _start(
        self, command: tuple[str, ...], stdin: str | None, pipe: int | None
    ) -> "subprocess.Popen[str]":
        try:
            return subprocess.Popen(  # noqa: S603  the command line is our own, no shell
                command,
                cwd=self._folder,
                env={**os.environ, "TF_IN_AUTOMATION": "1", **self._environment},
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                text=True,
                # A terminal sends Ctrl-C to its whole process group; the child's gets it from here.
                process_group=0,
                stdout=pipe,
                stderr=pipe,
            )
        except FileNotFoundError:
            tool = command[0]
            hint = f"; it is at {WHERE_FROM[tool]}" if tool in WHERE_FROM else ""
            raise ToolMissing(f"{tool} is needed and not installed{hint}") from None


def _interrupt(child: "subprocess.Popen[str]") -> None:
    if child.poll() is None:
        with suppress(ProcessLookupError):  # it has just ended
            os.killpg(child.pid, signal.SIGINT)


class DryRun:
    """Commands of which only those that change nothing are run; `say` prints the others."""

    def __init__(self, commands: Commands, say: Callable[[str], object]) -> None:
        self.read = commands.read
        self._commands = commands
        self._say = say

    def run(self, *command: str, stdin: str | None = None, changes: bool = True) -> None:
        """Print the command if it changes something."""
        if changes:
            self._say(f"would run: {shlex.join(command)}{' < (a password)' if stdin else ''}")
        else:
            self._commands.run(*command, stdin=stdin, changes=False)


def first_error(printed: str) -> str:
    """Return Terraform's first error: what it is, and the paragraph that explains it.

    Returns:
        A line that begins with `Error: `; empty if there is no error.
    """
    paragraphs = (" ".join(group) for filled, group in groupby(_lines(printed), bool) if filled)
    error = next((each for each in paragraphs if each.startswith("Error: ")), "")
    explanation = next((each for each in paragraphs if not each.startswith(PLACE)), "")
    if not explanation or explanation.startswith(("Error: ", "Warning: ")):
        return error
    return f"{error}: {explanation}"


def last_line(printed: str) -> str:
    """Return the last line that is not empty; empty if there is none."""
    return next(filter(None, reversed(_lines(printed))), "")


def _lines(printed: str) -> list[str]:
    return [line.strip(BORDER) for line in COLOR.sub("", printed).splitlines()]


def _short(command: tuple[str, ...]) -> str:
    """Return the program and what it was to do, such as `terraform apply` or `scripts image`."""
    words = [word for word in command if not word.startswith("-") and word != sys.executable]
    return " ".join(words[:2])
