"""Logs and metrics: one structured line per batch, and CloudWatch embedded metrics.

Nothing of a user record is logged, neither its data nor a value in it; dead-letter records keep
those. A batch never fails because a line cannot be written.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from streaming.consumer.batch import BatchCounts
from streaming.consumer.records import UserRecord
from streaming.consumer.settings import LogLevel
from streaming.errors import Poison

POISON_LINES = 10
"""Poison of one batch that is logged record by record; the rest is only counted."""

TEXT_CHARACTERS = 500
"""The longest text in a line."""


class Telemetry:
    """Writes logs and metrics to standard output, from where Lambda collects them.

    Args:
        service: The service name in logs and metrics.
        namespace: The CloudWatch namespace of the metrics.
        level: The lowest log level that is written.
    """

    def __init__(self, service: str, namespace: str, level: LogLevel = "INFO") -> None:
        self._logger = Logger(service=service, level=level)
        self._metrics = EphemeralMetrics(namespace=namespace, service=service)
        self._cold = True

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
            self._log(self._logger.warning, "poison", fields)

    def warning(self, message: str) -> None:
        """Log a condition that may lead to a failure."""
        self._log(self._logger.warning, message)

    def failure(self, message: str) -> None:
        """Log why user records failed."""
        self._log(self._logger.error, message)

    def model_unavailable(self, step: str, error: Exception) -> None:
        """Log that the model fails on every event, and count it in the batch's metrics.

        Args:
            step: The method that raised an exception, `decode` or `predict`.
            error: The exception. Its message is not logged: it may hold the event.
        """
        self.failure(f"the model is unavailable: {step} raised {type(error).__name__}")
        self._measure("ModelUnavailable", 1)

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
            fields = {"records": counts.poison - POISON_LINES}
            self._log(self._logger.warning, "more poison", fields)
        self._measure("Received", counts.received)
        self._measure("Published", counts.published)
        self._measure("Skipped", counts.skipped)
        self._measure("DeadLettered", counts.dead_lettered)
        self._measure("Failed", counts.failed)
        self._measure("Retried", counts.retried)
        self._measure("ColdStart", self._cold)
        self._measure("BatchLatency", round(latency * 1000, 3), "Milliseconds")
        if arrival_age is not None:
            self._measure("ArrivalAge", round(arrival_age * 1000, 3), "Milliseconds")
        self._flush_metrics()
        self._log(
            self._logger.info,
            "batch",
            {
                **msgspec.to_builtins(counts),
                "latency_seconds": latency,
                "arrival_age_seconds": arrival_age,
                "cold_start": self._cold,
                "request_id": request_id,
            },
        )
        self._cold = False

    def _log(
        self, write: Callable[..., None], message: str, fields: dict[str, Any] | None = None
    ) -> None:
        # Logging ignores what fails in writing, but then fails on a standard error that is closed.
        with suppress(OSError, ValueError):
            write(_short(message), extra=fields or {}, stacklevel=3)

    def _measure(self, name: str, value: float, unit: str = "Count") -> None:
        # As `add_metric` would, which takes longer to validate these constants than all the rest.
        self._metrics.metric_set[name] = {"Unit": unit, "Value": [float(value)]}

    def _flush_metrics(self) -> None:
        try:
            self._metrics.flush_metrics()
        except (OSError, ValueError):  # standard output is full or closed
            self._metrics.clear_metrics()


def _short(text: str) -> str:
    """Return the first line of a text, cut."""
    return text.partition("\n")[0][:TEXT_CHARACTERS]
