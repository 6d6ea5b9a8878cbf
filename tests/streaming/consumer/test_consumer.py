"""What happens to each user record, with a model that is not about rides."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.errors import ReconciliationError, UnexpectedEvent
from streaming.publisher import Entry, Published, Publisher
from tests.kpl_aggregation import aggregate, entry, field
from tests.lambda_events import SHARD, event, record
from tests.streaming.consumer.harness import (
    OUTPUT,
    THROTTLED,
    BrokenStorage,
    Harness,
    context,
    failed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def test_events_of_an_unrecognised_type_are_skipped_and_counted(harness: Harness) -> None:
    assert harness.handle(event(b"unknown", b"hello", b"unknown")) == {"batchItemFailures": []}
    assert harness.words() == ["HELLO"]
    assert harness.sums() == (3, 1, 2, 0, 0)


def test_without_events_the_model_is_not_called(harness: Harness) -> None:
    for batch in (event(), event(b"unknown")):
        assert harness.handle(batch) == {"batchItemFailures": []}
    assert harness.model.batches == []


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
