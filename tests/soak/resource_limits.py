"""The memory and the share of a CPU that the function's processes get, as at Lambda.

- Memory: a process that holds more is killed. Read from /proc, so only on Linux.
- CPU: a process is stopped most of the time, by SIGSTOP and SIGCONT. Lambda gives a function of
  1,769 MB one CPU and less memory a smaller share of it: 14.5 % at 256 MB.
"""

import contextlib
import os
import resource
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

PERIOD_SECONDS = 0.1
"""A process runs and is stopped once in each period."""

OVER_MEMORY = "function over its memory"

Pid = Callable[[], int | None]


class ResourceLimits:
    """Limits processes until it is stopped.

    Args:
        memory_mb: The most that a process may hold; None: no limit.
        cpu_share: Of one CPU, above 0 and below 1; None: no limit.

    Attributes:
        exceeded: How often a process was killed.
    """

    def __init__(self, memory_mb: int | None = None, cpu_share: float | None = None) -> None:
        self.exceeded: Counter[str] = Counter()
        self._memory_mb = memory_mb
        self._running = PERIOD_SECONDS * (1.0 if cpu_share is None else cpu_share)
        self._pids: list[Pid] = []
        self._hung: set[int] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start, if there is anything to limit."""
        if self._memory_mb is not None or self._running < PERIOD_SECONDS:
            self._thread.start()

    def stop(self) -> None:
        """Limit nothing more; processes that are stopped go on."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def add(self, pid: Pid) -> None:
        """Limit a process.

        Args:
            pid: Returns its id, or None while it does not run.
        """
        self._pids.append(pid)

    def hang(self, pid: int) -> None:
        """Stop a process, which does not go on until it is killed."""
        self._hung.add(pid)
        _signal(pid, signal.SIGSTOP)

    def _run(self) -> None:
        while not self._stopped.is_set():
            running = [pid for each in list(self._pids) if (pid := each())]
            for pid in running:
                if pid not in self._hung:
                    _signal(pid, signal.SIGCONT)
            self._stopped.wait(self._running)
            for pid in running:
                self._check_memory(pid)
            if self._running < PERIOD_SECONDS and not self._stopped.is_set():
                for pid in running:
                    _signal(pid, signal.SIGSTOP)
                self._stopped.wait(PERIOD_SECONDS - self._running)
                for pid in set(running) - self._hung:
                    _signal(pid, signal.SIGCONT)

    def _check_memory(self, pid: int) -> None:
        if self._memory_mb is not None and resident_bytes(pid) > self._memory_mb * 1024**2:
            self.exceeded[OVER_MEMORY] += 1
            _signal(pid, signal.SIGKILL)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process; 0 if it has ended."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * resource.getpagesize()


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
