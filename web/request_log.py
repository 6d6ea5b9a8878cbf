"""Structured logs of requests, without anything of their bodies, and with a bound on their rate."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from streaming.consumer.settings import LogLevel
from streaming.consumer.telemetry import Telemetry

LINES_A_SECOND = 20
"""Beyond, lines are only counted: a flood of bad requests must not become a flood of logs."""

FIRST_ERROR, FIRST_FAILURE = 400, 500


class RequestLog(Telemetry):
    """The consumer's telemetry, for requests instead of batches.

    Args:
        service: The model's name.
        level: The lowest log level that is written; requests that succeed are logged at DEBUG.
        refresh_failed: Is told that another model was not loaded.
        clock: Monotonic seconds.

    Attributes:
        logs_all: Whether requests that succeed are logged, too.
    """

    def __init__(
        self,
        service: str,
        level: LogLevel,
        refresh_failed: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(service, "", level)
        self.logs_all = level == "DEBUG"
        self._refresh_failed = refresh_failed
        self._clock = clock
        self._second = 0
        self._lines = 0

    def request(
        self, endpoint: str, request_id: str, status: int, seconds: float, reason: str | None
    ) -> None:
        """Log a request.

        Args:
            endpoint: Its endpoint, not its path: that may hold anything.
            request_id: Its id.
            status: The response's.
            seconds: How long it took.
            reason: Why it is an error, without any value of the request.
        """
        level: LogLevel = "DEBUG"
        if status >= FIRST_ERROR:
            level = "ERROR" if status >= FIRST_FAILURE else "WARNING"
        fields = {
            "endpoint": endpoint,
            "request_id": request_id,
            "status": status,
            "latency_seconds": round(seconds, 6),
            "reason": reason,
        }
        self._log(level, "request", fields)

    def info(self, message: str, **fields: Any) -> None:
        """Log what the service does."""
        self._log("INFO", message, fields)

    def model_refresh_failed(self, message: str, *, log: bool) -> None:
        """Count that another model was not loaded, and log it if it is news."""
        if log:
            self.warning(message)
        self._refresh_failed()

    def _log(self, level: LogLevel, message: str, fields: Mapping[str, Any] | None = None) -> None:
        line = self._line(level, message, fields or {})
        if not line:
            return
        second = int(self._clock())
        if second != self._second:
            if self._lines > LINES_A_SECOND:
                left_out = {"lines": self._lines - LINES_A_SECOND}
                self._write(*self._line("WARNING", "more lines in one second", left_out))
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines <= LINES_A_SECOND:
            self._write(*line)
