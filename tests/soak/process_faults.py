"""Process faults: what happens to the function's processes and the clock during invocations.

- Killed: SIGKILL, as when a host is lost.
- Out of memory: the process may allocate nothing more (RLIMIT_AS, on Linux) and is then killed, as
  Lambda does.
- Timed out: SIGSTOP; the process hangs until the runtime's timeout ends it.
- Clock stepped: the platform's wall clock jumps. The invocation's deadline, the event source
  mapping's record ages and the reader's time of day follow that clock. The function's own clock
  does not jump, so the function believes that it has less time than it has, or more.
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

FAULT_EVERY = 25
"""On average, one of this many invocations meets a fault."""

SPARED_INVOCATIONS = 5
DELAY_SECONDS = 0.03
"""The longest time from an invocation's start to its fault, so that the fault meets it running."""

MEMORY_LIMIT_SECONDS = 0.5
MEMORY_LIMIT_BYTES = 64 * 1024 * 1024
STEP_SECONDS = 2.0
LONGEST_STEP_SECONDS = 90.0


class ProcessFault(Enum):
    """One way to disturb an invocation; the value is its name in the report."""

    KILL = "function killed during a batch"
    OUT_OF_MEMORY = "function out of memory"
    TIMEOUT = "function timed out"
    CLOCK_STEP = "clock stepped and restored"


SHARES = {
    ProcessFault.KILL: 0.4,
    ProcessFault.OUT_OF_MEMORY: 0.2,
    ProcessFault.TIMEOUT: 0.15,
    ProcessFault.CLOCK_STEP: 0.25,
}


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """The fault of one invocation.

    Attributes:
        fault: Its kind.
        delay: Seconds from the invocation's start to the fault.
        step: By how many seconds the clock is off, if it is stepped.
    """

    fault: ProcessFault
    delay: float
    step: float


class SteppingClock:
    """A wall clock that can be stepped; thread-safe."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Return this clock's seconds since the epoch."""
        return time.time() + self._offset

    def step(self, seconds: float) -> None:
        """Set how far this clock is ahead of the true time, in seconds; 0 restores it."""
        self._offset = seconds


class ProcessFaultInjector:
    """Injects a process fault into some invocations; which ones depends on the seed.

    Args:
        seed: The same seed disturbs the same invocations, counted in the order of their starts.
        clock: The clock to step.
        every: On average, one of this many invocations meets a fault.
        hang: Stops a process for good.

    Attributes:
        injected: How many faults of each kind were injected.
    """

    def __init__(
        self,
        seed: int,
        clock: SteppingClock,
        *,
        every: int = FAULT_EVERY,
        hang: Callable[[int], None] = lambda pid: os.kill(pid, signal.SIGSTOP),
    ) -> None:
        self.injected: Counter[str] = Counter()
        self._seed = seed
        self._clock = clock
        self._every = every
        self._hang = hang
        self._invocations = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def invocation_started(self, pid: Callable[[], int | None]) -> None:
        """Count an invocation, and disturb it soon if the plan has a fault for it.

        Args:
            pid: Returns the id of the process that serves it.
        """
        with self._lock:
            number = self._invocations
            self._invocations += 1
        if planned := self.plan(number):
            threading.Thread(target=self._inject, args=(planned, pid), daemon=True).start()

    def plan(self, number: int) -> PlannedFault | None:
        """Return the fault of an invocation, or None.

        Args:
            number: How many invocations came before it.
        """
        random = Random(f"{self._seed} invocation {number}")
        if number < SPARED_INVOCATIONS or random.random() > 1 / self._every:
            return None
        (fault,) = random.choices(list(SHARES), weights=list(SHARES.values()))
        return PlannedFault(
            fault,
            delay=random.uniform(0, DELAY_SECONDS),
            step=random.uniform(-LONGEST_STEP_SECONDS, LONGEST_STEP_SECONDS),
        )

    def stop(self) -> None:
        """Inject nothing more."""
        self._stopped.set()

    def _inject(self, planned: PlannedFault, pid: Callable[[], int | None]) -> None:
        fault = planned.fault
        if self._stopped.wait(planned.delay):
            return
        if fault is ProcessFault.CLOCK_STEP:
            self._clock.step(planned.step)
            self.injected[fault.value] += 1
            self._stopped.wait(STEP_SECONDS)
            self._clock.step(0.0)
            return
        process = pid()
        if process is None:
            return  # it has just ended for another reason
        self.injected[fault.value] += 1
        with contextlib.suppress(ProcessLookupError):
            if fault is ProcessFault.TIMEOUT:
                self._hang(process)
                return
            if fault is ProcessFault.OUT_OF_MEMORY:
                limit_memory(process)
                self._stopped.wait(MEMORY_LIMIT_SECONDS)
            if pid() == process:
                os.kill(process, signal.SIGKILL)


def limit_memory(process: int) -> None:
    """Keep a process from allocating more memory, on systems that can limit another process."""
    if hasattr(resource, "prlimit"):
        _, hard = resource.prlimit(process, resource.RLIMIT_AS)
        resource.prlimit(process, resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, hard))


@dataclass(frozen=True, slots=True)
class FaultyEnvironment:
    """An execution environment whose invocations meet faults; a `local.function.StartableFunction`.

    Attributes:
        process: The function's process.
        injector: Is notified of each invocation.
    """

    process: ExecutionEnvironment
    injector: ProcessFaultInjector

    def start(self) -> None:
        """See `StartableFunction`."""
        self.process.start()

    def invoke(self, payload: bytes) -> bytes:
        """See `Function`."""
        self.injector.invocation_started(lambda: self.process.pid)
        return self.process.invoke(payload)

    def kill(self) -> None:
        """See `StartableFunction`."""
        self.process.kill()

    def close(self) -> None:
        """See `Function`."""
        self.process.close()
