"""Payloads without a stream: each gets its own answer, which is the one that the stream gives."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.consumer.predictor import (
    SKIPPED,
    UNAVAILABLE,
    Answer,
    Payload,
    Predictor,
    Rejected,
)
from streaming.consumer.telemetry import Telemetry
from tests.fakes.clock import Clock
from tests.lambda_events import ARRIVED, event
from tests.streaming.consumer.harness import Fragile, Harness, Shout, context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streaming.consumer.interface import Model, Prediction

WORDS = [b"hello", b"curse", b"unknown", b"{}", b"12", b"\xff", b"\x1f\x8bbroken", b"mute", b"x"]


def predictor(model: Model[str] | None = None) -> Predictor[str]:
    telemetry = Telemetry("words", "Words", "CRITICAL")
    return Predictor(model or Fragile(), telemetry, clock=Clock().now, draw=first)


def first(items: Sequence[object], count: int) -> Sequence[object]:
    return items[:count]


def predict(words: Sequence[bytes], model: Model[str] | None = None) -> list[Answer]:
    return predictor(model).predict([Payload(word) for word in words], ARRIVED, 60.0)


def test_a_prediction_is_the_record_that_the_stream_would_get() -> None:
    (answer,) = predictor().predict([Payload(b"hello", "request:0")], ARRIVED, 60.0)

    assert isinstance(answer, bytes)
    assert json.loads(answer) == {
        "event_type": "word_shouted",
        "event_id": "request:0",
        "model": "shout",
        "version": "7",
        "prediction": {"loud": "HELLO"},
        "arrived_at": "2025-03-01T13:15:00.123Z",
    }


def test_payloads_of_several_requests_keep_their_own_arrivals() -> None:
    payloads = [Payload(b"hello", None, ARRIVED - 60), Payload(b"hello")]

    arrivals = [
        json.loads(answer)["arrived_at"]
        for answer in predictor().predict(payloads, ARRIVED, 60.0)
        if isinstance(answer, bytes)
    ]

    assert arrivals == ["2025-03-01T13:14:00.123Z", "2025-03-01T13:15:00.123Z"]


@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_each_payload_has_the_answer_that_it_has_alone(words: list[bytes]) -> None:
    alone = {word: predict([b"good", word])[1] for word in set(words)}

    assert predict([b"good", *words])[1:] == [alone[word] for word in words]


def test_errors_are_those_of_the_dead_letters(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.model = Fragile()
    harness.handle(event(b"good", *WORDS), context(60))
    on_the_stream = {
        base64.b64decode(record["data"]): (record["error_type"], record["error_message"])
        for record in harness.dead_letters_written()
    }

    answers = dict(zip(WORDS, predict([b"good", *WORDS])[1:], strict=True))

    rejected = {
        word: (answer.error_type, answer.error_message)
        for word, answer in answers.items()
        if isinstance(answer, Rejected)
    }
    assert rejected == on_the_stream
    assert set(rejected) == set(WORDS) - {b"hello", b"unknown", b"x"}
    assert answers[b"unknown"] is SKIPPED


def test_a_reason_holds_nothing_of_the_payload() -> None:
    (answer,) = predict([b"12"])

    assert answer == Rejected(
        "InvalidEvent", "word is '12'; allowed: alphabetic", "word is not alphabetic"
    )


def test_a_model_that_fails_on_everything_rejects_nothing() -> None:
    class Broken(Shout):
        def predict(self, events: Sequence[str]) -> list[Prediction]:
            raise ConnectionError(events[0])

    assert predict([b"a", b"12", b"b"], Broken()) == [
        UNAVAILABLE,
        Rejected("InvalidEvent", "word is '12'; allowed: alphabetic", "word is not alphabetic"),
        UNAVAILABLE,
    ]


def test_what_there_is_no_time_for_is_unavailable() -> None:
    answers = predictor().predict([Payload(b"a"), Payload(b"12")], ARRIVED, 0.0)

    assert answers == [UNAVAILABLE, UNAVAILABLE]


def test_a_lack_of_memory_is_no_payloads_fault() -> None:
    with pytest.raises(MemoryError):
        predict([b"exhausting"])


def test_no_payloads_have_no_answers() -> None:
    assert predict([]) == []
