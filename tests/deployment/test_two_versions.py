"""A batch that is retried while traffic moves may meet the other version: what a reader sees."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from local.errors import FunctionError
from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from local.event_source_mapping.mapping import EventSourceMapping, Timing
from streaming import Consumer, Prediction, Publisher, StreamReader
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.fakes.last_batch import LastBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

EVENTS, PREDICTIONS = "events", "predictions"
RECORDS = 600
WEIGHTS = (0.1, 0.5)
DEADLINE_SECONDS = 60


class Doubling:
    """Predicts twice a number."""

    name, event_type = "doubling", "number_doubled"

    def __init__(self, version: str) -> None:
        self.version = version

    def decode(self, content: bytes, _arrived_at: float) -> int:
        return int(content)

    def predict(self, events: Sequence[int]) -> list[Prediction]:
        return [
            Prediction(str(number), {"number": number, "double": 2 * number}) for number in events
        ]


class WeightedAlias:
    """An alias between two versions: each invocation meets one of them at random, by the weight.

    After the predictions are published, an invocation may fail or time out as a whole, or report
    that a record failed, so that Lambda retries what has been published already. Each shard has its
    own random numbers: in which order the shards' threads come must not matter.
    """

    def __init__(self, kinesis: FakeKinesis, clock: Clock, weight: float, seed: int) -> None:
        self._seed = seed
        self._randoms: dict[str, random.Random] = {}
        self._weight = weight
        self._lock = threading.Lock()
        self._consumers = {
            version: Consumer(
                Doubling(version),
                publisher=Publisher(
                    kinesis, PREDICTIONS, clock=clock.now, sleep=clock.sleep, jitter=lambda: 1.0
                ),
                dead_letters=None,
                telemetry=LastBatch("doubling", "Doubling", "CRITICAL"),
                now=lambda: clock.utc().timestamp(),
            )
            for version in ("old", "new")
        }

    def invoke(self, payload: bytes) -> bytes:
        with self._lock:
            event = json.loads(payload)
            shard = event["Records"][0]["eventID"].partition(":")[0]
            chance = self._randoms.setdefault(shard, random.Random(f"{self._seed} {shard}"))
            version = "new" if chance.random() < self._weight else "old"
            response = self._consumers[version].handle(event)
            assert response == {"batchItemFailures": []}
            outcome = chance.random()
            if outcome < 0.2:
                raise FunctionError("Sandbox.Timedout", "injected")
            if outcome < 0.4:
                record = chance.choice(event["Records"])
                number = record["kinesis"]["sequenceNumber"]
                response = {"batchItemFailures": [{"itemIdentifier": number}]}
            return json.dumps(response).encode()

    def close(self) -> None:
        pass


def run(weight: float, seed: int, shards: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what was put on the output stream, and what a reader sees of it."""
    clock = Clock()
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName=EVENTS, ShardCount=shards)
    kinesis.create_stream(StreamName=PREDICTIONS, ShardCount=1)
    for number in range(RECORDS):
        kinesis.put(EVENTS, str(number), str(number).encode())

    def wait(event: threading.Event, seconds: float) -> bool:
        clock.sleep(seconds)
        return event.wait(0.001)

    mapping = EventSourceMapping(
        kinesis,
        EVENTS,
        WeightedAlias(kinesis, clock, weight, seed),
        EventSourceMappingConfiguration(
            batch_size=20,
            bisect_batch_on_function_error=True,
            function_response_types=("ReportBatchItemFailures",),
        ),
        timing=Timing(clock=clock.now, now=clock.utc, wait=wait, jitter=lambda: 1.0),
    )
    deadline = time.monotonic() + DEADLINE_SECONDS
    with mapping:
        while mapping.failure is None and mapping.snapshot().records_done < RECORDS:
            assert time.monotonic() < deadline, mapping.snapshot()
            time.sleep(0.001)
    assert mapping.failure is None

    reader = StreamReader(
        kinesis, PREDICTIONS, follow=False, clock=clock.now, sleep=clock.sleep, now=clock.utc
    )
    seen = [json.loads(record.data) for record in reader]
    put = [json.loads(data) for data in kinesis.payloads(PREDICTIONS)]
    assert reader.duplicates == len(put) - len(seen)
    return put, seen


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize(("seed", "shards"), [(1, 1), (2, 1), (3, 4)])
def test_a_reader_sees_each_event_once_though_both_versions_predicted_it(
    weight: float, seed: int, shards: int
) -> None:
    put, seen = run(weight, seed, shards)

    assert sorted(each["prediction"]["number"] for each in seen) == list(range(RECORDS))
    assert len({each["event_id"] for each in seen}) == RECORDS
    versions: defaultdict[str, set[str]] = defaultdict(set)
    for each in put:
        versions[each["event_id"]].add(each["version"])
    by_both = [event for event, found in versions.items() if found == {"old", "new"}]
    assert by_both, "no retried batch met the other version: the test shows nothing"
    assert {each["version"] for each in seen} == {"old", "new"}
    first: dict[str, str] = {}
    for each in put:
        first.setdefault(each["event_id"], each["version"])
    assert all(each["version"] == first[each["event_id"]] for each in seen)
