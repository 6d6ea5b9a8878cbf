"""How often, how long and at which pace a failed batch is retried."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.event_source_mapping.configuration import UNLIMITED, EventSourceMappingConfiguration
from streaming.retries import backoff

# AWS does not document its pace. It invoked a function that always fails 8 times in 60 s; doubling
# waits from 1 s to 30 s, with full jitter, come to 8.
RETRY_BASE_SECONDS = 1.0
RETRY_CAP_SECONDS = 30.0


class MappingStopped(Exception):
    """The mapping stops while something waits for a retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """A mapping's limits of attempts and age, and the waits between attempts.

    Attributes:
        configuration: The mapping's configuration.
        retention: The stream's retention period.
        wait: Waits for some seconds; returns true if the mapping stops.
        now: The time of day.
        jitter: Returns a random number, uniform from 0 to 1.
    """

    configuration: EventSourceMappingConfiguration
    retention: timedelta
    wait: Callable[[float], bool]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter: Callable[[], float] = random.random

    def is_exhausted(self, retries: int) -> bool:
        """Return whether MaximumRetryAttempts are used."""
        limit = self.configuration.maximum_retry_attempts
        return limit != UNLIMITED and retries >= limit

    def oldest(self) -> datetime:
        """Return the arrival before which a record is too old: by its mapping or its stream."""
        seconds = self.configuration.maximum_record_age_in_seconds
        if seconds == UNLIMITED:
            return self.now() - self.retention
        return self.now() - min(self.retention, timedelta(seconds=seconds))

    def pause_before_retry(self, retries: int) -> None:
        """Wait before a failed batch is sent again.

        Args:
            retries: 0 for the first retry.

        Raises:
            MappingStopped: The mapping stops.
        """
        self._wait(backoff(retries, self.jitter, base=RETRY_BASE_SECONDS, cap=RETRY_CAP_SECONDS))

    def pause(self, failures: int) -> None:
        """Wait until the function or the destination may be available again.

        Args:
            failures: 0 for the first wait.

        Raises:
            MappingStopped: The mapping stops.
        """
        self._wait(backoff(failures, self.jitter))

    def _wait(self, seconds: float) -> None:
        if self.wait(seconds):
            raise MappingStopped
