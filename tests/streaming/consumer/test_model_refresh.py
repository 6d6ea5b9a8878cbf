"""Another model takes the place of the one in use between two batches."""

from __future__ import annotations

import json
import threading
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from streaming.consumer.model_pointer import LoadedModel, ModelSource
from streaming.consumer.model_refresh import ModelRefresh
from streaming.consumer.telemetry import Telemetry
from streaming.errors import ModelBundleError, StorageUnavailable
from tests.fakes.clock import Clock
from tests.fakes.no_s3 import no_s3
from tests.lambda_events import event
from tests.streaming.consumer.harness import Harness, Shout, context, failed

if TYPE_CHECKING:
    from streaming.consumer.consumer import Consumer
    from streaming.consumer.interface import Prediction

LONG = 60.0  # a test that waits so long has failed
EVERY = 10.0


class Next(Shout):
    version = "8"

    def predict(self, events: Any) -> list[Prediction]:
        if "sulk" in events:
            raise ValueError("no")
        return super().predict(events)


class Registry(ModelSource[str]):
    """A source of models in memory."""

    def __init__(self) -> None:
        super().__init__(lambda *_: Shout(), {}, no_s3)
        self.next: Any = None
        self.looks = 0
        self.ready = Event()
        self.ready.set()

    def load_changed(self, _current: LoadedModel[str]) -> LoadedModel[str] | None:
        self.looks += 1
        self.ready.wait(LONG)
        if isinstance(self.next, BaseException):
            raise self.next
        return None if self.next is None else LoadedModel(self.next, None, "tag")


class Refreshed:
    """An execution environment whose model is refreshed."""

    def __init__(self, **changes: Any) -> None:
        self.clock = Clock()
        self.registry = Registry()
        self.harness = Harness()
        self.current = LoadedModel[str](self.harness.model)
        options = {"wait_seconds": LONG, "clock": self.clock.now, **changes}
        telemetry = Telemetry("shout", "Shout")
        self.refresh = ModelRefresh(self.registry, self.current, telemetry, EVERY, **options)
        self.consumer: Consumer[str] = self.harness.environment(
            refresh=self.refresh, telemetry=telemetry
        )
        self.first = 1

    def handle(self, *words: bytes, after: float = 0.0, remaining: float | None = None) -> Any:
        """Handle a batch, some time after the last one."""
        self.clock.advance(after)
        batch = event(*words, first=self.first)
        self.first += len(words)
        return self.consumer.handle(batch, None if remaining is None else context(remaining))

    def versions(self) -> list[str]:
        return [record["version"] for record in self.harness.published()]


@pytest.fixture
def refreshed() -> Refreshed:
    return Refreshed()


def lines(capsys: pytest.CaptureFixture[str], message: str) -> list[dict[str, Any]]:
    found = map(json.loads, capsys.readouterr().out.splitlines())
    return [line for line in found if message in line.get("message", "")]


def failures(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], float]:
    """Return the warnings about models, and the sum of the metric."""
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    warnings = [line["message"] for line in found if "stays in use" in line.get("message", "")]
    return warnings, sum(sum(line.get("ModelRefreshFailed", [])) for line in found)


def test_the_batch_after_a_look_has_the_new_model(
    refreshed: Refreshed, capsys: pytest.CaptureFixture[str]
) -> None:
    refreshed.registry.next = Next()

    refreshed.handle(b"one")
    refreshed.handle(b"two", after=EVERY)
    refreshed.handle(b"three")

    assert refreshed.versions() == ["7", "7", "8"]
    (line,) = lines(capsys, "model replaced")
    assert (line["old_version"], line["new_version"]) == ("7", "8")


def test_it_looks_no_more_often_than_told(refreshed: Refreshed) -> None:
    for _ in range(100):
        refreshed.handle(b"word", after=1.0)

    assert refreshed.registry.looks == 10


