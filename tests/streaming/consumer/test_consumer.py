"""What happens to each user record, with a model that is not about rides."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.aggregation import AGGREGATE_MAGIC, deaggregate
from streaming.consumer.interface import Prediction
from streaming.consumer.telemetry import Telemetry
from streaming.errors import (
    ReconciliationError,
    StorageUnavailable,
    UnexpectedEvent,
)
from streaming.publisher import Entry, Published, Publisher
from tests.fakes.last_batch import LastBatch
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import ARRIVED, SHARD, event, record
from tests.streaming.consumer.harness import (
    OUTPUT,
    THROTTLED,
    BrokenStorage,
    Harness,
    Shout,
    context,
    failed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.consumer.batch import BatchCounts

DIGITS_TO_LETTERS = str.maketrans("0123456789", "ghijklmnop")


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def test_a_valid_event_is_predicted_and_published(harness: Harness) -> None:
    response = harness.handle(event(b"hello", first=42))

    assert response == {"batchItemFailures": []}
    assert harness.published() == [
        {
            "event_type": "word_shouted",
            "event_id": f"{SHARD}:42",
            "model": "shout",
            "version": "7",
            "prediction": {"loud": "HELLO"},
            "arrived_at": "2025-03-01T13:15:00.123Z",
            "stream": "ride_events",
        }
    ]
    (call,) = [arguments for name, arguments in harness.kinesis.calls if name == "put_records"]
    assert call["Records"][0]["PartitionKey"] == "h"
    assert harness.sums() == (1, 1, 0, 0, 0)


def test_a_batch_is_predicted_with_one_call(harness: Harness) -> None:
    harness.handle(event(*[b"hello"] * 100))

    assert harness.model.batches == [100]


class KeepsLines(LastBatch):
    """Telemetry that keeps what it is asked to log."""

    def __init__(self) -> None:
        super().__init__("shout", "Shout", "CRITICAL")
        self.times: dict[str, Any] = {}
        self.failures: list[str] = []
        self.reasons: list[str] = []
        self.steps: list[str] = []
        self.warnings: list[str] = []

    def batch(self, counts: BatchCounts, **rest: Any) -> None:
        self.times = rest
        super().batch(counts, **rest)

    def failure(self, message: str) -> None:
        self.failures.append(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    def model_error(self, step: str, _error: Exception) -> None:
        self.steps.append(step)

    def poison(self, found: Any, *_: Any) -> None:
        self.reasons += [error.reason for _, error in found]


def test_the_time_of_a_batch_and_the_age_of_its_oldest_record_are_logged(harness: Harness) -> None:
    class Slow(Shout):
        def predict(self, events: Sequence[str]) -> list[Prediction]:
            harness.clock.advance(0.25)
            return super().predict(events)

    harness.clock.advance(100)
    harness.model, telemetry = Slow(), KeepsLines()
    records = [record(b"hello", n, arrived=ARRIVED - age) for n, age in enumerate([1, 5, 3])]
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="r")

    harness.handle({"Records": records}, context, telemetry=telemetry)
    assert telemetry.times == {"latency": 0.25, "arrival_age": 7.0, "request_id": "r"}

    harness.handle(event(), telemetry=telemetry)
    assert telemetry.times == {"latency": 0.0, "arrival_age": None, "request_id": None}


def test_why_records_failed_or_are_poison_is_logged(harness: Harness) -> None:
    telemetry = KeepsLines()

    harness.handle(event(b"hello", b"curse"), telemetry=telemetry, dead_letters=BrokenStorage())
    assert telemetry.reasons == ["predict raised ValueError"]
    assert telemetry.failures == ["no room for 1"]

    harness.kinesis.refuse = lambda _entry: THROTTLED
    harness.handle(event(b"hello"), telemetry=telemetry)
    assert telemetry.failures[1:] == [f"not published: {THROTTLED}"]


@pytest.mark.parametrize(
    ("remaining", "seconds", "warnings"),
    [
        (60_000, 45.0, 0),
        (30_000, 15.0, 0),
        (29_999, 14.9995, 1),
        (3_000, 1.5, 1),
        (None, 60.0, 0),
    ],
)
def test_publishing_has_the_remaining_time_less_two_calls_and_the_response(
    harness: Harness, remaining: int | None, seconds: float, warnings: int
) -> None:
    class Recording(Publisher):
        deadlines: ClassVar[list[float]] = []

        def publish(self, entries: Sequence[Entry], deadline: float) -> Published:
            self.deadlines.append(deadline)
            return replace(super().publish(entries, deadline), retried=2)

    telemetry = KeepsLines()
    publisher = Recording(harness.kinesis, OUTPUT, clock=harness.clock.now)
    Recording.deadlines.clear()
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: remaining, aws_request_id="r")

    harness.handle(
        event(*[b"hello"]),
        None if remaining is None else context,
        publisher=publisher,
        telemetry=telemetry,
    )

    assert Recording.deadlines == [seconds]
    warning = (
        f"the function's remaining time is {(remaining or 0) / 1000:.1f} s; if calls to AWS time "
        "out, responding in time takes 30 s"
    )
    assert telemetry.warnings == [warning] * warnings


def test_the_counts_and_the_predictions_of_all_slices_are_added(harness: Harness) -> None:
    class Resending(Publisher):
        def publish(self, entries: Sequence[Entry], deadline: float) -> Published:
            return replace(super().publish(entries, deadline), retried=2)

    words = [f"word{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}".encode() for n in range(1_001)]
    batch = event(*words)

    harness.handle(batch, publisher=Resending(harness.kinesis, OUTPUT, clock=harness.clock.now))
    assert (harness.telemetry.counts.published, harness.telemetry.counts.retried) == (1_001, 4)

    assert len(harness.handle(batch, publisher=None)["predictions"]) == 1_001


def test_the_step_of_the_model_that_raised_is_logged(harness: Harness) -> None:
    class Fragile(Shout):
        def decode(self, content: bytes, arrived_at: float) -> str | None:
            if content == b"{}":
                raise KeyError("word")
            return super().decode(content, arrived_at)

    harness.model, telemetry = Fragile(), KeepsLines()

    harness.handle(event(b"hello", b"{}", b"curse"), telemetry=telemetry)

    assert sorted(telemetry.reasons) == ["decode raised KeyError", "predict raised ValueError"]
    assert list(dict.fromkeys(telemetry.steps)) == ["decode", "predict"]


def test_an_unrecognised_event_type_is_skipped_and_counted(harness: Harness) -> None:
    assert harness.handle(event(b"unknown", b"hello")) == {"batchItemFailures": []}
    assert harness.words() == ["HELLO"]
    assert harness.sums() == (2, 1, 1, 0, 0)


def test_without_events_the_model_is_not_called(harness: Harness) -> None:
    for batch in (event(), event(b"unknown")):
        assert harness.handle(batch) == {"batchItemFailures": []}
    assert harness.model.batches == []


def test_poison_is_dead_lettered(harness: Harness) -> None:
    broken = record(b"", 3)
    broken["kinesis"]["data"] = "not base64!"
    batch = {"Records": [record(b"hello", 1), record(b"w0rd", 2), broken, record(b"bye", 4)]}

    assert harness.handle(batch) == {"batchItemFailures": []}
    assert harness.words() == ["HELLO", "BYE"]
    assert [
        (line["sequence_number"], line["error_type"]) for line in harness.dead_letters_written()
    ] == [
        ("2", "InvalidEvent"),
        ("3", "CorruptRecord"),
    ]
    assert (
        harness.dead_letters_written()[0]["error_message"] == "word is 'w0rd'; allowed: alphabetic"
    )
    assert harness.dead_letters_written()[0]["stream"] == "ride_events"
    assert harness.sums() == (4, 2, 0, 2, 0)


def test_without_dead_letters_poison_is_a_batch_item_failure() -> None:
    harness = Harness()

    assert harness.handle(event(b"hello", b"w0rd", b"bye"))["batchItemFailures"] == failed(2)
    assert harness.words() == ["HELLO", "BYE"]
    assert harness.sums() == (3, 2, 0, 0, 1)


def test_poison_that_cannot_be_dead_lettered_is_a_batch_item_failure(harness: Harness) -> None:
    harness.dead_letters = BrokenStorage()

    assert harness.handle(event(b"hello", b"w0rd", b"b0rd"))["batchItemFailures"] == failed(2)
    assert harness.sums() == (3, 1, 0, 0, 2)


def test_dead_letters_are_written_again_while_their_storage_is_unavailable(
    harness: Harness,
) -> None:
    failures = [StorageUnavailable("503")] * 5
    kept = harness.dead_letters

    class Throttled(BrokenStorage):
        def put(self, name: str, content: bytes) -> None:
            if failures:
                raise failures.pop()
            kept.put(name, content)

    response = harness.handle(event(b"hello", b"w0rd"), context(60), dead_letters=Throttled())

    assert response == {"batchItemFailures": []}
    assert harness.sums() == (2, 1, 0, 1, 0)


def test_dead_letters_are_not_written_again_after_the_deadline(harness: Harness) -> None:
    class Unavailable(BrokenStorage):
        def put(self, _name: str, content: bytes) -> None:
            raise StorageUnavailable(f"503 for {len(content)} bytes")

    response = harness.handle(event(b"hello", b"w0rd"), context(60), dead_letters=Unavailable())

    assert response["batchItemFailures"] == failed(2)
    assert 30 < harness.clock.now() < 60 - 2 * 7


def test_sequence_numbers_are_compared_as_numbers() -> None:
    response = Harness().handle(event(b"hello", b"w0rd", b"b0rd", first=8))

    assert response["batchItemFailures"] == failed(9)


def test_a_damaged_entry_of_an_aggregated_record_does_not_affect_the_others(
    harness: Harness,
) -> None:
    message = field(1, b"a") + entry(b"hello") + entry(b"w0rd") + field(3, b"") + entry(b"bye")

    assert harness.handle(event(aggregate(message), first=42)) == {"batchItemFailures": []}
    assert [r["event_id"] for r in harness.published()] == [f"{SHARD}:42:0", f"{SHARD}:42:3"]
    assert [line["event_id"] for line in harness.dead_letters_written()] == [
        f"{SHARD}:42:1",
        f"{SHARD}:42:2",
    ]
    assert harness.sums() == (4, 2, 0, 2, 0)


def test_an_aggregated_record_with_a_failed_entry_is_a_batch_item_failure() -> None:
    message = field(1, b"a") + entry(b"hello") + entry(b"w0rd")

    response = Harness().handle(event(b"hi", aggregate(message), first=42))

    assert response["batchItemFailures"] == failed(43)


@pytest.mark.parametrize(
    ("word", "cause"), [(b"curse", "ValueError: such language"), (b"mute", "")]
)
def test_only_the_event_that_makes_predict_fail_is_poison(
    harness: Harness, word: bytes, cause: str
) -> None:
    words = [b"hello"] * 100
    words[37] = word

    assert harness.handle(event(*words, first=1000)) == {"batchItemFailures": []}

    (line,) = harness.dead_letters_written()
    assert line["sequence_number"] == "1037"
    assert line["error_type"] == "PredictionFailed"
    assert cause in line["error_message"]
    assert harness.sums() == (100, 99, 0, 1, 0)
    assert [r["event_id"] for r in harness.published()] == [
        f"{SHARD}:{number}" for number in range(1000, 1100) if number != 1037
    ]


def test_a_prediction_that_cannot_be_encoded_as_json_is_poison(harness: Harness) -> None:
    class Unencodable(Shout):
        def predict(self, events: Sequence[str]) -> list[Prediction]:
            return [Prediction("k", object() if word == "odd" else word) for word in events]

    harness.model = Unencodable()

    assert harness.handle(event(b"hello", b"odd", b"bye")) == {"batchItemFailures": []}
    assert harness.sums() == (3, 2, 0, 1, 0)


def test_a_partition_key_that_cannot_be_encoded_as_utf8_is_poison(harness: Harness) -> None:
    class UnencodableKey(Shout):
        def predict(self, events: Sequence[str]) -> list[Prediction]:
            return [Prediction("\ud800" if word == "odd" else "é", word) for word in events]

    harness.model = UnencodableKey()

    assert harness.handle(event(b"hello", b"odd", b"bye")) == {"batchItemFailures": []}
    assert harness.sums() == (3, 2, 0, 1, 0)


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (Prediction("k", {"x": float("nan")}), "Prediction.value holds NaN or infinity, which"),
        (Prediction("", 1), "Prediction.partition_key is empty; allowed: a string of 1 to 256"),
        (Prediction(b"k", 1), "Prediction.partition_key is of type bytes; allowed: a string"),  # type: ignore[arg-type]
        (Prediction(None, 1), "Prediction.partition_key is of type NoneType; allowed: a string"),  # type: ignore[arg-type]
        ({"odd": 1}, "predict returned a dict; allowed: Prediction"),
    ],
)
def test_a_prediction_that_cannot_be_published_is_poison_that_names_its_member(
    harness: Harness, prediction: Any, message: str
) -> None:
    class Odd(Shout):
        def predict(self, events: Sequence[str]) -> list[Prediction]:
            return [prediction if word == "odd" else Prediction("k", None) for word in events]

    harness.model = Odd()

    assert harness.handle(event(b"hello", b"odd", b"bye")) == {"batchItemFailures": []}
    (line,) = harness.dead_letters_written()
    assert line["error_type"] == "PredictionFailed"
    assert line["error_message"].startswith(message)
    assert harness.sums() == (3, 2, 0, 1, 0)


def test_a_prediction_that_is_missing_is_poison_that_names_predict(harness: Harness) -> None:
    harness.handle(event(b"hello", b"mute"))

    (line,) = harness.dead_letters_written()
    assert line["error_message"] == "predict returned 0 predictions for 1 events"


def test_an_event_that_makes_decode_fail_is_poison(harness: Harness) -> None:
    class Fragile(Shout):
        def decode(self, content: bytes, arrived_at: float) -> str | None:
            if content == b"{}":
                raise KeyError("word")
            return super().decode(content, arrived_at)

    harness.model = Fragile()

    assert harness.handle(event(b"hello", b"{}", b"bye")) == {"batchItemFailures": []}
    (line,) = harness.dead_letters_written()
    assert line["error_type"] == "PredictionFailed"
    assert line["error_message"] == "KeyError: 'word'"
    assert harness.sums() == (3, 2, 0, 1, 0)


def test_a_prediction_that_is_too_large_for_kinesis_is_poison(harness: Harness) -> None:
    assert harness.handle(event(b"huge")) == {"batchItemFailures": []}

    (line,) = harness.dead_letters_written()
    assert line["error_type"] == "PredictionTooLarge"
    assert "bytes under a partition key of 1 characters" in line["error_message"]


def test_data_like_a_damaged_aggregated_record_is_poison_unless_the_model_takes_binary_data(
    harness: Harness,
) -> None:
    class Binary(Shout):
        binary_data = True

        def decode(self, content: bytes, arrived_at: float) -> str | None:
            return super().decode(content.hex().translate(DIGITS_TO_LETTERS).encode(), arrived_at)

    damaged = AGGREGATE_MAGIC + b"\xaa"
    harness.handle(event(damaged))
    assert harness.sums() == (1, 0, 0, 1, 0)

    harness.model = Binary()
    harness.handle(event(damaged))
    assert harness.words() == [damaged.hex().translate(DIGITS_TO_LETTERS).upper()]


def test_records_without_an_arrival_are_mentioned_once(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = event(*[b"hello"] * 3000)
    for each in batch["Records"][:1500]:
        each["kinesis"]["approximateArrivalTimestamp"] *= 1000
    warnings: list[str] = []
    monkeypatch.setattr(harness.telemetry, "warning", warnings.append)

    harness.handle(batch)

    assert "1500 user records without a valid arrival: the current time was taken" in warnings
    assert sum("arrival" in warning for warning in warnings) == 1


def test_predictions_refused_until_the_deadline_are_batch_item_failures(harness: Harness) -> None:
    harness.kinesis.refuse = lambda e: THROTTLED if e["PartitionKey"] in "bc" else None
    response = harness.handle(event(b"apple", b"bee", b"cow", b"bat", b"dog"), context(40))

    assert response["batchItemFailures"] == failed(2)
    assert harness.words() == ["APPLE", "DOG"]
    assert harness.sums() == (5, 2, 0, 0, 3)
    assert harness.clock.now() < 40 - 15


def test_with_little_remaining_time_publishing_gets_half_of_it(harness: Harness) -> None:
    harness.kinesis.refuse = lambda _entry: THROTTLED
    harness.handle(event(b"hello"), context(3))

    assert 0 < harness.clock.now() < 1.5


def test_without_valid_credentials_the_whole_batch_is_a_batch_item_failure(
    harness: Harness,
) -> None:
    harness.kinesis.fail("put_records", "UnrecognizedClientException")

    assert harness.handle(event(b"hello", b"bye", first=42))["batchItemFailures"] == failed(42)
    assert harness.sums() == (2, 0, 0, 0, 2)


def test_a_record_without_a_sequence_number_fails_the_whole_batch() -> None:
    batch = {"Records": [record(b"hello", 1), {"kinesis": {"data": "MQ=="}}]}

    assert Harness().handle(batch)["batchItemFailures"] == failed(None)


def test_a_handmade_event_is_predicted(harness: Harness) -> None:
    harness.handle({"Records": [{"kinesis": {"data": "aGVsbG8="}}]})

    (published,) = harness.published()
    assert published["event_id"] is None
    assert "stream" not in published
    assert published["arrived_at"] == "2025-03-01T13:15:02.123Z"


def test_a_test_run_returns_the_predictions_and_publishes_nothing(harness: Harness) -> None:
    harness.handle(event(b"hello", b"unknown", b"w0rd", first=42))
    (published,) = harness.published()

    response = harness.handle(
        event(b"hello", b"unknown", b"w0rd", first=42), publisher=None, dead_letters=None
    )

    assert response == {"predictions": [published], "batchItemFailures": failed(44)}
    assert len(harness.published()) == 1
    assert harness.sums() == (3, 1, 1, 0, 1)


def test_predictions_of_one_partition_key_are_published_in_order(harness: Harness) -> None:
    refusals = iter([THROTTLED, None])
    harness.kinesis.refuse = lambda _entry: next(refusals, None)

    harness.handle(event(b"ant", b"bee", b"ape"))

    assert harness.words() == ["BEE", "ANT", "APE"]


def large_batch(*words: bytes) -> dict[str, Any]:
    """Build two aggregated records of 3,000 entries each: some words, then poison."""
    head = b"".join(entry(word) for word in words)
    message = field(1, b"a") + head + entry(b"0") * (3_000 - len(words))
    return event(aggregate(message), aggregate(message), first=42)


def test_a_large_batch_is_processed_in_slices(harness: Harness) -> None:
    assert harness.handle(large_batch(b"hello", b"unknown")) == {"batchItemFailures": []}

    assert [r["event_id"] for r in harness.published()] == [f"{SHARD}:42:0", f"{SHARD}:43:0"]
    ids = [line["event_id"] for line in harness.dead_letters_written()]
    assert len(ids) == len(set(ids)) == 5_996
    assert sorted(
        path.read_text().count("\n") for path in (harness.folder or Path()).rglob("*.*")
    ) == [998, 998, 1_000, 1_000, 1_000, 1_000]
    assert harness.sums() == (6_000, 2, 2, 5_996, 0)


def test_later_predictions_do_not_overtake_a_refused_one(harness: Harness) -> None:
    harness.kinesis.fail("put_records", "AccessDenied")

    response = harness.handle(large_batch(b"hello"))

    assert response["batchItemFailures"] == failed(42)
    assert harness.published() == []
    assert harness.sums() == (6_000, 0, 0, 999, 5_001)


def test_user_records_not_started_by_the_deadline_are_batch_item_failures(harness: Harness) -> None:
    class Slow(BrokenStorage):
        def put(self, _name: str, content: bytes) -> None:
            assert content
            harness.clock.advance(3)

    response = harness.handle(large_batch(b"hello"), context(20), dead_letters=Slow())

    assert response["batchItemFailures"] == failed(43)
    assert harness.sums() == (6_000, 2, 0, 3_998, 2_000)


def test_a_batch_too_large_for_the_memory_is_predicted_in_parts(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.model.memory = 1
    harness.handle(event(b"one", b"two", b"three"))
    assert harness.words() == ["ONE", "TWO", "THREE"]


@pytest.mark.parametrize("word", [b"word", b"exhausting"])
def test_a_lack_of_memory_fails_the_invocation_and_dead_letters_nothing(
    tmp_path: Path, word: bytes
) -> None:
    harness = Harness(tmp_path)
    harness.model.memory = 0
    with pytest.raises(MemoryError):
        harness.handle(event(word))
    assert harness.dead_letters_written() == []


def test_a_hot_partition_key_is_logged_once_a_batch_without_its_value(
    harness: Harness, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    telemetry = Telemetry(str(tmp_path), "Shout", "WARNING")

    harness.handle(event(*[b"hello"] * 1_010, b"other"), telemetry=telemetry)

    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (message,) = [line["message"] for line in logged if "message" in line]
    assert message == (
        "hot partition key: 1010 calls of PutRecords one after another, "
        "for the predictions of one key; with AGGREGATE_OUTPUT=hot they share records"
    )


def test_a_few_predictions_under_one_partition_key_are_not_logged(
    harness: Harness, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    telemetry = Telemetry(str(tmp_path), "Shout", "WARNING")

    harness.handle(event(*[b"hello"] * 9), telemetry=telemetry)

    assert "hot" not in capsys.readouterr().out


def test_aggregated_predictions_keep_their_own_event_ids(harness: Harness) -> None:
    publisher = Publisher(harness.kinesis, OUTPUT, aggregation="hot", clock=harness.clock.now)
    harness.handle(event(b"one", b"other", b"open"))
    plain = harness.kinesis.payloads(OUTPUT)

    harness.handle(event(b"one", b"other", b"open"), publisher=publisher)

    (aggregated,) = harness.kinesis.payloads(OUTPUT)[3:]
    assert [entry.data for entry in deaggregate(aggregated)] == plain


def test_counts_that_do_not_add_up_fail_the_invocation(harness: Harness) -> None:
    class Forgetful(Publisher):
        def publish(self, entries: Sequence[Entry], deadline: float) -> Published:
            published = super().publish(entries, deadline)
            return Published(published.accepted - 1, [], [], 0, None)

    with pytest.raises(ReconciliationError):
        harness.handle(event(b"hello"), publisher=Forgetful(harness.kinesis, OUTPUT))


def test_an_invocation_from_another_event_source_is_rejected(harness: Harness) -> None:
    with pytest.raises(UnexpectedEvent):
        harness.handle({"Records": [{"eventSource": "aws:sqs"}]})


WORDS = st.sampled_from(["ant", "ape", "bee", "bat", "unknown", "w0rd", "curse", "mute"])


@settings(max_examples=300, deadline=None)
@given(
    batch=st.lists(st.lists(WORDS, min_size=1, max_size=4), max_size=12),
    outcomes=st.lists(st.booleans(), max_size=80),
    faults=st.lists(st.sampled_from([None, THROTTLED, "AccessDenied", "lost"]), max_size=6),
    dead_letters=st.sampled_from(["kept", "broken", "none"]),
)
def test_every_record_is_accounted_for_in_order_and_the_lowest_failure_is_returned(
    batch: list[list[str]],
    outcomes: list[bool],
    faults: list[str | None],
    dead_letters: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    harness = Harness(tmp_path_factory.mktemp("dead") if dead_letters == "kept" else None)
    if dead_letters == "broken":
        harness.dead_letters = BrokenStorage()
    accepted = iter(outcomes)
    harness.kinesis.refuse = lambda _entry: None if next(accepted, True) else THROTTLED
    for fault in faults:
        if fault == "lost":
            harness.kinesis.lose_answer("put_records", ReadTimeoutError(endpoint_url="http://k"))
        else:
            harness.kinesis.fail("put_records", fault)
    sent = {
        f"{SHARD}:{number}:{index}": word
        for number, words in enumerate(batch, 1)
        for index, word in enumerate(words)
    }
    records = [
        record(aggregate(field(1, b"k") + b"".join(entry(w.encode()) for w in words)), number)
        for number, words in enumerate(batch, 1)
    ]
    response = harness.handle({"Records": records}, context(4))

    published = [r["event_id"] for r in harness.published()]
    dead = [line["event_id"] for line in harness.dead_letters_written()] if harness.folder else []
    skipped = [event_id for event_id, word in sent.items() if word == "unknown"]
    failed = set(sent) - set(published) - set(dead) - set(skipped)
    assert not set(published) & set(dead)
    assert {sent[event_id] for event_id in published} <= {"ant", "ape", "bee", "bat"}
    assert all(sent[event_id] in {"w0rd", "curse", "mute"} for event_id in dead)
    # After a lost response, a prediction may be published and fail as well.
    returned = [int(f["itemIdentifier"]) for f in response["batchItemFailures"]]
    lowest = min((int(event_id.split(":")[1]) for event_id in failed), default=None)
    if "lost" in faults:
        assert lowest is None or (returned and returned[0] <= lowest)
    else:
        assert returned == ([] if lowest is None else [lowest])
        assert max(Counter(published).values(), default=1) == 1
    for key in "ab":
        order = [e for e in dict.fromkeys(published) if sent[e].startswith(key)]
        assert order == [e for e in sent if e in order]
