"""Which failures of AWS pass by themselves, and how long to wait for that."""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004  botocore's name

# Full jitter: a wait is drawn evenly from 0 to the base doubled at each attempt, up to the cap
# (AWS Architecture Blog, Exponential Backoff And Jitter).
BACKOFF_BASE_SECONDS = 0.1
BACKOFF_CAP_SECONDS = 5.0

TRANSIENT_CODES = frozenset(
    {
        "InternalFailure",
        "InternalFailureException",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)
TOO_MANY_REQUESTS, SERVER_ERRORS = 429, 500


def backoff(attempt: int, jitter: Callable[[], float]) -> float:
    """Draw a wait with full jitter, in seconds.

    Args:
        attempt: 0 for the first wait.
        jitter: Draws evenly from 0 to 1.
    """
    # Beyond 2**16 the cap has long been reached, and a float would overflow at 2**1024.
    return jitter() * min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(attempt, 16))


def is_transient(error: Exception) -> bool:
    """Tell whether the same call may succeed later: throttled, unreachable, or AWS's own fault.

    What is no error of botocore's own comes from its parser, which raises anything on an answer
    that is none, such as a proxy's page.
    """
    if isinstance(error, ClientError):
        if error.response.get("Error", {}).get("Code") in TRANSIENT_CODES:
            return True
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status == TOO_MANY_REQUESTS or status >= SERVER_ERRORS
    # botocore keeps two families: no connection was made, and a connection broke or timed out.
    return isinstance(error, ConnectionError | HTTPClientError) or not isinstance(
        error, BotoCoreError
    )
