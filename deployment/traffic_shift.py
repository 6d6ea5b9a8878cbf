"""Traffic moves to a new version in steps, and back if an alarm is raised or a person says so.

The aliases of all consumers move together: after each step the rollback alarms are watched for a
while. Whatever ends a deployment early (an alarm, Ctrl-C, an error of AWS) puts every alias back to
what it was, and the old version takes all batches again.
"""

import signal
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cli.program import stop_on_signal
from deployment.alias_move import ALL, Move
from deployment.errors import AlarmRaised, DeploymentError, NotPutBack
from deployment.rollback_alarms import RollbackAlarms

POLL_SECONDS = 10.0
"""How often the alarms are read; a metric alarm is evaluated once a minute."""

LOOK_SECONDS = 0.2

Pause = Callable[[float], bool]
"""Waits for some seconds; returns at once, and True, when a stop is requested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How traffic moves.

    Attributes:
        steps: Percentages of the new version, rising; 100 follows them by itself.
        bake_seconds: How long the alarms are watched after each step, the last one included.
    """

    steps: Sequence[int] = (10, 50)
    bake_seconds: float = 300.0


class StopRequest:
    """Whether a person wants a stop; a signal handler may call `set`, as no lock is involved."""

    def __init__(self) -> None:
        self._requested = False

    def set(self) -> None:
        """Request a stop."""
        self._requested = True

    def pause(self, seconds: float) -> bool:
        """See `Pause`."""
        end = time.monotonic() + seconds
        while not self._requested and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_SECONDS))
        return self._requested


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The passage of time, so that a test can replace it.

    Attributes:
        clock: Monotonic seconds.
        pause: See `Pause`.
    """

    pause: Pause
    clock: Callable[[], float] = time.monotonic


def move_traffic(
    moves: Sequence[Move],
    alarms: RollbackAlarms,
    schedule: Schedule,
    waiting: Waiting,
    say: Callable[[str], object],
    *,
    force: bool = False,
) -> None:
    """Move every alias to its version in steps.

    Args:
        moves: The aliases and their versions.
        alarms: What puts them back.
        schedule: The steps.
        waiting: Time and the request to stop.
        say: Prints a line.
        force: Move although an alarm is raised already, which is then ignored to the end: it may
            be one that comes and goes.

    Raises:
        AlarmRaised: An alarm is or was raised; every alias is where it was.
        AliasMoved: Something else moves an alias; the others are where they were.
        KeyboardInterrupt: A stop was requested; every alias is where it was.
        NotPutBack: An alias could not be put back.
        DeploymentError: AWS refuses, or does not respond; every alias is where it was.
    """
    for move in moves:
        state = move.begin()
        say(f"{move.name}: version {state.version} to version {move.version}")
    ignored = alarms.raised()
    if ignored and not force:
        raise AlarmRaised(ignored, "nothing was moved; FORCE=1 moves traffic all the same")
    if ignored:
        say(f"In ALARM already, and ignored: {', '.join(ignored)}")
    deployment = uuid.uuid4().hex[:8]
    baking = _Baking(moves, alarms, frozenset(ignored), waiting)
    try:
        for percent in (*schedule.steps, ALL):
            for move in moves:
                baking.stop_if_requested()
                move.step(percent, deployment)
            say(f"{percent} % on the new version; watching alarms {schedule.bake_seconds:.0f} s")
            baking.bake(schedule.bake_seconds)
    except BaseException as error:
        _put_back(moves, deployment, say, error)
        raise


@dataclass(frozen=True, slots=True)
class _Baking:
    moves: Sequence[Move]
    alarms: RollbackAlarms
    ignored: frozenset[str]
    waiting: Waiting

    def bake(self, seconds: float) -> None:
        end = self.waiting.clock() + seconds
        while True:
            self._check()
            left = end - self.waiting.clock()
            if left <= 0:
                return
            if self.waiting.pause(min(left, POLL_SECONDS)):
                raise KeyboardInterrupt

    def stop_if_requested(self) -> None:
        if self.waiting.pause(0):
            raise KeyboardInterrupt

    def _check(self) -> None:
        if raised := [name for name in self.alarms.raised() if name not in self.ignored]:
            raise AlarmRaised(raised, "the new version takes no more traffic")
        for move in self.moves:
            move.check()


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
        raise NotPutBack(
            f"{'; '.join(failures)}: put it back with `make rollback`, or the console"
        ) from why
    for line in lines:  # last, as the terminal may be gone
        say(line)
