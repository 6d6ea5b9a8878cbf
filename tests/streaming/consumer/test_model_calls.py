"""Whose fault it is that the model fails: the event's, which is poison, or the model's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.consumer.consumer import SLICE_RECORDS
from streaming.consumer.model_calls import REFERENCE_BYTES, SAMPLE
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import SHARD, event
from tests.streaming.consumer.harness import BrokenStorage, Harness, Shout, context, failed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streaming.consumer.interface import Prediction


class Remote(Shout):
    """Needs a service: in an outage nothing can be predicted, or decoded if it contains an x."""

    def __init__(self) -> None:
        super().__init__()
        self.outage: set[str] = set()
        self.ends_after = 0  # calls

    def decode(self, content: bytes, arrived_at: float) -> str | None:
        word = super().decode(content, arrived_at)
        if word is not None and "decode" in self.outage:
            raise ConnectionError(word)
        if word == "hex":
            raise KeyError(word)
        return word

    def predict(self, events: Sequence[str]) -> list[Prediction]:
        if "predict" in self.outage:
            self.batches.append(len(events))
            self.ends_after -= 1
            if self.ends_after == 0:
                self.outage.clear()
            raise ConnectionError(events[0])
        return super().predict(events)


class RemoteHarness(Harness):
    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder)
        self.model: Remote = Remote()
        self.failures: list[str] = []
        self.raised: list[tuple[str, type[Exception]]] = []
        self.telemetry.failure = self.failures.append  # type: ignore[assignment,method-assign]
        self.telemetry.model_error = self.keep  # type: ignore[method-assign]

    def keep(self, step: str, error: Exception) -> None:
        self.raised.append((step, type(error)))


@pytest.fixture
def harness(tmp_path: Path) -> RemoteHarness:
    return RemoteHarness(tmp_path)


def words(number: int, *others: bytes) -> list[bytes]:
    return [*others, *[b"hello"] * (number - len(others))]


@pytest.mark.parametrize("step", ["predict", "decode"])
@pytest.mark.parametrize("warm", [True, False], ids=["warm", "first batch"])
def test_in_an_outage_of_the_model_every_event_fails_and_none_is_dead_lettered(
    harness: RemoteHarness,
    step: str,
    warm: bool,  # noqa: FBT001
) -> None:
    consumer = harness.environment()
    if warm:
        consumer.handle(event(b"hello"))
    harness.model.outage = {step}
    harness.model.batches.clear()

    response = consumer.handle(event(*words(1_000), first=42))

    assert response["batchItemFailures"] == failed(42)
    assert harness.sums() == (1_000, 0, 0, 0, 1_000)
    assert harness.dead_letters_written() == []
    assert harness.failures == [f"the model is unavailable: {step} raised ConnectionError"]
    assert harness.raised == [(step, ConnectionError)]
    assert len(harness.model.batches) <= 1 + SAMPLE


def test_after_an_outage_the_batch_is_predicted(harness: RemoteHarness) -> None:
    consumer = harness.environment()
    harness.model.outage = {"predict"}
    batch = event(*words(100))
    consumer.handle(batch)
    harness.model.outage = set()

    assert consumer.handle(batch) == {"batchItemFailures": []}
    assert len(harness.words()) == 100


def test_an_outage_of_several_slices_is_logged_once_and_the_rest_is_not_started(
    harness: RemoteHarness,
) -> None:
    harness.model.outage = {"predict"}
    message = field(1, b"a") + entry(b"hello") * 3_000

    response = harness.handle(event(aggregate(message), b"hello", first=42))

    assert response["batchItemFailures"] == failed(42)
    assert harness.sums() == (3_001, 0, 0, 0, 3_001)
    assert harness.failures == [
        "the model is unavailable: predict raised ConnectionError",
        "2001 user records not started: out of time or stopped",
    ]


@pytest.mark.parametrize("number", [1, 2, 3, 100])
@pytest.mark.parametrize("failing_calls", [1, 2, 3, 4])
def test_an_event_is_not_poison_because_the_model_fails_for_a_moment(
    harness: RemoteHarness, number: int, failing_calls: int
) -> None:
    consumer = harness.environment()
    consumer.handle(event(b"hello"))
    harness.model.outage, harness.model.ends_after = {"predict"}, failing_calls

    consumer.handle(event(*words(number)))

    assert harness.dead_letters_written() == []


@pytest.mark.parametrize("poison", [b"curse", b"hex"])
@pytest.mark.parametrize("number", [1, 2, 1_000])
def test_an_event_on_which_the_model_fails_is_poison_if_it_handles_the_last_good_one(
    harness: RemoteHarness, poison: bytes, number: int
) -> None:
    consumer = harness.environment()
    consumer.handle(event(b"hello"))

    assert consumer.handle(event(*words(number, poison))) == {"batchItemFailures": []}
    assert harness.sums() == (number, number - 1, 0, 1, 0)


@pytest.mark.parametrize("poison", [b"curse", b"hex"])
def test_in_the_first_batch_a_few_other_events_show_that_the_model_works(
    harness: RemoteHarness, poison: bytes
) -> None:
    response = harness.handle(event(poison, b"hello", poison, poison, b"bye", poison))

    assert response == {"batchItemFailures": []}
    assert harness.words() == ["HELLO", "BYE"]
    assert harness.sums() == (6, 2, 0, 4, 0)


@pytest.mark.parametrize("poison", [b"curse", b"hex"])
@pytest.mark.parametrize("good", [range(1, 20, 2), range(9, 100, 10), range(1), range(99, 100)])
def test_a_first_batch_ends_after_some_retries_wherever_its_good_events_are(
    harness: RemoteHarness, poison: bytes, good: range
) -> None:
    number = 20 if good.stop == 20 else 100
    batch = event(*(b"hello" if place in good else poison for place in range(number)), first=42)
    consumer, attempts = harness.environment(), 0
    while consumer.handle(batch)["batchItemFailures"]:
        attempts += 1
        assert attempts < 100
        assert harness.dead_letters_written() == []

    assert harness.words() == ["HELLO"] * len(good)
    assert harness.sums() == (number, len(good), 0, number - len(good), 0)


@pytest.mark.parametrize("poison", [b"curse", b"hex"])
def test_in_the_first_batch_a_large_event_shows_that_the_model_works(
    harness: RemoteHarness, poison: bytes
) -> None:
    large = b"a" * (REFERENCE_BYTES + 1)

    response = harness.handle(event(poison, poison, large, poison, poison))

    assert response == {"batchItemFailures": []}
    assert harness.sums() == (5, 1, 0, 4, 0)


@pytest.mark.parametrize("poison", [b"curse", b"hex"])
@pytest.mark.parametrize("number", [1, 5])
def test_if_the_model_never_handled_an_event_those_it_fails_on_have_failed(
    harness: RemoteHarness, poison: bytes, number: int
) -> None:
    response = harness.handle(event(*[poison] * number, first=42))

    assert response["batchItemFailures"] == failed(42)
    assert harness.sums() == (number, 0, 0, 0, number)


def test_events_in_front_of_the_outage_are_published_and_none_behind_it(
    harness: RemoteHarness,
) -> None:
    class BreaksDown(Remote):
        def predict(self, events: Sequence[str]) -> list[Prediction]:
            if "curse" in events and len(events) == 1:
                self.outage = {"predict"}
            return super().predict(events)

    harness.model = BreaksDown()
    consumer = harness.environment()

    response = consumer.handle(event(b"ant", b"bee", b"curse", b"cow", first=1))

    assert response["batchItemFailures"] == failed(3)
    assert harness.words() == ["ANT", "BEE"]
    assert harness.sums() == (4, 2, 0, 0, 2)


def test_other_poison_is_dead_lettered_in_an_outage_too(harness: RemoteHarness) -> None:
    harness.model.outage = {"predict"}

    response = harness.handle(event(b"w0rd", b"hello", b"b0rd", first=42))

    assert response["batchItemFailures"] == failed(43)
    assert harness.sums() == (3, 0, 0, 2, 1)


def test_an_event_whose_decoding_fails_for_a_moment_is_predicted(harness: RemoteHarness) -> None:
    consumer = harness.environment()
    decode, failures = harness.model.decode, [ConnectionError("once")]

    def decode_later(content: bytes, arrived_at: float) -> str | None:
        if content == b"late" and failures:
            raise failures.pop()
        return decode(content, arrived_at)

    harness.model.decode = decode_later  # type: ignore[method-assign]

    response = consumer.handle(event(b"hello", b"late", b"world"))

    assert response == {"batchItemFailures": []}
    assert harness.words() == ["HELLO", "LATE", "WORLD"]
    assert harness.dead_letters_written() == []


def test_events_in_front_of_an_outage_of_decode_are_predicted_and_their_poison_is_found(
    harness: RemoteHarness,
) -> None:
    consumer = harness.environment()
    decode = harness.model.decode

    def decode_until(content: bytes, arrived_at: float) -> str | None:
        if content == b"last":
            harness.model.outage = {"decode"}
        return decode(content, arrived_at)

    harness.model.decode = decode_until  # type: ignore[method-assign]

    response = consumer.handle(event(b"hello", b"curse", b"world", b"last", first=42))

    assert response["batchItemFailures"] == failed(45)
    assert harness.words() == ["HELLO", "WORLD"]
    assert len(harness.dead_letters_written()) == 1


@pytest.mark.parametrize(
    ("poison", "step", "seconds"), [(b"curse", "predict", 1.0), (b"hex", "decode", 0.05)]
)
def test_poison_is_searched_for_in_half_of_the_time_and_what_is_not_tried_has_failed(
    harness: RemoteHarness, poison: bytes, step: str, seconds: float
) -> None:
    consumer = harness.environment()
    consumer.handle(event(b"hello"))
    handle = getattr(harness.model, step)

    def slow(*arguments: Any) -> Any:
        harness.clock.advance(seconds)
        return handle(*arguments)

    setattr(harness.model, step, slow)
    batch = event(*words(1_000, *[b"hello"] * 250, *[poison] * 500), first=42)

    response = consumer.handle(batch, context(60))

    (failure,) = response["batchItemFailures"]
    assert 292 <= int(failure["itemIdentifier"]) < 792
    received, published, _, dead_lettered, failed = harness.sums()
    assert published + dead_lettered + failed == received == 1_000
    assert published >= 250
    assert harness.failures == [f"out of time: {step} raises exceptions"]
    assert harness.clock.now() < 45


@pytest.mark.parametrize(
    ("size", "kept"), [(REFERENCE_BYTES, "a" * REFERENCE_BYTES), (REFERENCE_BYTES + 1, "hello")]
)
def test_a_large_event_is_not_kept_as_the_last_good_one(
    harness: RemoteHarness, size: int, kept: str
) -> None:
    consumer = harness.environment()
    consumer.handle(event(b"hello"))
    consumer.handle(event(b"a" * size))
    harness.model.batches.clear()
    tried: list[Sequence[str]] = []
    predict = harness.model.predict
    harness.model.predict = lambda events: tried.append(events) or predict(events)  # type: ignore[func-returns-value,method-assign]

    consumer.handle(event(b"curse"))

    assert tried == [["curse"], [kept], ["curse"]]


@settings(max_examples=200, deadline=None)
@given(
    batches=st.lists(
        st.lists(st.sampled_from([b"ant", b"bee", b"unknown", b"w0rd", b"curse", b"hex"])),
        min_size=1,
        max_size=6,
    ),
    outages=st.lists(st.sampled_from(["", "predict", "decode"]), min_size=6, max_size=6),
    ends_after=st.integers(0, 20),
)
def test_with_outages_between_and_within_batches_no_event_is_lost(
    batches: list[list[bytes]],
    outages: list[str],
    ends_after: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    harness = RemoteHarness(tmp_path_factory.mktemp("dead"))
    consumer = harness.environment()
    first = 1
    for sent, outage in zip(batches, outages, strict=False):
        harness.model.outage = {outage} - {""}
        harness.model.ends_after = ends_after
        response = consumer.handle(event(*sent, first=first))

        returned = [int(failure["itemIdentifier"]) for failure in response["batchItemFailures"]]
        done = {record["event_id"] for record in harness.published()}
        dead = {line["event_id"]: line for line in harness.dead_letters_written()}
        for number, word in enumerate(sent, first):
            event_id = f"{SHARD}:{number}"
            is_done = event_id in done or event_id in dead or word == b"unknown"
            assert is_done or (returned and returned[0] <= number)
            if word in {b"ant", b"bee"}:
                assert event_id not in dead
        first += len(sent) or 1


def test_after_an_outage_nothing_is_published_before_what_failed_although_poison_failed_too(
    harness: RemoteHarness,
) -> None:
    harness.model.outage, harness.model.ends_after = {"predict"}, 1 + SAMPLE
    batch = event(*words(2 * SLICE_RECORDS, b"w0rd"), first=42)

    response = harness.handle(batch, dead_letters=BrokenStorage())

    assert response["batchItemFailures"] == failed(42)
    assert harness.model.outage == set()
    assert harness.words() == []
