"""When a mapping ends a tumbling window."""

import json

from tests.local.event_source_mapping.mapping_fixtures import SHARD, ScriptedFunction
from tests.local.event_source_mapping.running_mapping import (
    STREAM,
    MappingFixture,
    done,
    eventually,
)


class Summing(ScriptedFunction):
    """A function that counts the records of a tumbling window."""

    def invoke(self, payload: bytes) -> bytes:
        super().invoke(payload)
        event = self.events[-1]
        count = event["state"].get("count", 0) + len(event["Records"])
        return json.dumps({"state": {"count": count}}).encode()

    def totals(self) -> list[int]:
        return [event["state"]["count"] for event in self.events if event["isFinalInvokeForWindow"]]


def test_a_tumbling_window_ends_without_more_records(fixture: MappingFixture) -> None:
    fixture.put("key", b"1", b"2", b"3")
    function = Summing()

    mapping = fixture.map(function, tumbling_window_in_seconds=60, batch_size=2)
    eventually(lambda: function.totals() == [3])

    assert mapping.failure is None


def test_a_tumbling_window_ends_with_its_shard(fixture: MappingFixture) -> None:
    fixture.put("key", b"1", b"2", b"3")
    fixture.kinesis.split(STREAM, SHARD)
    fixture.put("key", b"4")
    function = Summing()

    done(fixture.map(function, tumbling_window_in_seconds=900), 4)

    assert function.totals() == [3]


def test_a_tumbling_window_survives_a_stop(fixture: MappingFixture) -> None:
    fixture.put("key", b"1")
    function = Summing()
    mapping = fixture.map(function, tumbling_window_in_seconds=900)
    done(mapping, 1)

    mapping.stop()
    fixture.put("key", b"2")
    mapping.start()
    done(mapping, 2)

    assert function.events[-1]["state"] == {"count": 1}
