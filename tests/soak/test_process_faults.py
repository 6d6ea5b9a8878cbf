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
    Plan,
    ProcessFault,
    ProcessFaultInjector,
    SteppingClock,
    starve,
)

HOPELESS = "import sys; print(flush=True); sys.stdin.read(1); bytearray(10**9)"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    program = [sys.executable, "-c", HOPELESS]
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def seed_for(what: ProcessFault) -> int:
    """Find a seed with which the first invocation that is not spared meets this."""
    for seed in range(1000):
        process_faults = ProcessFaultInjector(seed, SteppingClock(), between=1)
        plan = process_faults.plan(SPARED_INVOCATIONS)
        if plan is not None and plan.what is what:
            return seed
    raise LookupError(what)


def disturbed(what: ProcessFault, process: subprocess.Popen[bytes]) -> ProcessFaultInjector:
    process_faults = ProcessFaultInjector(seed_for(what), SteppingClock(), between=1)
    for _ in range(SPARED_INVOCATIONS + 1):
        process_faults.invoked(lambda: process.pid)
    return process_faults


def test_a_killed_function_is_gone(sleeper: subprocess.Popen[bytes]) -> None:
    process_faults = disturbed(ProcessFault.KILL, sleeper)
    assert sleeper.wait(20) == -signal.SIGKILL
    assert process_faults.done == {"function killed mid-batch": 1}


def test_a_hanging_function_lives_and_does_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    disturbed(ProcessFault.HANG, sleeper)
    _, status = os.waitpid(sleeper.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux has prlimit")
def test_a_starved_function_can_allocate_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    starve(sleeper.pid)
    _, errors = sleeper.communicate(b"x", timeout=20)
    assert b"MemoryError" in errors


def test_a_starved_function_is_killed_in_the_end(sleeper: subprocess.Popen[bytes]) -> None:
    disturbed(ProcessFault.STARVE, sleeper)
    assert sleeper.wait(20) == -signal.SIGKILL


def test_the_clock_is_some_time_off_until_it_is_set_right() -> None:
    clock = SteppingClock()
    clock.step(-3600)
    assert clock.now() == pytest.approx(time.time() - 3600, abs=60)
    clock.step(0)
    assert clock.now() == pytest.approx(time.time(), abs=60)


def test_which_invocations_are_disturbed_depends_on_the_seed() -> None:
    def plans(seed: int) -> list[Plan | None]:
        process_faults = ProcessFaultInjector(seed, SteppingClock())
        return [process_faults.plan(number) for number in range(500)]

    assert plans(1) == plans(1) != plans(2)
    assert {plan.what for plan in plans(1) if plan} == {*ProcessFault}


def test_nothing_is_disturbed_after_the_end() -> None:
    process_faults = ProcessFaultInjector(1, SteppingClock(), between=1)
    process_faults.end()
    for _ in range(20):
        process_faults.invoked(lambda: None)
    assert not process_faults.done
