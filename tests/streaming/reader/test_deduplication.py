import json
import tracemalloc
from itertools import product

import pytest

from streaming.reader.deduplication import RecentEvents
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.kpl_aggregation import aggregate_of, entry
from tests.streaming.reader.reader_fixtures import reader_of


def test_event_id_model_and_stream_together_are_the_event() -> None:
    recent = RecentEvents(100)
    values = ("a", "b", 'a","b', "")
    events = [
        json.dumps({"event_id": event_id, "model": model, "stream": stream}).encode()
        for event_id, model, stream in product(values, (*values, None), (*values, None))
    ]
    assert all(recent.add(event) for event in events)
    assert not any(recent.add(event) for event in events)


def test_an_event_is_recognised_however_its_json_is_written() -> None:
    recent = RecentEvents(10)
    assert recent.add(b'{"event_id": "a", "model": "m"}')
    assert not recent.add(b'{"stream":null,"model":"\\u006d","other":[1],"event_id":"a"}')


def test_memory_does_not_depend_on_the_size_of_the_ids() -> None:
    recent = RecentEvents(1_000)
    tracemalloc.start()
    try:
        for number in range(1_000):
            assert recent.add(b'{"event_id": "%d%s"}' % (number, b"x" * 100_000))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 165_000


def test_nothing_is_recognised_after_clear() -> None:
    recent = RecentEvents(10)
    assert recent.add(b'{"event_id": "a"}')
    recent.clear()
    assert recent.add(b'{"event_id": "a"}')


def test_predictions_of_two_models_for_one_event_are_not_duplicates(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    predictions = [
        json.dumps({"event_id": "shard:1", "model": model}).encode()
        for model in ("ride_duration_prediction_model", "ride_tip_prediction_model")
    ]
    kinesis.put("rides", "k", *predictions, *predictions)
    reader = reader_of(kinesis, clock)
    assert [record.data for record in reader] == predictions
    assert reader.duplicates == 2


def test_equal_event_ids_of_two_input_streams_are_two_events(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    predictions = [
        json.dumps({"event_id": f"shard:{number}", "model": "m", "stream": stream}).encode()
        for stream in ("rides_north", "rides_south")
        for number in range(100)
    ]
    kinesis.put("rides", "k", *predictions, *predictions)
    reader = reader_of(kinesis, clock)
    assert [record.data for record in reader] == predictions
    assert reader.duplicates == 200


@pytest.mark.parametrize("event_id", ["shardId-000000000000:1", "a"])
def test_duplicates_are_dropped_and_counted(
    kinesis: FakeKinesis, clock: Clock, event_id: str
) -> None:
    data = json.dumps({"event_id": event_id, "prediction": {"ride_id": 256}}).encode()
    kinesis.put("rides", "256", data, data)
    kinesis.put("rides", "257", data)
    reader = reader_of(kinesis, clock)
    assert [record.data for record in reader] == [data]
    assert reader.duplicates == 2


@pytest.mark.parametrize(
    "data",
    [
        b'{"event_id": null}',
        b'{"event_id": 7}',
        b'{"ride_id": 256}',
        b'["event_id"]',
        b"no JSON",
        b'{"event_id": "\xff"}',
        b"\x1f\x8b",
        b'{"event_id": ' + b"[" * 5000,
        b"",
    ],
)
def test_records_without_an_event_id_are_not_deduplicated(
    kinesis: FakeKinesis, clock: Clock, data: bytes
) -> None:
    kinesis.put("rides", "256", data, data)
    reader = reader_of(kinesis, clock)
    assert [record.data for record in reader] == [data, data]
    assert reader.duplicates == 0


def test_duplicates_are_recognised_only_within_the_window(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    for name in "abcab":
        kinesis.put("rides", "256", json.dumps({"event_id": name}).encode())
    wide, narrow = (reader_of(kinesis, clock, duplicate_window=size) for size in (3, 2))
    assert len(list(wide)) == 3
    assert len(list(narrow)) == 5


def test_duplicates_are_dropped_inside_aggregated_records_too(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    first, second = (json.dumps({"event_id": f"shard:{n}"}).encode() for n in (1, 2))
    kinesis.put("rides", "k", first, aggregate_of("k", [entry(first), entry(second)]))
    reader = reader_of(kinesis, clock)

    assert [record.data for record in reader] == [first, second]
    assert reader.duplicates == 1


def test_an_event_that_is_known_from_an_earlier_run_is_dropped(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    events = [b'{"event_id": "%d", "model": "m"}' % number for number in range(4)]
    kinesis.put("rides", "key", *events)

    reader = reader_of(kinesis, clock, known=[b'{"model":"m","event_id":"1"}', events[3]])

    assert [record.data for record in reader] == [events[0], events[2]]
    assert reader.duplicates == 2


def test_of_the_known_events_the_last_are_remembered(kinesis: FakeKinesis, clock: Clock) -> None:
    events = [b'{"event_id": "%d"}' % number for number in range(4)]
    kinesis.put("rides", "key", events[3], events[0])

    reader = reader_of(kinesis, clock, known=events, duplicate_window=2)

    assert [record.data for record in reader] == [events[0]]
