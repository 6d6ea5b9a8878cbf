"""What a model may predict: a value that is JSON, which is published as the model wrote it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from streaming.consumer.interface import Prediction
from tests.lambda_events import event
from tests.streaming.consumer.harness import Harness, Shout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Forwarding(Shout):
    """Predicts values that it was given, such as the bytes of a service's response."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        self.values = values

    def predict(self, events: Sequence[str]) -> list[Prediction]:
        return [Prediction(word, self.values.get(word, word)) for word in events]


NO_JSON = {
    "nothing": b"",
    "cut short": b'{"loud": "HELL',
    "two values": b"1,2",
    "two values, apart": b"1 2",
    "more fields of the record": b'1,"event_id":"another"',
    "the end of the record": b"1}",
    "not a number": b"NaN",
    "no UTF-8": b'"\xff"',
    "a control character": b'"\n"',
    "a page": b"<html>503</html>",
    "a word": b"tru",
    "too deep": b"[" * 100_000 + b"]" * 100_000,
}


WHOLE = {name: msgspec.Raw(content) for name, content in NO_JSON.items()}
WITHIN = {
    f"{name}, within the value": {"a": raw}
    for name, raw in WHOLE.items()
    if name != "more fields of the record"  # which are then fields of the value
}


@pytest.mark.parametrize("value", [*WHOLE.values(), *WITHIN.values()], ids=[*WHOLE, *WITHIN])
def test_raw_bytes_that_are_no_json_are_refused_and_the_other_predictions_published(
    tmp_path: Path, value: Any
) -> None:
    harness = Harness(tmp_path)
    harness.model = Forwarding({"bad": value})

    harness.handle(event(b"one", b"bad", b"two"))

    assert [each["prediction"] for each in harness.published()] == ["one", "two"]
    (dead,) = harness.dead_letters_written()
    assert dead["error_type"] == "PredictionFailed"
    assert "Prediction.value is no JSON" in dead["error_message"]


@pytest.mark.parametrize(
    "values",
    [
        (b'1,"x', b'y"'),
        (b"1 2", b""),
        (b"", b"1 2"),
        (b"1\n2", b""),
        (b"[1", b"2]"),
        (b"[1,", b"2]", b"3\n4"),
        (b"1,2,3", b"", b"4"),
        (b'"\xc3', b'\xa4"'),
    ],
)
def test_raw_bytes_that_are_json_only_together_are_refused(
    tmp_path: Path, values: tuple[bytes, ...]
) -> None:
    harness = Harness(tmp_path)
    words = [b"bad" + b"x" * index for index in range(len(values))]
    harness.model = Forwarding(
        {word.decode(): msgspec.Raw(value) for word, value in zip(words, values, strict=True)}
    )

    harness.handle(event(b"one", *words, b"two"))

    valid = [value for value in values if value == b"4"]
    assert len(harness.published()) == 2 + len(valid)
    assert len(harness.dead_letters_written()) == len(values) - len(valid)


JSON = {
    "compact": b'{"loud":"HELLO","more":[1,2.5,null]}',
    "indented": b'{\n  "loud": "HELLO"\n}',
    "between spaces": b"  [1, 2]\r\n",
    "null": b"null",
    "beyond ASCII": '"\N{ONCOMING TAXI}"'.encode(),
    "escapes": rb'"\u00e4\n"',
    "a large number": b"1e400",
}


@pytest.mark.parametrize("content", JSON.values(), ids=JSON)
def test_raw_bytes_that_are_json_are_published_as_they_are(tmp_path: Path, content: bytes) -> None:
    harness = Harness(tmp_path)
    harness.model = Forwarding({"raw": msgspec.Raw(content)})

    harness.handle(event(b"one", b"raw", b"two"))

    assert harness.dead_letters_written() == []
    published = [each["prediction"] for each in harness.published()]
    assert published == ["one", json.loads(content), "two"]
    assert any(content.strip() in data for data in harness.kinesis.payloads("words"))


def test_without_raw_bytes_a_prediction_is_anything_that_msgspec_encodes(tmp_path: Path) -> None:
    class Loud(msgspec.Struct):
        loud: str | None

    harness = Harness(tmp_path)
    values = {"a": Loud(None), "b": (1, "\n"), "c": None, "d": "\N{ONCOMING TAXI}", "e": [[]] * 9}
    harness.model = Forwarding(values)

    harness.handle(event(*map(str.encode, values)))

    expected: list[Any] = [{"loud": None}, [1, "\n"], None, "\N{ONCOMING TAXI}", [[]] * 9]
    assert [each["prediction"] for each in harness.published()] == expected


@pytest.mark.parametrize("value", [float("nan"), {"loud": [1.0, float("-inf")]}])
def test_what_json_does_not_have_is_refused_beside_null(tmp_path: Path, value: Any) -> None:
    harness = Harness(tmp_path)
    harness.model = Forwarding({"bad": value, "none": {"loud": None}})

    harness.handle(event(b"one", b"bad", b"none"))

    assert [each["prediction"] for each in harness.published()] == ["one", {"loud": None}]
    (dead,) = harness.dead_letters_written()
    assert "NaN or infinity" in dead["error_message"]
