"""A child shard waits for its parents, and is found however late it is listed."""

from collections import defaultdict

from streaming.reader.checkpoints import FINISHED
from tests.local.event_source_mapping.mapping_fixtures import RAISES, SHARD, ScriptedFunction
from tests.local.event_source_mapping.running_mapping import (
    STREAM,
    MappingFixture,
    done,
    eventually,
)


def test_after_a_split_the_children_wait_for_the_parent(fixture: MappingFixture) -> None:
    before = fixture.put("key", b"ride", b"ride")
    function = ScriptedFunction(RAISES, RAISES, RAISES)
    fixture.kinesis.split(STREAM, SHARD)
    after = fixture.put("key", b"ride", b"ride")

    mapping = fixture.map(function)
    done(mapping, 4)

    assert function.invocations == [before] * 4 + [after]
    assert mapping.snapshot().checkpoints[SHARD] == FINISHED


def test_after_a_merge_the_child_waits_for_both_parents() -> None:
    fixture = MappingFixture(shards=2)
    first, second = (shard.shard_id for shard in fixture.kinesis.open_shards(STREAM))
    keys = ["a", "b", "c", "d"]
    before = {number for key in keys for number in fixture.put(key, b"ride")}
    fixture.kinesis.merge_shards(StreamName=STREAM, ShardToMerge=first, AdjacentShardToMerge=second)
    after = {number for key in keys for number in fixture.put(key, b"ride")}
    attempts: defaultdict[str, int] = defaultdict(int)

    class SlowOnOneParent(ScriptedFunction):
        def invoke(self, payload: bytes) -> bytes:
            if second.encode() in payload:
                attempts[second] += 1
                if attempts[second] < 5:
                    raise RAISES
            return super().invoke(payload)

    function = SlowOnOneParent()
    done(fixture.map(function), 8)
    fixture.close()

    arrived = [number for invocation in function.invocations for number in invocation]
    assert set(arrived[:4]) == before
    assert set(arrived[4:]) == after
    assert attempts[second] == 5


def test_child_shards_are_found_although_list_shards_is_throttled(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    fixture.kinesis.split(STREAM, SHARD)
    fixture.put("key", b"ride")
    fixture.kinesis.fail("list_shards", None, "LimitExceededException", "LimitExceededException")

    done(fixture.map(ScriptedFunction()), 2)


def test_child_shards_are_found_although_list_shards_lags_behind(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    fixture.kinesis.split(STREAM, SHARD)
    fixture.put("key", b"ride")
    fixture.kinesis.unlisted = {shard.shard_id for shard in fixture.kinesis.open_shards(STREAM)}

    done(fixture.map(ScriptedFunction()), 2)


def test_a_shard_that_was_read_to_its_end_uses_no_memory(fixture: MappingFixture) -> None:
    fixture.put("key", b"ride")
    fixture.kinesis.split(STREAM, SHARD)
    children = {shard.shard_id for shard in fixture.kinesis.open_shards(STREAM)}

    mapping = fixture.map(ScriptedFunction())

    eventually(lambda: mapping._workers.keys() == children)
