"""The table of what happens to each record, with a model that knows nothing of rides."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.consumer.consumer import Consumer
from streaming.consumer.interface import Prediction
from streaming.errors import (
    InvalidEvent,
    ReconciliationError,
    StorageError,
    UnexpectedEvent,
)
from streaming.publisher import Entry, Published, Publisher
from streaming.storage import FolderStorage
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.fakes.last_batch import LastBatch
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import ARRIVED, SHARD, event, record

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTPUT = "words"
THROTTLED = "ProvisionedThroughputExceededException"


class Shout:
    """A model whose prediction is the event in capitals; its partition key is the first letter."""

    name, version, event_type = "shout", "7", "word_shouted"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.room = 1_000_000

    def decode(self, content: bytes, arrived_at: float) -> str | None:
        assert arrived_at > 0
        if content == b"exhausting":
            raise MemoryError
        word = content.decode("utf-8", "replace")
        if not word.isalpha():
            raise InvalidEvent("word", word, "letters")
        return None if word.startswith("foreign") else word

    def predict(self, events: Sequence[str]) -> list[Prediction]:
        self.batches.append(len(events))
        if any("curse" in word for word in events):
            raise ValueError("such language")
        if any("mute" in word for word in events):
            return []
        if len(events) > self.room:
            raise MemoryError
        huge = 1024 * 1024 if "huge" in events[0] else 0
        return [Prediction(word[0], {"loud": word.upper() + "!" * huge}) for word in events]


class BrokenStorage:
    def put(self, _name: str, content: bytes) -> None:
        raise StorageError(f"no room for {len(content.splitlines())}")


class Fixture:
    """A consumer and all it works with."""

    def __init__(self, folder: Path | None = None) -> None:
        self.clock = Clock()
        self.kinesis = FakeKinesis(self.clock)
        self.kinesis.create_stream(StreamName=OUTPUT, ShardCount=1)
        self.model = Shout()
        self.telemetry = LastBatch("shout", "Shout", "CRITICAL")
        self.publisher = Publisher(
            self.kinesis, OUTPUT, clock=self.clock.now, sleep=self.clock.sleep, jitter=lambda: 1.0
        )
        self.folder = folder
        self.dead_letters: Any = FolderStorage(folder) if folder else None

    def handle(self, batch: Any, context: Any = None, **changes: Any) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "publisher": self.publisher,
            "dead_letters": self.dead_letters,
            "telemetry": self.telemetry,
        }
        consumer = Consumer(
            self.model, **{**parts, **changes}, now=lambda: ARRIVED + 2, clock=self.clock.now
        )
        return consumer.handle(batch, context)

    def published(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.kinesis.payloads(OUTPUT)]

    def words(self) -> list[str]:
        return [record["prediction"]["loud"].rstrip("!") for record in self.published()]

    def dead_letters_written(self) -> list[dict[str, Any]]:
        assert self.folder is not None
        paths = sorted(self.folder.rglob("*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    def sums(self) -> tuple[int, int, int, int, int]:
        a = self.telemetry.counts
        return (a.received, a.published, a.skipped, a.dead_lettered, a.failed)


@pytest.fixture
def fixture(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path)


def failed(sequence_number: int | None) -> list[dict[str, str | None]]:
    identifier = None if sequence_number is None else str(sequence_number)
    return [{"itemIdentifier": identifier}]


def test_a_good_event_is_predicted_and_published(fixture: Fixture) -> None:
    response = fixture.handle(event(b"hello", first=42))

    assert response == {"batchItemFailures": []}
    assert fixture.published() == [
        {
            "event_type": "word_shouted",
            "event_id": f"{SHARD}:42",
            "model": "shout",
            "version": "7",
            "prediction": {"loud": "HELLO"},
            "arrived_at": "2025-03-01T13:15:00.123Z",
        }
    ]
    (call,) = [given for name, given in fixture.kinesis.calls if name == "put_records"]
    assert call["Records"][0]["PartitionKey"] == "h"
    assert fixture.sums() == (1, 1, 0, 0, 0)


def test_a_batch_is_predicted_with_one_call(fixture: Fixture) -> None:
    fixture.handle(event(*[b"hello"] * 100))

    assert fixture.model.batches == [100]


def test_somebody_elses_event_is_skipped_and_counted(fixture: Fixture) -> None:
    assert fixture.handle(event(b"foreign", b"hello")) == {"batchItemFailures": []}
    assert fixture.words() == ["HELLO"]
    assert fixture.sums() == (2, 1, 1, 0, 0)


def test_a_batch_of_nothing_to_predict_asks_nobody(fixture: Fixture) -> None:
    for batch in (event(), event(b"foreign")):
        assert fixture.handle(batch) == {"batchItemFailures": []}
    assert fixture.model.batches == []


def test_poison_goes_to_the_dead_letters_and_is_done(fixture: Fixture) -> None:
    broken = record(b"", 3)
    broken["kinesis"]["data"] = "no base64!"
    batch = {"Records": [record(b"hello", 1), record(b"w0rd", 2), broken, record(b"bye", 4)]}

    assert fixture.handle(batch) == {"batchItemFailures": []}
    assert fixture.words() == ["HELLO", "BYE"]
    assert [
        (line["sequence_number"], line["error_type"]) for line in fixture.dead_letters_written()
    ] == [
        ("2", "InvalidEvent"),
        ("3", "CorruptRecord"),
    ]
    assert fixture.dead_letters_written()[0]["error_message"] == "word is 'w0rd'; allowed: letters"
    assert fixture.dead_letters_written()[0]["stream"] == "ride_events"
    assert fixture.sums() == (4, 2, 0, 2, 0)


def test_without_dead_letters_poison_is_reported() -> None:
    fixture = Fixture()

    assert fixture.handle(event(b"hello", b"w0rd", b"bye"))["batchItemFailures"] == failed(2)
    assert fixture.words() == ["HELLO", "BYE"]
    assert fixture.sums() == (3, 2, 0, 0, 1)


def test_when_the_dead_letters_cannot_be_written_poison_is_reported(fixture: Fixture) -> None:
    fixture.dead_letters = BrokenStorage()

    assert fixture.handle(event(b"hello", b"w0rd", b"b0rd"))["batchItemFailures"] == failed(2)
    assert fixture.sums() == (3, 1, 0, 0, 2)


def test_the_lowest_sequence_number_is_lowest_as_a_number() -> None:
    response = Fixture().handle(event(b"hello", b"w0rd", b"b0rd", first=8))

    assert response["batchItemFailures"] == failed(9)


def test_one_bad_entry_of_an_aggregate_does_not_cost_its_siblings(fixture: Fixture) -> None:
    message = field(1, b"a") + entry(b"hello") + entry(b"w0rd") + field(3, b"") + entry(b"bye")

    assert fixture.handle(event(aggregate(message), first=42)) == {"batchItemFailures": []}
    assert [r["event_id"] for r in fixture.published()] == [f"{SHARD}:42:0", f"{SHARD}:42:3"]
    assert [line["event_id"] for line in fixture.dead_letters_written()] == [
        f"{SHARD}:42:1",
        f"{SHARD}:42:2",
    ]
    assert fixture.sums() == (4, 2, 0, 2, 0)


def test_an_aggregate_with_an_entry_not_done_is_reported_as_its_record() -> None:
    message = field(1, b"a") + entry(b"hello") + entry(b"w0rd")

    response = Fixture().handle(event(b"hi", aggregate(message), first=42))

    assert response["batchItemFailures"] == failed(43)


@pytest.mark.parametrize(
    ("word", "cause"), [(b"curse", "ValueError: such language"), (b"mute", "")]
)
def test_the_event_on_which_predict_fails_is_found_and_is_poison(
    fixture: Fixture, word: bytes, cause: str
) -> None:
    words = [b"hello"] * 100
    words[37] = word

    assert fixture.handle(event(*words, first=1000)) == {"batchItemFailures": []}

    (line,) = fixture.dead_letters_written()
    assert line["sequence_number"] == "1037"
    assert line["error_type"] == "PredictionFailed"
    assert cause in line["error_message"]
    assert fixture.sums() == (100, 99, 0, 1, 0)
    assert [r["event_id"] for r in fixture.published()] == [
        f"{SHARD}:{number}" for number in range(1000, 1100) if number != 1037
    ]


def test_an_answer_that_cannot_be_written_as_json_is_poison(fixture: Fixture) -> None:
    class Odd(Shout):
        def predict(self, events: Sequence[str]) -> list[Prediction]:
            return [Prediction("k", object() if word == "odd" else word) for word in events]

    fixture.model = Odd()

    assert fixture.handle(event(b"hello", b"odd", b"bye")) == {"batchItemFailures": []}
    assert fixture.sums() == (3, 2, 0, 1, 0)


def test_a_key_that_cannot_be_written_down_is_poison(fixture: Fixture) -> None:
    class Half(Shout):
        def predict(self, events: Sequence[str]) -> list[Prediction]:
            return [Prediction("\ud800" if word == "odd" else "é", word) for word in events]

    fixture.model = Half()

    assert fixture.handle(event(b"hello", b"odd", b"bye")) == {"batchItemFailures": []}
    assert fixture.sums() == (3, 2, 0, 1, 0)


def test_an_event_that_a_model_cannot_even_decode_is_poison(fixture: Fixture) -> None:
    class Fragile(Shout):
        def decode(self, content: bytes, arrived_at: float) -> str | None:
            if content == b"{}":
                raise KeyError("word")
            return super().decode(content, arrived_at)

    fixture.model = Fragile()

    assert fixture.handle(event(b"hello", b"{}", b"bye")) == {"batchItemFailures": []}
    (line,) = fixture.dead_letters_written()
    assert line["error_type"] == "PredictionFailed"
    assert line["error_message"] == "KeyError: 'word'"
    assert fixture.sums() == (3, 2, 0, 1, 0)


def test_a_prediction_that_kinesis_never_takes_is_poison(fixture: Fixture) -> None:
    assert fixture.handle(event(b"huge")) == {"batchItemFailures": []}

    (line,) = fixture.dead_letters_written()
    assert line["error_type"] == "PredictionTooLarge"
    assert "bytes under a partition key of 1 characters" in line["error_message"]


def test_what_is_refused_until_the_deadline_is_reported(fixture: Fixture) -> None:
    fixture.kinesis.refuse = lambda e: THROTTLED if e["PartitionKey"] in "bc" else None
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 40_000, aws_request_id="r")

    response = fixture.handle(event(b"apple", b"bee", b"cow", b"bat", b"dog"), context)

    assert response["batchItemFailures"] == failed(2)
    assert fixture.words() == ["APPLE", "DOG"]
    assert fixture.sums() == (5, 2, 0, 0, 3)
    assert fixture.clock.now() < 40 - 15


def test_a_short_time_is_halved_between_publishing_and_the_rest(fixture: Fixture) -> None:
    fixture.kinesis.refuse = lambda _entry: THROTTLED
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 3000, aws_request_id="r")

    fixture.handle(event(b"hello"), context)

    assert 0 < fixture.clock.now() < 1.5


def test_when_credentials_or_network_fail_everything_is_reported(fixture: Fixture) -> None:
    fixture.kinesis.fail("put_records", "UnrecognizedClientException")

    assert fixture.handle(event(b"hello", b"bye", first=42))["batchItemFailures"] == failed(42)
    assert fixture.sums() == (2, 0, 0, 0, 2)


def test_a_record_without_a_sequence_number_fails_the_whole_batch() -> None:
    batch = {"Records": [record(b"hello", 1), {"kinesis": {"data": "MQ=="}}]}

    assert Fixture().handle(batch)["batchItemFailures"] == failed(None)


def test_a_hand_made_event_is_predicted(fixture: Fixture) -> None:
    fixture.handle({"Records": [{"kinesis": {"data": "aGVsbG8="}}]})

    (published,) = fixture.published()
    assert published["event_id"] is None
    assert published["arrived_at"] == "2025-03-01T13:15:02.123Z"


def test_a_test_run_answers_the_predictions_and_publishes_nothing(fixture: Fixture) -> None:
    fixture.handle(event(b"hello", b"foreign", b"w0rd", first=42))
    (published,) = fixture.published()

    response = fixture.handle(
        event(b"hello", b"foreign", b"w0rd", first=42), publisher=None, dead_letters=None
    )

    assert response == {"predictions": [published], "batchItemFailures": failed(44)}
    assert len(fixture.published()) == 1
    assert fixture.sums() == (3, 1, 1, 0, 1)


def test_two_events_of_one_key_are_published_in_their_order(fixture: Fixture) -> None:
    refusals = iter([THROTTLED, None])
    fixture.kinesis.refuse = lambda _entry: next(refusals, None)

    fixture.handle(event(b"ant", b"bee", b"ape"))

    assert fixture.words() == ["BEE", "ANT", "APE"]


def crowd(*words: bytes) -> dict[str, Any]:
    """Build two records of 3,000 entries each: words at their head, then poison."""
    head = b"".join(entry(word) for word in words)
    message = field(1, b"a") + head + entry(b"0") * (3_000 - len(words))
    return event(aggregate(message), aggregate(message), first=42)


def test_what_many_aggregates_hold_goes_through_in_slices(fixture: Fixture) -> None:
    assert fixture.handle(crowd(b"hello", b"foreign")) == {"batchItemFailures": []}

    assert [r["event_id"] for r in fixture.published()] == [f"{SHARD}:42:0", f"{SHARD}:43:0"]
    ids = [line["event_id"] for line in fixture.dead_letters_written()]
    assert len(ids) == len(set(ids)) == 5_996
    assert sorted(
        path.read_text().count("\n") for path in (fixture.folder or Path()).rglob("*.*")
    ) == [
        1_998,
        1_998,
        2_000,
    ]
    assert fixture.sums() == (6_000, 2, 2, 5_996, 0)


def test_what_comes_behind_a_refused_prediction_does_not_overtake_it(fixture: Fixture) -> None:
    fixture.kinesis.fail("put_records", "AccessDenied")

    response = fixture.handle(crowd(b"hello"))

    assert response["batchItemFailures"] == failed(42)
    assert fixture.published() == []
    assert fixture.sums() == (6_000, 0, 0, 1_999, 4_001)


def test_what_is_not_begun_in_time_is_reported(fixture: Fixture) -> None:
    class Slow(BrokenStorage):
        def put(self, _name: str, content: bytes) -> None:
            assert content
            fixture.clock.advance(9)

    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000, aws_request_id="r")

    response = fixture.handle(crowd(b"hello"), context, dead_letters=Slow())

    assert response["batchItemFailures"] == failed(43)
    assert fixture.sums() == (6_000, 2, 0, 3_998, 2_000)


def test_a_batch_that_memory_is_too_short_for_is_predicted_in_parts(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    fixture.model.room = 1
    fixture.handle(event(b"one", b"two", b"three"))
    assert fixture.words() == ["ONE", "TWO", "THREE"]


@pytest.mark.parametrize("word", [b"word", b"exhausting"])
def test_a_lack_of_memory_fails_the_invocation_and_makes_no_dead_letter(
    tmp_path: Path, word: bytes
) -> None:
    fixture = Fixture(tmp_path)
    fixture.model.room = 0
    with pytest.raises(MemoryError):
        fixture.handle(event(word))
    assert fixture.dead_letters_written() == []


def test_accounts_that_do_not_balance_fail_the_batch(fixture: Fixture) -> None:
    class Forgetful(Publisher):
        def publish(self, entries: Sequence[Entry], deadline: float) -> Published:
            published = super().publish(entries, deadline)
            return Published(published.accepted - 1, [], [], 0, None)

    with pytest.raises(ReconciliationError):
        fixture.handle(event(b"hello"), publisher=Forgetful(fixture.kinesis, OUTPUT))


def test_an_invocation_from_elsewhere_is_refused(fixture: Fixture) -> None:
    with pytest.raises(UnexpectedEvent):
        fixture.handle({"Records": [{"eventSource": "aws:sqs"}]})


WORDS = st.sampled_from(["ant", "ape", "bee", "bat", "foreign", "w0rd", "curse", "mute"])


@settings(max_examples=300, deadline=None)
@given(
    batch=st.lists(st.lists(WORDS, min_size=1, max_size=4), max_size=12),
    takes=st.lists(st.booleans(), max_size=80),
    faults=st.lists(st.sampled_from([None, THROTTLED, "AccessDenied", "lost"]), max_size=6),
    dead_letters=st.sampled_from(["kept", "broken", "none"]),
)
def test_every_record_is_accounted_for_in_order_and_the_lowest_failure_is_reported(
    batch: list[list[str]],
    takes: list[bool],
    faults: list[str | None],
    dead_letters: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    fixture = Fixture(tmp_path_factory.mktemp("dead") if dead_letters == "kept" else None)
    if dead_letters == "broken":
        fixture.dead_letters = BrokenStorage()
    taking = iter(takes)
    fixture.kinesis.refuse = lambda _entry: None if next(taking, True) else THROTTLED
    for fault in faults:
        if fault == "lost":
            fixture.kinesis.lose_answer("put_records", ReadTimeoutError(endpoint_url="http://k"))
        else:
            fixture.kinesis.fail("put_records", fault)
    asked = {
        f"{SHARD}:{number}:{index}": word
        for number, words in enumerate(batch, 1)
        for index, word in enumerate(words)
    }
    records = [
        record(aggregate(field(1, b"k") + b"".join(entry(w.encode()) for w in words)), number)
        for number, words in enumerate(batch, 1)
    ]
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 4000, aws_request_id="r")

    response = fixture.handle({"Records": records}, context)

    published = [r["event_id"] for r in fixture.published()]
    dead = [line["event_id"] for line in fixture.dead_letters_written()] if fixture.folder else []
    skipped = [event_id for event_id, word in asked.items() if word == "foreign"]
    failed = set(asked) - set(published) - set(dead) - set(skipped)
    assert not set(published) & set(dead)
    assert {asked[event_id] for event_id in published} <= {"ant", "ape", "bee", "bat"}
    assert all(asked[event_id] in {"w0rd", "curse", "mute"} for event_id in dead)
    # A lost answer leaves written what is reported too: then it is only known to be retried.
    reported = [int(f["itemIdentifier"]) for f in response["batchItemFailures"]]
    lowest_undone = min((int(event_id.split(":")[1]) for event_id in failed), default=None)
    if "lost" in faults:
        assert lowest_undone is None or (reported and reported[0] <= lowest_undone)
    else:
        assert reported == ([] if lowest_undone is None else [lowest_undone])
        assert max(Counter(published).values(), default=1) == 1
    for letter in "ab":
        order = [e for e in dict.fromkeys(published) if asked[e].startswith(letter)]
        assert order == [e for e in asked if e in order]
