"""The page of a run: it shows what the demo counts."""

from __future__ import annotations

import json
import urllib.request
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from demo.page_feed import figures, open_page
from demo.ride_ends import EndCounts
from demo.ride_tracker import RideCounts
from demo.snapshot import Snapshot
from page.measures import RateMeter
from streaming import TRIM_HORIZON
from tests.fakes.kinesis import FakeKinesis
from tests.page.ride_stream import CHALLENGER, PREDICTIONS, RIDES, predicted, started

if TYPE_CHECKING:
    from tests.fakes.clock import Clock


def snapshot(**more: Any) -> Snapshot:
    counts = RideCounts(put=10, predicted=7, dead_lettered=1, duplicates=4, ends=EndCounts(put=5))
    given: dict[str, Any] = {
        "counts": counts,
        "goal": None,
        "elapsed": 2.0,
        "per_second": 3.5,
        "p50": 0.25,
        "p99": None,
        "iterator_age": 17.0,
        "invocations": 1,
        "function_errors": 0,
        "recent": (),
        "recent_others": (),
        "newest_dead_letter": None,
    }
    return Snapshot(**{**given, **more})


def test_the_figures_are_those_of_the_run() -> None:
    meter = RateMeter()
    figures(snapshot(counts=RideCounts(), elapsed=0.0), meter)
    found = figures(snapshot(), meter)

    assert (found.rides_in, found.predictions_out, found.dead_lettered) == (10, 7, 1)
    assert (found.in_per_second, found.out_per_second) == (5.0, 3.5)
    assert (found.p50, found.p99, found.iterator_age) == (250.0, None, 17.0)
    assert (found.duplicates, found.ended, found.outstanding) == (4, 5, 2)


def test_the_page_shows_what_the_run_reads_and_its_challengers(clock: Clock) -> None:
    kinesis: Any = FakeKinesis(clock)
    kinesis.meta = SimpleNamespace(endpoint_url="http://127.0.0.1:4566")
    kinesis.create_stream(StreamName=CHALLENGER, ShardCount=1)
    config = SimpleNamespace(
        input_stream=RIDES,
        output_stream=PREDICTIONS,
        mapping=SimpleNamespace(starting_position=TRIM_HORIZON),
    )
    rival = SimpleNamespace(
        pipeline=SimpleNamespace(config=SimpleNamespace(output_stream=CHALLENGER))
    )
    pipeline: Any = SimpleNamespace(client=kinesis, config=config)
    kinesis.put_record(
        StreamName=CHALLENGER, PartitionKey="1", Data=predicted(1, version="rival").data
    )
    said: list[str] = []
    challengers: Any = [rival]
    with open_page(pipeline, challengers, 0, said.append) as feed:
        address = said[0].removeprefix("The page is at ")
        feed.event(started(1))
        feed.prediction(predicted(1))
        feed.show(snapshot())
        while len(feed.live.versions()) < 2:
            pass
        with urllib.request.urlopen(f"{address}state", timeout=30) as response:  # noqa: S310
            state = json.load(response)

    assert state["figures"]["rides_in"] == 10
    assert state["zone.130"] == [20.0, 2.5, 1]
    assert state["about"]["output_streams"] == [PREDICTIONS, CHALLENGER]
    assert [row["version"] for row in state["versions"]] == ["v1", "rival"]
    assert state["recent"][0]["route"] == [130, 205]
