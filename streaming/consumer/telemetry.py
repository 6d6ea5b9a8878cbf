"""Logs and metrics: one structured line a batch, and CloudWatch metrics in the embedded format.

What is logged never holds a payload, or a value out of one: a dead letter holds those.
"""

from collections.abc import Sequence
from dataclasses import asdict

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from streaming.consumer.batch_counts import BatchCounts
from streaming.consumer.records import UserRecord
from streaming.consumer.settings import LogLevel
from streaming.errors import Poison

POISON_LINES = 10
"""Poison records of one batch that are logged each; the rest are counted only."""


class Telemetry:
    """Tells of each batch, on standard output, where Lambda collects it.

    Args:
        service: The name that logs and metrics carry.
        namespace: The CloudWatch namespace of the metrics.
        level: The lowest level that is logged.
    """

    def __init__(self, service: str, namespace: str, level: LogLevel = "INFO") -> None:
        self._logger = Logger(service=service, level=level)
        self._metrics = Metrics(namespace=namespace, service=service)
        self._cold = True

    def poison(self, found: Sequence[tuple[UserRecord, Poison]]) -> None:
        """Log what poison was found, by its id and reason."""
        for payload, error in found[:POISON_LINES]:
            told = {
                "event_id": payload.event_id,
                "error_type": type(error).__name__,
                "reason": error.reason,
            }
            self._logger.warning("poison", extra=told)
        if len(found) > POISON_LINES:
            self._logger.warning("more poison", extra={"records": len(found) - POISON_LINES})

    def warning(self, message: str) -> None:
        """Log what may go wrong."""
        self._logger.warning(message)

    def failure(self, message: str) -> None:
        """Log why records are reported as failed."""
        # AWS says what is wrong in the first line. To a wrong signature it adds the whole request,
        # session token included.
        self._logger.error(message.partition("\n")[0])

    def batch(
        self,
        counts: BatchCounts,
        *,
        latency: float,
        arrival_age: float | None,
        request_id: str | None,
    ) -> None:
        """Log one line for a batch, and give its metrics.

        Args:
            counts: What became of its user_records.
            latency: How long it took, in seconds.
            arrival_age: How long ago its oldest record arrived, in seconds; None if it was empty.
            request_id: Lambda's, if there is one.
        """
        for name, value in (
            ("Received", counts.received),
            ("Published", counts.published),
            ("Skipped", counts.skipped),
            ("DeadLettered", counts.dead_lettered),
            ("Failed", counts.failed),
            ("Retried", counts.retried),
            ("ColdStart", int(self._cold)),
        ):
            self._metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
        times = {"BatchLatency": latency, "ArrivalAge": arrival_age}
        for name, seconds in times.items():
            if seconds is not None:
                self._metrics.add_metric(
                    name=name, unit=MetricUnit.Milliseconds, value=round(seconds * 1000, 3)
                )
        self._metrics.flush_metrics()
        told = {
            **asdict(counts),
            "latency_seconds": latency,
            "arrival_age_seconds": arrival_age,
            "cold_start": self._cold,
            "request_id": request_id,
        }
        self._logger.info("batch", extra=told)
        self._cold = False
