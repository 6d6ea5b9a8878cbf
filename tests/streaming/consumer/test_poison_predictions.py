"""An event that cannot be decoded, predicted or published is poison; the others are published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streaming.aggregation import AGGREGATE_MAGIC
from streaming.consumer.interface import Prediction
from streaming.errors import InvalidEvent
from tests.lambda_events import SHARD, event
from tests.streaming.consumer.harness import Fragile, Harness, Shout

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS_TO_LETTERS = str.maketrans("0123456789", "ghijklmnop")


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


@pytest.mark.parametrize(
    "words", [[b"rude"], [b"hello", b"rude", b"bye"], [b"rude", b"rude", b"bye"]]
)
def test_an_event_that_predict_itself_calls_invalid_is_poison_even_in_the_first_batch(
    harness: Harness, words: list[bytes]
) -> None:
    class Polite(Shout):
        def predict(self, events: Sequence[str]) -> list[Prediction]:
            if "rude" in events:
                raise InvalidEvent("word", "rude", "polite")
            return super().predict(events)

    harness.model = Polite()

    assert harness.handle(event(*words)) == {"batchItemFailures": []}
    lines = harness.dead_letters_written()
    assert [(line["event_id"], line["error_type"], line["error_message"]) for line in lines] == [
        (f"{SHARD}:{number}", "InvalidEvent", "word is 'rude'; allowed: polite")
        for number, word in enumerate(words, 1)
        if word == b"rude"
    ]
    assert harness.sums() == (len(words), len(words) - len(lines), 0, len(lines), 0)


def test_predictions_beside_poison_name_their_stream_like_any_other(harness: Harness) -> None:
    harness.handle(event(b"hello"))
    harness.handle(event(b"hello", b"curse", b"bye"))

    assert [record["stream"] for record in harness.published()] == ["ride_events"] * 3


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
    (line,) = harness.dead_letters_written()
    assert line["error_type"] == "CorruptRecord"
    assert harness.sums() == (1, 0, 0, 1, 0)

    harness.model = Binary()
    harness.handle(event(damaged))
    assert harness.words() == [damaged.hex().translate(DIGITS_TO_LETTERS).upper()]
