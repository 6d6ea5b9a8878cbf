"""Other programs: Terraform, Docker and git, started without a shell."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from cli.program import stop_on_signal
from deployment.errors import CommandFailed, ToolMissing
from deployment.printed_errors import first_error, last_line

WHERE_FROM = {
    "terraform": "https://developer.hashicorp.com/terraform/install, version 1.6 or newer",
    "docker": "https://docs.docker.com/engine/install/, with its buildx plugin",
    "git": "https://git-scm.com/downloads",
}


class Commands(Protocol):
    """Runs programs. Secrets go to `stdin`, never into `command`, which every user can list."""

    def read(self, *command: str, stdin: str | None = None) -> str:
        """Run a program that changes nothing, and return what it prints.

        Raises:
            ToolMissing: The program is not installed.
            CommandFailed: It ended with an error; the message has the last line it printed.
        """

    def run(self, *command: str, stdin: str | None = None) -> None:
        """Run a program whose output the user sees.

        Raises:
            ToolMissing: The program is not installed.
            CommandFailed: It ended with an error.
        """


class Processes:
    """Commands as child processes.

    Ctrl-C or SIGTERM reaches a child and what it has started once, as SIGINT, and is raised when
    the child has ended: Terraform killed half-way through would leave resources that its state does
    not know, and Docker's buildx, a process of its own, would go on building.

    Args:
        folder: Where they run.
        environment: Variables besides those of this process.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment

    def read(self, *command: str, stdin: str | None = None) -> str:
        """See `Commands`."""
        child = self._child(command, stdin)
        out, error = child.to_its_end(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # `terraform console` ends with status 0 where a variable is not allowed.
        if child.status or first_error(error):
            reason = first_error(error) or first_error(out) or last_line(error) or last_line(out)
            raise CommandFailed(f"{_short(command)} failed: {reason or 'it printed nothing'}")
        return out

    def run(self, *command: str, stdin: str | None = None) -> None:
        """See `Commands`."""
        child = self._child(command, stdin)
        child.to_its_end()
        if child.status:
            raise CommandFailed(f"{_short(command)} failed with status {child.status}")

    def _child(self, command: tuple[str, ...], stdin: str | None) -> "_Child":
        return _Child(command, stdin, self._folder, {**os.environ, **self._environment})


class _Child:
    """One child process; `status` is its exit status when it has ended."""

    def __init__(
        self, command: tuple[str, ...], stdin: str | None, folder: Path, environment: dict[str, str]
    ) -> None:
        self.status = 0
        self._command = command
        self._stdin = stdin
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self._interrupted = False
        self._told = False

    def to_its_end(self, **pipes: Any) -> tuple[str, str]:
        """Start it, and return what it prints to pipes when it has ended."""
        # A handler, as an exception in the midst of Popen would leave a child that nobody knows.
        with stop_on_signal(self._interrupt):
            process = self._process = self._start(pipes)
            if self._interrupted and not self._told:
                self._tell(process)
            out, error = self._communicate(process)
        self.status = process.returncode
        if self._interrupted:
            raise KeyboardInterrupt
        return out or "", error or ""

    def _start(self, pipes: dict[str, Any]) -> "subprocess.Popen[str]":
        try:
            return subprocess.Popen(  # noqa: S603  the command line is our own, no shell
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL if self._stdin is None else subprocess.PIPE,
                text=True,
                # A terminal sends Ctrl-C to its whole process group; the child's gets it from here.
                process_group=0,
                **pipes,
            )
        except FileNotFoundError:
            raise missing(self._command[0]) from None

    def _communicate(self, process: "subprocess.Popen[str]") -> tuple[str, str]:
        stdin = self._stdin
        while True:
            try:
                return process.communicate(stdin)
            except KeyboardInterrupt:  # the second: Terraform then ends without waiting
                stdin = None
                self._tell(process)

    def _interrupt(self) -> None:
        self._interrupted = True
        if self._process is not None:
            self._tell(self._process)

    def _tell(self, process: "subprocess.Popen[str]") -> None:
        self._told = True
        if process.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(process.pid, signal.SIGINT)


class DryRun:
    """Commands of which only those that change nothing are run; the others are printed.

    Args:
        commands: Runs the former.
        say: Prints a line.
    """

    def __init__(self, commands: Commands, say: Callable[[str], object]) -> None:
        self._commands = commands
        self._say = say

    def read(self, *command: str, stdin: str | None = None) -> str:
        """See `Commands`."""
        return self._commands.read(*command, stdin=stdin)

    def run(self, *command: str, stdin: str | None = None) -> None:
        """Print the command."""
        self._say(f"would run: {shlex.join(command)}{' < (a password)' if stdin else ''}")


def missing(tool: str) -> ToolMissing:
    """Return the error for a program that is not installed."""
    hint = f"; it is at {WHERE_FROM[tool]}" if tool in WHERE_FROM else ""
    return ToolMissing(f"{tool} is needed and not installed{hint}")


def _short(command: tuple[str, ...]) -> str:
    """Return the program and what it was to do, such as `terraform apply` or `scripts image`."""
    words = [word for word in command if not word.startswith("-") and word != sys.executable]
    return " ".join(words[:2])