def test_the_time_between_looks_begins_at_the_end_of_one(refreshed: Refreshed) -> None:
    refreshed.registry.ready.clear()
    refreshed.handle(b"one", after=EVERY, remaining=1.0)  # no time is left to wait
    refreshed.clock.advance(100 * EVERY)
    refreshed.registry.ready.set()
    refreshed.handle(b"two")
    refreshed.handle(b"three")

    assert refreshed.registry.looks == 1


def test_a_model_that_takes_long_to_load_holds_up_no_batch() -> None:
    refreshed = Refreshed(wait_seconds=0.001)
    refreshed.registry.next = Next()
    refreshed.registry.ready.clear()

    for word in (b"one", b"two", b"three"):
        assert refreshed.handle(word, after=EVERY) == {"batchItemFailures": []}
    assert refreshed.versions() == ["7"] * 3

    refreshed.registry.ready.set()
    look = refreshed.refresh._look
    assert look is not None
    assert look.ended.wait(LONG)
    assert refreshed.registry.looks == 1
    refreshed.handle(b"four")
    refreshed.handle(b"five")
    assert refreshed.versions() == ["7"] * 4 + ["8"]


def test_all_waits_for_one_look_have_one_bound() -> None:
    refreshed = Refreshed(wait_seconds=5.0)
    waits: list[float] = []

    def wait(timeout: float) -> bool:
        waits.append(timeout)
        refreshed.clock.advance(min(timeout, 2.0))
        return False

    never_ends: Any = SimpleNamespace(ended=SimpleNamespace(wait=wait), wait_left=5.0)
    refreshed.refresh._look = never_ends
    for _ in range(5):
        assert refreshed.refresh.poll(limit=3.0) is None

    assert waits == [3.0, 3.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(("remaining", "limit"), [(10.0, 9.0), (1.0, 0.0), (0.2, 0.0)])
def test_the_response_is_in_time(refreshed: Refreshed, remaining: float, limit: float) -> None:
    limits: list[float] = []

    class Asked:
        def poll(self, limit: float) -> None:
            limits.append(max(0.0, limit))

    refreshed.harness.environment(refresh=Asked()).handle(event(b"word"), context(remaining))

    assert limits == [limit]


def test_without_a_context_there_is_no_limit_but_the_wait(refreshed: Refreshed) -> None:
    refreshed.registry.next = Next()
    refreshed.handle(b"one", after=EVERY)
    refreshed.handle(b"two")

    assert refreshed.versions() == ["7", "8"]


def test_a_failed_load_keeps_the_model_warns_once_and_counts_each_time(
    refreshed: Refreshed, capsys: pytest.CaptureFixture[str]
) -> None:
    refreshed.registry.next = StorageUnavailable("cannot read s3://models/champion.json: SlowDown")
    for _ in range(3):
        assert refreshed.handle(b"word", after=EVERY) == {"batchItemFailures": []}

    assert refreshed.versions() == ["7"] * 3
    warning = (
        "no other model is loaded, version 7 stays in use: "
        "cannot read s3://models/champion.json: SlowDown"
    )
    assert failures(capsys) == ([warning], 3.0)

    refreshed.registry.next = None
    refreshed.handle(b"word", after=EVERY)
    refreshed.registry.next = StorageUnavailable("cannot read s3://models/champion.json: SlowDown")
    refreshed.handle(b"word", after=EVERY)
    assert failures(capsys) == ([warning], 1.0)


def test_after_a_failure_another_model_is_taken(refreshed: Refreshed) -> None:
    refreshed.registry.next = ModelBundleError("damaged")
    refreshed.handle(b"one", after=EVERY)
    refreshed.registry.next = Next()
    refreshed.handle(b"two", after=EVERY)
    refreshed.handle(b"three")

    assert refreshed.versions() == ["7", "7", "8"]


@pytest.mark.parametrize("error", [MemoryError(), ValueError("a rider's name"), SystemExit(1)])
def test_whatever_the_new_model_raises_the_batch_is_done(
    refreshed: Refreshed, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    refreshed.registry.next = error

    assert refreshed.handle(b"one", after=EVERY) == {"batchItemFailures": []}
    (warning,), count = failures(capsys)
    assert warning.endswith(f"stays in use: {type(error).__name__}")
    assert count == 1.0


def test_a_model_that_fails_on_the_last_event_is_refused(
    refreshed: Refreshed, capsys: pytest.CaptureFixture[str]
) -> None:
    refreshed.registry.next = Next()
    refreshed.handle(b"sulk", after=EVERY)
    refreshed.handle(b"sulk")

    assert refreshed.versions() == ["7", "7"]
    (warning,), _ = failures(capsys)
    assert "version 8 fails on the last event that this one predicted" in warning

    refreshed.handle(b"smile", after=EVERY)  # what one event shows, the next may not
    refreshed.handle(b"smile")
    assert refreshed.versions() == ["7", "7", "7", "8"]


@pytest.mark.parametrize("before", [b"word", b"unknown"], ids=["warm", "without a prediction"])
def test_an_event_that_a_new_model_fails_on_is_found_among_the_others(
    refreshed: Refreshed, capsys: pytest.CaptureFixture[str], before: bytes
) -> None:
    refreshed.registry.next = Next()
    refreshed.handle(before)
    refreshed.handle(before, after=EVERY)

    response = refreshed.handle(b"fine", b"sulk", b"well")

    assert response["batchItemFailures"] == failed(refreshed.first - 2)
    assert refreshed.harness.words()[-2:] == ["FINE", "WELL"]
    assert refreshed.versions()[-2:] == ["8", "8"]
    (line,) = lines(capsys, "the model raised an exception")
    assert (line["method"], line["error_type"]) == ("predict", "ValueError")


def test_a_model_of_another_contract_may_skip_the_last_event(refreshed: Refreshed) -> None:
    class Deaf(Next):
        def decode(self, content: bytes, arrived_at: float) -> str | None:
            return None if content == b"one" else super().decode(content, arrived_at)

    refreshed.registry.next = Deaf()
    refreshed.handle(b"one", after=EVERY)
    refreshed.handle(b"two")

    assert refreshed.versions() == ["7", "8"]


@pytest.mark.parametrize(
    ("name", "value"), [("name", "whisper"), ("event_type", "word_spoken"), ("binary_data", True)]
)
def test_a_model_with_another_name_is_refused(
    refreshed: Refreshed, name: str, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Next()
    setattr(other, name, value)
    refreshed.registry.next = other
    refreshed.handle(b"one", after=EVERY)
    refreshed.handle(b"two")

    assert refreshed.versions() == ["7", "7"]
    (warning,), _ = failures(capsys)
    assert f"the new model's {name} is {value!r}; allowed: " in warning


def test_the_new_model_is_the_one_that_the_next_look_compares_with(refreshed: Refreshed) -> None:
    refreshed.registry.next = Next()
    refreshed.handle(b"one", after=EVERY)
    third = Next()
    third.version = "9"
    refreshed.registry.next = third
    refreshed.handle(b"two", after=EVERY)
    refreshed.handle(b"three")

    assert refreshed.versions() == ["7", "8", "9"]
    assert refreshed.refresh._current.model is third


def test_the_looks_have_one_thread_that_does_not_hold_up_the_end_of_the_process() -> None:
    before = set(threading.enumerate())
    refreshed = Refreshed()
    (thread,) = set(threading.enumerate()) - before
    for version in ("8", "9", "10"):
        refreshed.registry.next = Next()
        refreshed.registry.next.version = version
        refreshed.handle(b"word", after=EVERY)

    assert set(threading.enumerate()) - before == {thread}
    assert thread.daemon
    assert thread.name == "model-refresh"
