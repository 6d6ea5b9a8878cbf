"""Traffic moves to a new version in steps, and back if an alarm is raised or a person says so.

The aliases of all consumers move together: after each step the rollback alarms are watched for a
while. Whatever ends a deployment early (an alarm, Ctrl-C, an error of AWS) puts every alias back to
what it was, and the old version takes all batches again.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cli.program import stop_on_signal
from deployment.errors import AlarmRaised, AliasMoved, DeploymentError, NotPutBack
from deployment.live_alias import AliasState, LiveAlias
from deployment.rollback_alarms import RollbackAlarms

POLL_SECONDS = 10.0
"""How often the alarms are read; a metric alarm is evaluated once a minute."""

LOOK_SECONDS = 0.2
ALL = 100

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


@dataclass(slots=True)
class Move:
    """One alias on its way to another version.

    Attributes:
        name: The consumer.
        alias: Its alias.
        version: Where it goes.
    """

    name: str
    alias: LiveAlias
    version: str
    _before: AliasState | None = field(default=None, init=False)
    _now: AliasState | None = field(default=None, init=False)

    def begin(self) -> AliasState:
        """Read where the alias is.

        Raises:
            AliasMoved: It is between two versions.
        """
        self._before = self._now = state = self.alias.read()
        if state.weights:
            raise AliasMoved(
                f"{self.alias} is between two versions ({state}): another deployment is running, "
                "or was killed; `make rollback` ends it"
            )
        return state

    def step(self, percent: int, deployment: str) -> None:
        """Move a share of the traffic.

        Args:
            percent: The new version's share.
            deployment: Marks what this deployment has written.
        """
        before, now = self._begun()
        kept = f"; previous version: {before.previous_version}" if before.previous_version else ""
        if percent == ALL:
            state = AliasState(
                self.version,
                description=f"previous version: {before.version} (deployment {deployment})",
            )
        else:
            state = AliasState(
                before.version,
                {self.version: percent / ALL},
                f"to version {self.version} (deployment {deployment}){kept}",
            )
        self._now = self.alias.write(state, replaces=now)

    def check(self) -> None:
        """Check that nothing else has moved the alias.

        Raises:
            AliasMoved: Something has.
        """
        _, ours = self._begun()
        now = self.alias.read()
        if now != ours:
            raise AliasMoved(f"{self.alias} was moved by something else, and is now at {now}")

    def put_back(self, deployment: str) -> str | None:
        """Put the alias back, and return what happened in words; None: it had not moved.

        What something else has written since is left alone.
        """
        if self._before is None:
            return None
        now = self.alias.read()
        if f"(deployment {deployment})" not in now.description:
            moved = now != self._before
            return f"{self.alias} was moved by something else; left at {now}" if moved else None
        self.alias.write(replace(self._before), replaces=now)
        return f"{self.alias} is back at {self._before}"

    def _begun(self) -> tuple[AliasState, AliasState]:
        if self._before is None or self._now is None:
            raise DeploymentError(f"{self.alias} has not been read yet")
        return self._before, self._now


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
        force: Move although an alarm is raised already; only alarms raised later put it back.

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
    failures: list[str] = []
    with stop_on_signal(lambda: None):  # a second Ctrl-C must not end this half-way
        for move in reversed(moves):
            try:
                if line := move.put_back(deployment):
                    say(line)
            except DeploymentError as error:
                failures.append(str(error))
    if failures:
        raise NotPutBack(
            f"{'; '.join(failures)}: put it back with `make rollback`, or the console"
        ) from why
