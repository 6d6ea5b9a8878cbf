"""Which errors are worth retrying, and how long to wait before a retry."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004  botocore's name

ResultT = TypeVar("ResultT")

# Exponential backoff with full jitter: each wait is drawn uniformly from 0 to a bound, which
# is twice as long after each attempt, up to the cap (AWS Architecture Blog, Exponential Backoff And
# Jitter).
BACKOFF_BASE_SECONDS = 0.1
BACKOFF_CAP_SECONDS = 5.0

# Those that botocore's standard retry mode retries, and Kinesis's own.
TRANSIENT_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "InternalFailure",
        "InternalFailureException",
        "KMSThrottlingException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
TOO_MANY_REQUESTS, SERVER_ERRORS = 429, 500


def backoff(
    attempt: int,
    jitter: Callable[[], float],
    *,
    base: float = BACKOFF_BASE_SECONDS,
    cap: float = BACKOFF_CAP_SECONDS,
) -> float:
    """Return a random wait, in seconds.

    Args:
        attempt: 0 for the first wait.
        jitter: Returns a random number, uniform from 0 to 1.
        base: The bound of the first wait, in seconds.
        cap: The bound of the longest, in seconds; reached within 16 attempts.
    """
    # A float would overflow at 2**1024.
    return jitter() * min(cap, base * 2.0 ** min(attempt, 16))


def error_code(error: Exception) -> str | None:
    """Return the error code in AWS's response; None if the error is not such a response."""
    return error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None


def is_transient(error: Exception) -> bool:
    """Return whether the same call may succeed later.

    It may if it was throttled, if AWS was unreachable or at fault, or if the response could not be
    parsed: on a proxy's error page, for example, botocore's parser raises any exception.
    """
    if isinstance(error, ClientError):
        if error_code(error) in TRANSIENT_CODES:
            return True
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status == TOO_MANY_REQUESTS or status >= SERVER_ERRORS
    # Two families in botocore: the connection was not made, or it broke or timed out.
    return isinstance(error, ConnectionError | HTTPClientError) or not isinstance(
        error, BotoCoreError
    )


@dataclass(frozen=True, slots=True)
class Retries:
    """Repeats a call that fails for a reason that may pass.

    Attributes:
        clock: Monotonic seconds.
        sleep: Waits for a number of seconds.
        jitter: Returns a random number, uniform from 0 to 1.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def call(
        self, attempt: Callable[[], ResultT], transient: type[Exception], deadline: float
    ) -> ResultT:
        """Make a call, and again until it succeeds.

        Args:
            attempt: The call.
            transient: The error that a later attempt may not meet; any other is raised.
            deadline: On the clock. Only the first attempt may start after it.
        """
        attempts = 0
        while True:
            try:
                return attempt()
            except transient:
                wait = backoff(attempts, self.jitter)
                if self.clock() + wait >= deadline:
                    raise
            attempts += 1
            self.sleep(wait)
