from pathlib import Path

from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.soak.kinesis_local import missing_tools
from tests.soak.reconciliation import Expected
from tests.soak.reshard import Resharder, open_shards, rides_on_several_shards


def test_both_streams_are_split_to_four_shards_and_merged_back_to_two() -> None:
    clock = Clock()
    client = FakeKinesis(clock)
    for stream in ("ride_events", "ride_predictions"):
        client.create_stream(StreamName=stream, ShardCount=2)
    lines: list[str] = []

    Resharder(lines.append, sleep=clock.sleep)(client)

    assert [line.rpartition(" ")[2] for line in lines] == ["3", "4"] * 2 + ["3", "2"] * 2
    for stream in ("ride_events", "ride_predictions"):
        ranges = [shard["HashKeyRange"] for shard in open_shards(client, stream)]
        ends = [(int(r["StartingHashKey"]), int(r["EndingHashKey"])) for r in ranges]
        assert ends[0][0] == 0
        assert ends[0][1] + 1 == ends[1][0]
        assert ends[1][1] == 2**128 - 1


def test_rides_with_events_on_several_shards_are_counted() -> None:
    expected = Expected()
    expected.by_ride |= {1: ["a:1", "b:2"], 2: ["a:3", "a:4:0"], 3: ["b:5"]}
    assert rides_on_several_shards(expected) == 1


def test_programs_that_kinesis_local_needs_are_named_if_missing(tmp_path: Path) -> None:
    assert missing_tools(str(tmp_path)) == ["node", "npm"]
