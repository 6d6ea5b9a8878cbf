"""Traffic moves to a new version in steps, and back if an alarm is raised or a person says so.

The aliases of all consumers move together: after each step the rollback alarms are watched for a
while. Whatever ends a deployment early (an alarm, a signal, an error of AWS) puts every alias back
to what it was, and the old version takes all batches again.
"""

import signal
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cli.program import stop_on_signal
from deployment.alias_move import ALL, Move
from deployment.errors import DeploymentError, aws_errors

NAMES_PER_CALL = 100
"""Alarm names in one call of DescribeAlarms (its API reference)."""

POLL_SECONDS = 10.0
"""How often the alarms are read; a metric alarm is evaluated once a minute."""

LOOK_SECONDS = 0.2


class StopRequest:
    """Whether a person wants a stop; a signal handler may call `set`, as no lock is involved."""

    def __init__(self) -> None:
        self._requested = False

    def set(self) -> None:
        """Request a stop."""
        self._requested = True

    def pause(self, seconds: float) -> None:
        """Wait for some seconds.

        Raises:
            KeyboardInterrupt: At once, when a stop is requested.
        """
        end = time.monotonic() + seconds
        while not self._requested and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_SECONDS))
        if self._requested:
            raise KeyboardInterrupt


def raised_alarms(client: Any, names: Iterable[str]) -> list[str]:
    """Return which alarms are in ALARM; INSUFFICIENT_DATA is none.

    Args:
        client: A boto3 CloudWatch client.
        names: Names of metric alarms.

    Raises:
        DeploymentError: One does not exist, so that it would never be raised; or CloudWatch does
            not respond.
    """
    wanted = sorted(set(names))
    states: dict[str, str] = {}
    for start in range(0, len(wanted), NAMES_PER_CALL):
        chunk = wanted[start : start + NAMES_PER_CALL]
        with aws_errors("the alarms cannot be read"):
            response = client.describe_alarms(AlarmNames=chunk, MaxRecords=NAMES_PER_CALL)
        states |= {alarm["AlarmName"]: alarm["StateValue"] for alarm in response["MetricAlarms"]}
    if absent := [name for name in wanted if name not in states]:
        raise DeploymentError(f"no such alarm: {', '.join(absent)}; apply infrastructure/ first")
    return [name for name in wanted if states[name] == "ALARM"]


def move_traffic(
    moves: Sequence[Move],
    alarms: Callable[[], list[str]],
    stop: StopRequest,
    say: Callable[[str], object],
    *,
    steps: Sequence[int],
    bake_seconds: float,
    force: bool = False,
) -> None:
    """Move every alias to its version in steps.

    Args:
        moves: The aliases and their versions.
        alarms: Returns which rollback alarms are raised.
        stop: Set by Ctrl-C, SIGTERM and SIGHUP.
        say: Prints a line.
        steps: Percentages of the new version, rising; 100 follows them by itself.
        bake_seconds: How long the alarms are watched after each step, the last one included.
        force: Move although an alarm is raised already, which is then ignored to the end: it may
            be one that comes and goes.

    Raises:
        DeploymentError: An alarm is or was raised, something else moves an alias, AWS refuses, or
            it does not respond: every other alias is where it was. Or one could not be put back.
        KeyboardInterrupt: A stop was requested; every alias is where it was.
    """
    for move in moves:
        say(f"{move.name}: version {move.begin().version} to version {move.version}")
    if (ignored := alarms()) and not force:
        raise DeploymentError(
            f"in ALARM: {', '.join(ignored)}; nothing was moved; FORCE=1 deploys all the same"
        )
    if ignored:
        say(f"In ALARM already, and ignored: {', '.join(ignored)}")

    def check() -> None:
        if raised := [name for name in alarms() if name not in ignored]:
            raise DeploymentError(
                f"in ALARM: {', '.join(raised)}; the new version takes no more traffic"
            )
        for move in moves:
            move.check()

    deployment = uuid.uuid4().hex[:8]
    with stop_on_signal(stop.set, signal.SIGHUP):
        try:
            for percent in (*steps, ALL):
                for move in moves:
                    stop.pause(0)
                    move.step(percent, deployment)
                say(f"{percent} % on the new version; watching alarms {bake_seconds:.0f} s")
                _watch(check, bake_seconds, stop)
        except BaseException as error:
            _put_back(moves, deployment, say, error)
            raise


def _watch(check: Callable[[], None], seconds: float, stop: StopRequest) -> None:
    check()
    while seconds > 0:
        stop.pause(min(seconds, POLL_SECONDS))
        seconds -= POLL_SECONDS
        check()


def _put_back(
    moves: Sequence[Move], deployment: str, say: Callable[[str], object], why: BaseException
) -> None:
    lines: list[str] = []
    failures: list[str] = []
    with stop_on_signal(lambda: None, signal.SIGHUP):  # the next signal must not end this half-way
        for move in reversed(moves):
            try:
                lines += filter(None, [move.put_back(deployment)])
            except DeploymentError as error:
                failures.append(str(error))
    if failures:
        raise DeploymentError(
            f"{'; '.join(failures)}: put it back with `make rollback`, or the console"
        ) from why
    for line in lines:  # last, as the terminal may be gone
        say(line)
