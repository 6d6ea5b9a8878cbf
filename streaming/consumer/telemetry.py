"""Logs and metrics: one structured line per batch, and CloudWatch embedded metrics.

Nothing of a user record is logged, neither its data nor a value in it; dead-letter records keep
those. A batch never fails because a line cannot be written.
"""

import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from streaming.consumer.batch import BatchCounts
from streaming.consumer.records import UserRecord
from streaming.consumer.settings import LogLevel
from streaming.errors import Poison

POISON_LINES = 10
"""Poison of one batch that is logged record by record; the rest is only counted."""

TEXT_CHARACTERS = 500
"""The longest text in a line."""

TRACEBACKS = 10
"""Different errors of the model whose traceback an execution environment logs."""

TRACEBACK_FRAMES = 20
"""The innermost frames of a traceback that are logged."""

LEVELS: dict[LogLevel, int] = {
    "DEBUG": 10,
    "INFO": 20,
    "WARNING": 30,
    "ERROR": 40,
    "CRITICAL": 50,
}
"""Their order, as in `logging`."""

TIME = "%Y-%m-%d %H:%M:%S,%%03d%z"

UNITS = {
    "Received": "Count",
    "Published": "Count",
    "Skipped": "Count",
    "DeadLettered": "Count",
    "Failed": "Count",
    "Retried": "Count",
    "ColdStart": "Count",
    "ModelUnavailable": "Count",
    "ModelRefreshFailed": "Count",
    "BatchLatency": "Milliseconds",
    "ArrivalAge": "Milliseconds",
}
"""The unit of each metric."""

_encode_lines = msgspec.json.Encoder().encode_lines


