"""What events and lists are answered with, alone and beside others."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import Consumer, Telemetry
from streaming.storage import FolderStorage
from tests.bad_json import not_an_event
from tests.lambda_events import event as lambda_event
from tests.web.thermometers import GOOD, OTHER_TYPE, Asked, Thermometers, reading

if TYPE_CHECKING:
    from pathlib import Path

ASKED = Asked()
LIST = b"[1, 2]"


def test_an_event_is_answered_with_its_prediction_record() -> None:
    found = ASKED.ask("POST", "/predict", GOOD, x_request_id="the-request:7")

    assert found.status == 200
    assert found.headers["x-request-id"] == "the-request:7"
    assert found.headers["content-type"] == "application/json"
    assert found.json == {
        "event_type": "alarm_predicted",
        "event_id": "the-request:7",
        "model": "alarm_model",
        "version": "1",
        "prediction": {"machine": "m1", "kelvin": 368.65},
        "arrived_at": "2025-03-01T13:15:00.123Z",
    }


def test_a_list_is_answered_in_order_and_a_bad_entry_fails_alone() -> None:
    entries = [reading("a"), b'{"machine": 5, "celsius": 1}', OTHER_TYPE, reading("broken"), b"7"]

    found = ASKED.ask("POST", "/predict", b" [" + b",".join(entries) + b"]", x_request_id="r")

    first, wrong, other, broken, number = found.json
    assert found.status == 200
    assert (first["event_id"], first["prediction"]["machine"]) == ("r:0", "a")
    assert wrong == {"error_type": "InvalidEvent", "error": "machine is 5; allowed: a string"}
    assert other == {"skipped": True}
    assert broken["error_type"] == "PredictionFailed"
    assert number["error"] == "event is b'7'; allowed: a JSON object"


def test_an_event_of_another_type_is_skipped() -> None:
    found = ASKED.ask("POST", "/predict", OTHER_TYPE)

    assert (found.status, found.json) == (200, {"skipped": True})


def test_an_empty_list_is_answered_with_one() -> None:
    found = ASKED.ask("POST", "/predict", b"[]")

    assert (found.status, found.json) == (200, [])


def dead_letter(data: bytes, folder: Path) -> dict[str, Any]:
    """Return the dead-letter record that the consumer writes for data on the stream."""
    consumer = Consumer(
        Thermometers(),
        publisher=None,
        dead_letters=FolderStorage(folder),
        telemetry=Telemetry("test", "Test"),
    )
    assert consumer.handle(lambda_event(data)) == {
        "batchItemFailures": [],
        "predictions": [],
    }
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    found: dict[str, Any] = json.loads(path.read_text())
    assert base64.b64decode(found["data"]) == data
    return found


@pytest.mark.parametrize(
    "data",
    [
        *(each for each in not_an_event(b'{"machine": "m", "celsius": 1}')[:10] if each != LIST),
        b"[" * 50_000,
        b"[5",
        b"[1,]",
        b"\x1f\x8b damaged",
        gzip.compress(b'{"machine": 1}', mtime=0),
        b'{"machine": "m1"}',
        b'{"machine": "m1", "celsius": NaN}',
        b'{"celsius": 1, "machine": "\xff"}',
    ],
    ids=lambda data: repr(data[:24]),
)
def test_bytes_are_refused_with_the_words_of_their_dead_letter(data: bytes, tmp_path: Path) -> None:
    found = ASKED.ask("POST", "/predict", data)

    expected = dead_letter(data, tmp_path)
    assert found.status == 422
    assert found.json == {
        "error_type": expected["error_type"],
        "error": expected["error_message"],
    }


def test_gzipped_data_is_predicted_as_on_the_stream() -> None:
    found = ASKED.ask("POST", "/predict", gzip.compress(GOOD))

    assert found.json["prediction"]["machine"] == "m1"


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(data: bytes) -> None:
    found = ASKED.ask("POST", "/predict", data)

    assert found.status in {200, 422}
    assert found.json is not None
    assert len(found.headers["x-request-id"]) == 32


@given(
    st.lists(
        st.lists(st.sampled_from(["good", "broken", "wrong", "other"]), min_size=1, max_size=40),
        min_size=1,
        max_size=12,
    )
)
def test_concurrent_requests_get_their_own_answers(requests: list[list[str]]) -> None:
    asked = Asked()
    bodies = [
        [
            {
                "good": reading(f"{number}-{i}", i),
                "broken": reading("broken"),
                "wrong": json.dumps({"machine": f"{number}-{i}", "celsius": "?"}).encode(),
                "other": OTHER_TYPE,
            }[kind]
            for i, kind in enumerate(kinds)
        ]
        for number, kinds in enumerate(requests)
    ]

    async def ask_all() -> list[Any]:
        return await asyncio.gather(
            *(
                asked.asks("POST", "/predict", b"[" + b",".join(body) + b"]", x_request_id=str(i))
                for i, body in enumerate(bodies)
            )
        )

    for number, (kinds, found) in enumerate(zip(requests, asyncio.run(ask_all()), strict=True)):
        assert found.status == 200
        for i, (kind, answer) in enumerate(zip(kinds, found.json, strict=True)):
            if kind == "good":
                assert answer["event_id"] == f"{number}:{i}"
                kelvin = pytest.approx(i + 273.15)
                assert answer["prediction"] == {"machine": f"{number}-{i}", "kelvin": kelvin}
            elif kind == "other":
                assert answer == {"skipped": True}
            else:
                expected = {"broken": "PredictionFailed", "wrong": "InvalidEvent"}[kind]
                assert answer["error_type"] == expected


def test_concurrent_requests_are_predicted_with_one_call() -> None:
    asked = Asked(examples=())

    async def ask_all() -> None:
        await asyncio.gather(*(asked.asks("POST", "/predict", GOOD) for _ in range(20)))

    asyncio.run(ask_all())

    assert asked.model.batches == [20]


def test_a_model_that_fails_on_everything_is_unavailable_and_comes_back() -> None:
    asked = Asked()
    asked.model.raises = OSError("the feature store is away")
    single = asked.ask("POST", "/predict", GOOD)
    several = asked.ask("POST", "/predict", b"[" + GOOD + b"," + OTHER_TYPE + b"]")
    asked.model.raises = None

    for found in (single, several):
        assert found.status == 503
        assert found.headers["retry-after"] == "1"
        assert found.json["error_type"] == "Unavailable"
    assert asked.ask("POST", "/predict", GOOD).status == 200


def test_a_lack_of_memory_is_no_events_fault() -> None:
    asked = Asked()
    asked.model.raises = MemoryError()

    assert asked.ask("POST", "/predict", GOOD).status == 503


def test_the_examples_are_what_the_first_bad_event_is_compared_with() -> None:
    """Without them, it would look like an outage."""
    assert Asked().ask("POST", "/predict", reading("broken")).status == 422
    assert Asked(examples=()).ask("POST", "/predict", reading("broken")).status == 503
