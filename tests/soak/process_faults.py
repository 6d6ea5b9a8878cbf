"""What happens to the function's processes and to the clock while batches are processed.

- Killed: SIGKILL, as when a host is lost.
- Out of memory: the process may allocate nothing more (RLIMIT_AS, on Linux) and is then killed, as
  Lambda does.
- Past its timeout: SIGSTOP; the process hangs until the runtime's timeout ends it.
- Clock steps: the platform's wall clock jumps. The deadlines that the function is told, the event
  source mapping's record ages and the reader's time of day go by that clock; the function's own
  does not jump, so that it believes to have less time than it has, or more.
"""

import contextlib
import os
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random

from local.execution_environment import ExecutionEnvironment

INVOCATIONS_BETWEEN = 25
"""One invocation in so many meets process_faults."""

SPARED_INVOCATIONS = 5
DELAY_SECONDS = 0.03
"""At most so long after its start an invocation is met, so that it is under way."""

STARVED_SECONDS = 0.5
STARVED_BYTES = 64 * 1024 * 1024
STEP_SECONDS = 2.0
LONGEST_STEP_SECONDS = 90.0


class ProcessFault(Enum):
    """One way to disturb the function; the value is what a report calls it."""

    KILL = "function killed mid-batch"
    STARVE = "function out of memory"
    HANG = "function past its timeout"
    STEP = "clock stepped, and back"


SHARES = {
    ProcessFault.KILL: 0.4,
    ProcessFault.STARVE: 0.2,
    ProcessFault.HANG: 0.15,
    ProcessFault.STEP: 0.25,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How one invocation is disturbed.

    Attributes:
        what: What happens to it.
        delay: Seconds after its start.
        step: By how many seconds the clock is off, if it is stepped.
    """

    what: ProcessFault
    delay: float
    step: float


class SteppingClock:
    """The wall clock, some seconds off; several threads may use it."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Give the seconds since the epoch, as this clock has them."""
        return time.time() + self._offset

    def step(self, seconds: float) -> None:
        """Be so many seconds ahead of the true time from now on; 0 is right again."""
        self._offset = seconds


class ProcessFaultInjector:
    """Disturbs one invocation in so many; which ones, and how, depends on the seed.

    Args:
        seed: The same seed disturbs the same invocations, counted in the order of their starts.
        clock: Is stepped.
        between: One invocation in so many.

    Attributes:
        done: How often what was done.
    """

    def __init__(
        self, seed: int, clock: SteppingClock, *, between: int = INVOCATIONS_BETWEEN
    ) -> None:
        self.done: Counter[str] = Counter()
        self._seed = seed
        self._clock = clock
        self._between = between
        self._invocations = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def invoked(self, pid: Callable[[], int | None]) -> None:
        """Note that an invocation starts, and disturb it soon if its turn has come.

        Args:
            pid: Gives the process that serves it.
        """
        with self._lock:
            number = self._invocations
            self._invocations += 1
        if plan := self.plan(number):
            threading.Thread(target=self._disturb, args=(plan, pid), daemon=True).start()

    def plan(self, number: int) -> Plan | None:
        """Tell what happens to an invocation.

        Args:
            number: How many came before it.
        """
        chance = Random(f"{self._seed} invocation {number}")
        if number < SPARED_INVOCATIONS or chance.random() > 1 / self._between:
            return None
        (what,) = chance.choices(list(SHARES), weights=list(SHARES.values()))
        return Plan(
            what,
            delay=chance.uniform(0, DELAY_SECONDS),
            step=chance.uniform(-LONGEST_STEP_SECONDS, LONGEST_STEP_SECONDS),
        )

    def end(self) -> None:
        """Disturb nothing any more."""
        self._ended.set()

    def _disturb(self, plan: Plan, pid: Callable[[], int | None]) -> None:
        if self._ended.wait(plan.delay):
            return
        if plan.what is ProcessFault.STEP:
            self._clock.step(plan.step)
            self.done[plan.what.value] += 1
            self._ended.wait(STEP_SECONDS)
            self._clock.step(0.0)
            return
        process = pid()
        if process is None:
            return  # it has just ended for another reason
        self.done[plan.what.value] += 1
        with contextlib.suppress(ProcessLookupError):
            if plan.what is ProcessFault.HANG:
                os.kill(process, signal.SIGSTOP)
                return
            if plan.what is ProcessFault.STARVE:
                starve(process)
                self._ended.wait(STARVED_SECONDS)
            if pid() == process:
                os.kill(process, signal.SIGKILL)


def starve(process: int) -> None:
    """Let a process allocate nothing more, where the system can do that to another process."""
    if hasattr(resource, "prlimit"):
        _, hard = resource.prlimit(process, resource.RLIMIT_AS)
        resource.prlimit(process, resource.RLIMIT_AS, (STARVED_BYTES, hard))


@dataclass(frozen=True, slots=True)
class FaultyEnvironment:
    """An execution environment whose invocations meet faults; a `local.function.StartableFunction`.

    Attributes:
        process: The function's process.
        process_faults: Hears of each invocation.
    """

    process: ExecutionEnvironment
    process_faults: ProcessFaultInjector

    def start(self) -> None:
        """See `StartableFunction`."""
        self.process.start()

    def invoke(self, payload: bytes) -> bytes:
        """See `Function`."""
        self.process_faults.invoked(lambda: self.process.pid)
        return self.process.invoke(payload)

    def close(self) -> None:
        """See `Function`."""
        self.process.close()
