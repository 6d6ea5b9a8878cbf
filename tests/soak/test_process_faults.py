import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.soak.process_faults import (
    SPARED_INVOCATIONS,
    PlannedFault,
    ProcessFault,
    ProcessFaultInjector,
    SteppingClock,
    limit_memory,
)

ALLOCATE = "import sys; print(flush=True); sys.stdin.read(1); bytearray(10**9)"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    program = [sys.executable, "-c", ALLOCATE]
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def seed_for(fault: ProcessFault) -> int:
    """Find a seed with which the first invocation that is not spared meets a fault."""
    for seed in range(1000):
        planned = ProcessFaultInjector(seed, SteppingClock(), every=1).plan(SPARED_INVOCATIONS)
        if planned is not None and planned.fault is fault:
            return seed
    raise LookupError(fault)


def inject(fault: ProcessFault, process: subprocess.Popen[bytes]) -> ProcessFaultInjector:
    injector = ProcessFaultInjector(seed_for(fault), SteppingClock(), every=1)
    for _ in range(SPARED_INVOCATIONS + 1):
        injector.invocation_started(lambda: process.pid)
    return injector


def test_a_killed_function_is_gone(sleeper: subprocess.Popen[bytes]) -> None:
    injector = inject(ProcessFault.KILL, sleeper)
    assert sleeper.wait(20) == -signal.SIGKILL
    assert injector.injected == {"function killed during a batch": 1}


def test_a_function_that_times_out_is_stopped_and_not_killed(
    sleeper: subprocess.Popen[bytes],
) -> None:
    inject(ProcessFault.TIMEOUT, sleeper)
    _, status = os.waitpid(sleeper.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux has prlimit")
def test_a_function_out_of_memory_cannot_allocate(sleeper: subprocess.Popen[bytes]) -> None:
    limit_memory(sleeper.pid)
    _, errors = sleeper.communicate(b"x", timeout=20)
    assert b"MemoryError" in errors


def test_a_function_out_of_memory_is_killed(sleeper: subprocess.Popen[bytes]) -> None:
    inject(ProcessFault.OUT_OF_MEMORY, sleeper)
    assert sleeper.wait(20) == -signal.SIGKILL


def test_a_stepped_clock_is_off_until_it_is_restored() -> None:
    clock = SteppingClock()
    clock.step(-3600)
    assert clock.now() == pytest.approx(time.time() - 3600, abs=60)
    clock.step(0)
    assert clock.now() == pytest.approx(time.time(), abs=60)


def test_the_seed_decides_which_invocations_meet_which_fault() -> None:
    def plans(seed: int) -> list[PlannedFault | None]:
        injector = ProcessFaultInjector(seed, SteppingClock())
        return [injector.plan(number) for number in range(500)]

    assert plans(1) == plans(1) != plans(2)
    assert {planned.fault for planned in plans(1) if planned} == {*ProcessFault}


def test_nothing_is_injected_after_the_stop() -> None:
    injector = ProcessFaultInjector(1, SteppingClock(), every=1)
    injector.stop()
    for _ in range(20):
        injector.invocation_started(lambda: None)
    assert not injector.injected
