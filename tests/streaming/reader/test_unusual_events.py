"""Events of other writers: `model` and `stream` may be any JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming.reader.deduplication import RecentEvents

VALUES: list[Any] = [
    "m",
    None,
    7,
    7.5,
    "7",
    True,
    [],
    ["m"],
    {"name": "m", "version": 7},
    {"name": "m", "version": 8},
    '{"name":"m","version":7}',
]


def test_an_event_is_recognised_whatever_its_model_and_stream_are() -> None:
    recent = RecentEvents(1_000)
    events = [
        json.dumps({"event_id": "a", "model": model, "stream": stream}).encode()
        for model in VALUES
        for stream in VALUES
    ]
    assert all(recent.add(event) for event in events)
    assert not any(recent.add(event) for event in events)


def test_without_a_stream_is_as_with_null() -> None:
    recent = RecentEvents(10)
    assert recent.add(b'{"event_id": "a", "model": [7]}')
    assert not recent.add(b'{"stream": null, "model": [7], "event_id": "a"}')
    assert recent.add(b'{"event_id": "b", "model": [7]}')


@pytest.mark.parametrize("event_id", [b"7", b"null", b'["a"]', b"{}"])
def test_an_event_id_that_is_no_string_is_always_new(event_id: bytes) -> None:
    recent = RecentEvents(10)
    event = b'{"event_id": %b, "model": 7}' % event_id
    assert recent.add(event)
    assert recent.add(event)


@pytest.mark.parametrize(
    "record",
    [
        b'{"event_id": "a", "model": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"event_id": "a", "model": [}',
        b'{"event_id": "\xff", "model": 7}',
    ],
)
def test_a_record_that_is_no_json_is_always_new(record: bytes) -> None:
    recent = RecentEvents(10)
    assert recent.add(record)
    assert recent.add(record)
