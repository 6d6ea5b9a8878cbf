import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak.resource_limits import ResourceLimits, resident_bytes

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")

HOLD = "import sys; held = bytearray(b'x') * 64 * 1024**2; print(flush=True); sys.stdin.read(1)"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=pipe, stdout=pipe) as holding:
        assert holding.stdout is not None
        holding.stdout.readline()
        yield holding
        holding.kill()


def test_a_process_that_holds_more_memory_than_its_limit_is_killed(
    process: subprocess.Popen[bytes],
) -> None:
    limits = ResourceLimits(memory_mb=32)
    limits.add(lambda: process.pid)
    limits.start()
    assert process.wait(20) == -signal.SIGKILL
    limits.stop()
    assert limits.exceeded.keys() == {"function over its memory"}


def test_a_process_with_a_share_of_a_cpu_ends_by_itself(process: subprocess.Popen[bytes]) -> None:
    limits = ResourceLimits(memory_mb=10_000, cpu_share=0.2)
    limits.add(lambda: process.pid if process.returncode is None else None)
    limits.start()
    process.communicate(b"x", timeout=20)
    limits.stop()
    assert process.returncode == 0
    assert not limits.exceeded


def test_a_process_that_hangs_stays_stopped(process: subprocess.Popen[bytes]) -> None:
    limits = ResourceLimits(cpu_share=0.5)
    limits.add(lambda: process.pid)
    limits.hang(process.pid)
    limits.start()
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(b"x", timeout=0.5)
    limits.stop()


def test_the_memory_of_a_process_is_what_it_holds(process: subprocess.Popen[bytes]) -> None:
    assert resident_bytes(process.pid) > 64 * 1024**2
    process.kill()
    process.wait()
    assert resident_bytes(process.pid) == 0
