import pytest

from local.errors import FunctionError
from local.function import FunctionPool, MonitoredFunction
from tests.fakes.clock import Clock


class RecordingEnvironment:
    """An environment that records its calls."""

    def __init__(self, pool: list["RecordingEnvironment"]) -> None:
        pool.append(self)
        self.pool = pool
        self.invocations = 0
        self.started = self.closed = self.killed = False
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

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        self.closed = True


def test_a_pool_reuses_a_warm_environment() -> None:
    created: list[RecordingEnvironment] = []
    pool = FunctionPool(lambda: RecordingEnvironment(created))

    pool.start()
    assert [pool.invoke(b"1"), pool.invoke(b"2")] == [b"1", b"2"]
    assert [(environment.started, environment.invocations) for environment in created] == [
        (True, 2)
    ]


def test_a_pool_makes_an_environment_for_each_concurrent_invocation() -> None:
    created: list[RecordingEnvironment] = []
    pool = FunctionPool(lambda: RecordingEnvironment(created))
    pool.start()
    created[0].nested = pool  # while the first is busy, the pool is invoked again

    assert pool.invoke(b"1") == b"1"
    assert [environment.invocations for environment in created] == [1, 1]


def test_a_pool_keeps_an_environment_that_failed_and_closes_all_of_them() -> None:
    created: list[RecordingEnvironment] = []
    pool = FunctionPool(lambda: RecordingEnvironment(created))

    with pytest.raises(FunctionError):
        pool.invoke(b"fail")
    pool.invoke(b"1")
    pool.close()

    assert [(environment.invocations, environment.closed) for environment in created] == [(2, True)]


class ClosingPool:
    """Closes the pool that invokes it."""

    pool: FunctionPool

    def start(self) -> None: ...

    def invoke(self, payload: bytes) -> bytes:
        self.pool.close()
        return payload

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None: ...


def test_closing_a_pool_kills_the_environment_that_still_serves_an_invocation() -> None:
    environment = ClosingPool()
    environment.pool = FunctionPool(lambda: environment)

    environment.pool.invoke(b"1")

    assert environment.killed


def test_a_monitored_function_knows_how_long_its_invocations_have_run() -> None:
    clock = Clock()
    seen: list[list[float]] = []

    class Slow(RecordingEnvironment):
        def invoke(self, payload: bytes) -> bytes:
            clock.advance(12)
            seen.append(monitored.in_progress())
            return payload

    monitored = MonitoredFunction(Slow([]), clock=clock.now)

    assert monitored.invoke(b"1") == b"1"
    assert seen == [[12]]
    assert monitored.in_progress() == []
