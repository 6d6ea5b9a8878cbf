"""What `deliver` puts entries with, unless a test gives it something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.redrive.delivery import publish
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

if TYPE_CHECKING:
    import pytest

    from streaming.publisher import Entry


def test_entries_are_put_on_the_stream_unless_the_timeout_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinesis = FakeKinesis(Clock())
    kinesis.create_stream(StreamName="rides")
    entries: list[Entry] = [{"Data": b"one", "PartitionKey": "k"}]

    assert publish(kinesis, "rides", entries).accepted == 1
    assert kinesis.payloads("rides") == [b"one"]
    monkeypatch.setattr("streaming.redrive.delivery.PUT_TIMEOUT_SECONDS", 0.0)
    assert publish(kinesis, "rides", entries).refused == [0]
