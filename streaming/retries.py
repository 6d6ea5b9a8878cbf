"""Which errors are worth retrying, and how long to wait before a retry."""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004  botocore's name

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


def backoff(attempt: int, jitter: Callable[[], float]) -> float:
    """Return a random wait, in seconds.

    Args:
        attempt: 0 for the first wait.
        jitter: Returns a random number, uniform from 0 to 1.
    """
    # The cap is reached long before 2**16, and a float would overflow at 2**1024.
    return jitter() * min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(attempt, 16))


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
