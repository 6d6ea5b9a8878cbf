"""What Prometheus reads at `/metrics`."""

import collections
from collections.abc import Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from streaming.consumer.predictor import Answer, Rejected, Skipped

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
disable_created_metrics()  # type: ignore[no-untyped-call]  # a series each, that nobody asks for

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """The service's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._seconds = Histogram(
            "web_request_seconds",
            "From a request's header to its response, in seconds.",
            ("endpoint", "status"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._events = Counter("web_events", "Events.", ("outcome",), registry=self._registry)
        self._batches = Histogram(
            "web_batch_events",
            "Events that one call of the model predicts.",
            buckets=BATCH_SIZES,
            registry=self._registry,
        )
        refreshes = "Looks for another model that found one and could not take it into use."
        self._refresh_failures = Counter(
            "web_model_refresh_failures", refreshes, registry=self._registry
        )
        self._model = Gauge(
            "web_model", "The model in use.", ("name", "version"), registry=self._registry
        )
        # Finding a metric by its labels takes a lock and longer than counting.
        self._found: dict[tuple[str, int], Histogram] = {}
        self._outcomes = {
            name: self._events.labels(name)
            for name in ("predicted", "rejected", "skipped", "unavailable")
        }
        self.refresh_failed: Callable[[], None] = self._refresh_failures.inc

    def watch_waiting(self, events: Callable[[], float]) -> None:
        """Show how many events wait for the model."""
        gauge = Gauge("web_waiting_events", "Events that wait.", registry=self._registry)
        gauge.set_function(events)

    def model(self, name: str, version: str) -> None:
        """Show which model is in use."""
        self._model.clear()
        self._model.labels(name, version).set(1)

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            endpoint: One of a few.
            status: The response's.
            seconds: How long it took.
        """
        found = self._found.get((endpoint, status))
        if found is None:
            found = self._seconds.labels(endpoint, str(status))
            self._found[endpoint, status] = found
        found.observe(seconds)

    def batch(self, answers: Sequence[Answer]) -> None:
        """Count a batch, and its events by what became of them.

        Args:
            answers: One for each event.
        """
        self._batches.observe(len(answers))
        for outcome, events in collections.Counter(map(_outcome, answers)).items():
            self._outcomes[outcome].inc(events)

    def text(self) -> bytes:
        """Return all of them, in Prometheus's text format."""
        return generate_latest(self._registry)


def _outcome(answer: Answer) -> str:
    if isinstance(answer, bytes):
        return "predicted"
    if isinstance(answer, Rejected):
        return "rejected"
    return "skipped" if isinstance(answer, Skipped) else "unavailable"