class Telemetry:
    """Writes logs and metrics to standard output, from where Lambda collects them.

    The lines are those of Powertools' `Logger` and `Metrics`, which take almost as long as
    predicting a single record.

    Args:
        service: The service name in logs and metrics.
        namespace: The CloudWatch namespace of the metrics.
        level: The lowest log level that is written.
    """

    def __init__(self, service: str, namespace: str, level: LogLevel = "INFO") -> None:
        self._service = service
        self._namespace = namespace
        self._level = LEVELS[level]
        self._unavailable = 0
        self._refresh_failures = 0
        self._cold = True
        self._model_errors: set[tuple[str, ...]] = set()

    def poison(self, found: Sequence[tuple[UserRecord, Poison]], before: int = 0) -> None:
        """Log poison by event id and reason.

        Args:
            found: Poison, with the user record that it is.
            before: How much poison of the same batch was found before.
        """
        for user_record, error in found[: max(0, POISON_LINES - before)]:
            fields = {
                "event_id": user_record.event_id,
                "error_type": type(error).__name__,
                "reason": _short(error.reason),
            }
            self._log("WARNING", "poison", fields)

    def model_error(self, step: str, error: Exception) -> None:
        """Log the traceback of an exception of the model, each place once.

        Its message is left out, since it may hold values of the record: the dead-letter record
        keeps it.

        Args:
            step: The model's method that raised it.
            error: The exception; nothing is logged for poison, whose reason says it all.
        """
        frames = traceback.extract_tb(error.__traceback__, limit=-TRACEBACK_FRAMES)
        lines = [
            _short(f"{frame.filename}:{frame.lineno} {frame.name}: {frame.line}")
            for frame in frames
        ]
        place = (step, type(error).__name__, *lines[-1:])
        seen = place in self._model_errors or len(self._model_errors) == TRACEBACKS
        if isinstance(error, Poison) or seen:
            return
        self._model_errors.add(place)
        fields = {"method": step, "error_type": type(error).__name__, "traceback": lines}
        self._log("ERROR", "the model raised an exception", fields)

    def information(self, message: str, fields: Mapping[str, Any]) -> None:
        """Log something that is as it should be."""
        self._log("INFO", message, fields)

    def warning(self, message: str) -> None:
        """Log a condition that may lead to a failure."""
        self._log("WARNING", message)

    def failure(self, message: str) -> None:
        """Log why user records failed."""
        self._log("ERROR", message)

    def model_unavailable(self, step: str, error: Exception) -> None:
        """Log that the model fails on every event, and count it in the batch's metrics.

        Args:
            step: The method that raised an exception, `decode` or `predict`.
            error: The exception. Its message is not logged: it may hold the event.
        """
        self.failure(f"the model is unavailable: {step} raised {type(error).__name__}")
        self._unavailable += 1

    def model_replaced(self, old: str, new: str) -> None:
        """Log that another version of the model is in use."""
        self._log("INFO", "model replaced", {"old_version": old, "new_version": new})

    def model_refresh_failed(self, message: str, *, log: bool) -> None:
        """Count in the batch's metrics that another model was not loaded.

        Args:
            message: Why.
            log: Whether to log it, too.
        """
        if log:
            self.warning(message)
        self._refresh_failures += 1

    def batch(
        self,
        counts: BatchCounts,
        *,
        latency: float,
        arrival_age: float | None,
        request_id: str | None,
    ) -> None:
        """Log a batch in one line and write its metrics.

        Args:
            counts: The batch counts.
            latency: How long it took, in seconds.
            arrival_age: How long ago its oldest record arrived, in seconds; None if it was empty.
            request_id: Lambda's, if there is one.
        """
        if counts.not_started:
            self.failure(f"{counts.not_started} user records not started: out of time or stopped")
        if counts.poison > POISON_LINES:
            self._log("WARNING", "more poison", {"records": counts.poison - POISON_LINES})
        metrics: dict[str, float] = {
            "Received": counts.received,
            "Published": counts.published,
            "Skipped": counts.skipped,
            "DeadLettered": counts.dead_lettered,
            "Failed": counts.failed,
            "Retried": counts.retried,
            "ColdStart": self._cold,
            "BatchLatency": round(latency * 1000, 3),
        }
        if arrival_age is not None:
            metrics["ArrivalAge"] = round(arrival_age * 1000, 3)
        if self._unavailable:
            metrics["ModelUnavailable"] = self._unavailable
        if self._refresh_failures:
            metrics["ModelRefreshFailed"] = self._refresh_failures
        fields: dict[str, Any] = {
            **msgspec.to_builtins(counts),
            "latency_seconds": latency,
            "arrival_age_seconds": arrival_age,
            "cold_start": self._cold,
            "request_id": request_id,
        }
        self._write(self._metrics(metrics), *self._line("INFO", "batch", fields))
        self._unavailable = self._refresh_failures = 0
        self._cold = False

    def _metrics(self, values: Mapping[str, float]) -> dict[str, Any]:
        """Return metrics in CloudWatch's embedded metric format, with the service as dimension."""
        definition = {
            "Namespace": self._namespace,
            "Dimensions": [["service"]],
            "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
        }
        return {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [definition]},
            "service": self._service,
            **{name: [float(value)] for name, value in values.items()},
        }

    def _log(self, level: LogLevel, message: str, fields: Mapping[str, Any] | None = None) -> None:
        self._write(*self._line(level, message, fields or {}))

    def _line(self, level: LogLevel, message: str, fields: Mapping[str, Any]) -> list[Any]:
        """Return a line of the log without what is None; nothing below the log level."""
        if LEVELS[level] < self._level:
            return []
        now = time.time()
        line = {
            "level": level,
            "message": _short(message),
            "timestamp": time.strftime(TIME, time.localtime(now)) % int(now % 1 * 1000),
            "service": self._service,
            **fields,
            "xray_trace_id": _trace_id(),
        }
        return [{name: value for name, value in line.items() if value is not None}]

    def _write(self, *lines: Mapping[str, Any]) -> None:
        # What is published already would be published again. Standard output may be full, closed,
        # or None: then it was closed when Python started.
        with suppress(Exception):
            sys.stdout.write(_encode_lines(lines).decode())
            sys.stdout.flush()


def _trace_id() -> str | None:
    """Return X-Ray's trace id of the invocation, which Lambda's runtime sets."""
    return os.environ.get("_X_AMZN_TRACE_ID", "").partition(";")[0].removeprefix("Root=") or None


def _short(text: str) -> str:
    """Return the first line of a text, cut."""
    return text.partition("\n")[0][:TEXT_CHARACTERS]
