import pytest

from local.errors import FunctionError
from local.function import FunctionPool


class Recording:
    """An environment that notes what happens to it."""

    def __init__(self, pool: list["Recording"]) -> None:
        pool.append(self)
        self.pool = pool
        self.invocations = 0
        self.started = self.closed = False
        self.nested: FunctionPool | None = None

    def start(self) -> None:
        self.started = True

    def invoke(self, payload: bytes) -> bytes:
        self.invocations += 1
        if self.nested is not None:
            nested, self.nested = self.nested, None
            return nested.invoke(payload)
        if payload == b"fail":
            raise FunctionError("LookupError", "no such zone")
        return payload

    def close(self) -> None:
        self.closed = True


def test_a_pool_reuses_a_warm_environment() -> None:
    made: list[Recording] = []
    pool = FunctionPool(lambda: Recording(made))

    pool.start()
    assert [pool.invoke(b"1"), pool.invoke(b"2")] == [b"1", b"2"]
    assert [(environment.started, environment.invocations) for environment in made] == [(True, 2)]


def test_a_pool_makes_an_environment_for_each_concurrent_invocation() -> None:
    made: list[Recording] = []
    pool = FunctionPool(lambda: Recording(made))
    pool.start()
    made[0].nested = pool  # while the first is busy, the pool is invoked again

    assert pool.invoke(b"1") == b"1"
    assert [environment.invocations for environment in made] == [1, 1]


def test_a_pool_keeps_an_environment_that_failed_and_closes_all_of_them() -> None:
    made: list[Recording] = []
    pool = FunctionPool(lambda: Recording(made))

    with pytest.raises(FunctionError):
        pool.invoke(b"fail")
    pool.invoke(b"1")
    pool.close()

    assert [(environment.invocations, environment.closed) for environment in made] == [(2, True)]
