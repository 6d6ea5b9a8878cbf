import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.retries import standard

from streaming.errors import StorageError, StorageUnavailable
from streaming.retries import Retries, backoff, is_transient
from tests.fakes.clock import Clock
from tests.fakes.kinesis import client_error


@pytest.mark.parametrize(
    ("attempt", "longest"), [(0, 0.1), (1, 0.2), (3, 0.8), (6, 5.0), (9999, 5.0)]
)
def test_a_wait_is_random_up_to_a_bound_that_is_doubled_up_to_the_cap(
    attempt: int, longest: float
) -> None:
    assert backoff(attempt, lambda: 1.0) == pytest.approx(longest)
    assert backoff(attempt, lambda: 0.5) == pytest.approx(longest / 2)
    assert backoff(attempt, lambda: 0.0) == 0


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (client_error("ProvisionedThroughputExceededException", "get_records"), True),
        (client_error("LimitExceededException", "list_shards"), True),
        (client_error("SomethingNew", "get_records", status=503), True),
        (client_error("SomethingNew", "get_records", status=429), True),
        (client_error("SomethingNew", "get_records", status=500), True),
        (client_error("SomethingNew", "get_records", status=499), False),
        (client_error("SomethingNew", "get_records", status=428), False),
        (ClientError({}, "get_records"), False),
        (ValueError("a response that botocore cannot parse"), True),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), True),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), True),
        (client_error("ResourceNotFoundException", "get_records"), False),
        (client_error("AccessDeniedException", "get_records"), False),
        (NoCredentialsError(), False),
    ],
)
def test_only_errors_that_may_go_away_are_transient(
    error: Exception,
    transient: bool,  # noqa: FBT001  a column of the table
) -> None:
    assert is_transient(error) is transient


BOTOCORE_CODES = {
    *vars(standard.ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"],
    *vars(standard.TransientRetryableChecker)["_TRANSIENT_ERROR_CODES"],
}


@pytest.mark.parametrize("code", sorted(BOTOCORE_CODES))
def test_what_botocore_retries_in_its_standard_mode_is_transient(code: str) -> None:
    assert is_transient(client_error(code, "put_records"))


class Failing:
    """Fails some times, then returns the number of its calls."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return self.calls


def retries(clock: Clock) -> Retries:
    return Retries(clock.now, clock.sleep, lambda: 1.0)


def test_a_call_is_repeated_while_it_fails_for_a_reason_that_may_pass() -> None:
    clock = Clock()
    failing = Failing(*[StorageUnavailable("503")] * 3)

    assert retries(clock).call(failing, StorageUnavailable, deadline=10.0) == 4
    assert clock.sleeps == [pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.4)]


def test_a_call_is_not_repeated_after_the_deadline() -> None:
    clock = Clock()
    failing = Failing(*[StorageUnavailable("503")] * 9)

    with pytest.raises(StorageUnavailable):
        retries(clock).call(failing, StorageUnavailable, deadline=0.5)
    assert failing.calls == 3
    assert clock.now() < 0.5


def test_the_first_call_is_made_even_after_the_deadline() -> None:
    assert retries(Clock(9.0)).call(Failing(), StorageUnavailable, deadline=1.0) == 1


def test_a_call_is_not_repeated_after_a_failure_that_stays() -> None:
    failing = Failing(StorageError("denied"))

    with pytest.raises(StorageError):
        retries(Clock()).call(failing, StorageUnavailable, deadline=10.0)
    assert failing.calls == 1
