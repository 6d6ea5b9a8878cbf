"""Records that match no filter do not reach the function."""

import json

from streaming.reader.checkpoints import FINISHED
from tests.local.event_source_mapping.mapping_fixtures import SHARD, ScriptedFunction
from tests.local.event_source_mapping.running_mapping import (
    STREAM,
    MappingFixture,
    done,
    eventually,
)


def test_records_that_match_no_filter_do_not_reach_the_function(fixture: MappingFixture) -> None:
    sent = fixture.put("key", b'{"n": 1}', b'{"n": 2}', b"text", b'{"n": 1}', b'{"n": 2}')
    function = ScriptedFunction()

    mapping = fixture.map(function, filter_criteria=('{"data": {"n": [1]}}',))
    done(mapping, 2)
    eventually(lambda: mapping.snapshot().checkpoints == {SHARD: str(sent[-1])})

    assert function.invocations == [[sent[0], sent[3]]]
    assert mapping.snapshot().records_filtered == 3


def test_one_stream_feeds_two_functions_by_their_filters(fixture: MappingFixture) -> None:
    one, two = fixture.put("key", b'{"n": 1}', b'{"n": 2}')
    functions = [ScriptedFunction(), ScriptedFunction()]

    for number, function in enumerate(functions, 1):
        pattern = json.dumps({"data": {"n": [number]}})
        done(fixture.map(function, filter_criteria=(pattern,)), 1)

    assert [function.invocations for function in functions] == [[[one]], [[two]]]


def test_a_shard_whose_records_are_all_filtered_is_read_to_its_end(
    fixture: MappingFixture,
) -> None:
    fixture.put("key", b"text")
    fixture.kinesis.split(STREAM, SHARD)
    (child,) = fixture.put("key", b"{}")

    mapping = fixture.map(
        ScriptedFunction(), filter_criteria=('{"data": {"n": [{"exists": false}]}}',)
    )
    done(mapping, 1)

    assert mapping.snapshot().checkpoints[SHARD] == FINISHED
    assert str(child) in mapping.snapshot().checkpoints.values()
