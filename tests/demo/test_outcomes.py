import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from demo.outcomes import DeadLetterFolders, RouteLookUp, read_predictions
from demo.producer import OutgoingRide
from demo.ride_tracker import DeadLetter, RideCounts, RideTracker, Route
from streaming.dead_letters import DeadLetterRecord, encode_lines, object_name
from streaming.reader.shard_reader import StreamRecord
from streaming.storage import FolderStorage
from tests.dead_letter_objects import discarded_batch, write_discarded_batch
from tests.fakes.clock import EPOCH, Clock
from tests.fakes.kinesis import FakeKinesis

RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


def record(key: str, data: bytes) -> StreamRecord:
    return StreamRecord("shardId-000000000000", "1", key, data, EPOCH)


def prediction(key: str, **values: Any) -> StreamRecord:
    event = {"event_id": "shardId-000000000000:7", "prediction": {"ride_id": key, **values}}
    return record(key, json.dumps({"event_type": "ride_predicted", **event}).encode())


def tracker_of(*keys: str) -> RideTracker:
    tracker = RideTracker(clock=Clock().now)
    tracker.put(OutgoingRide(key, b"{}", (74, 75)) for key in keys)
    return tracker


def nowhere(_event_id: str) -> Route | None:
    return None


def test_predictions_are_tracked_with_their_values() -> None:
    tracker = tracker_of("1")
    read_predictions([prediction("1", ride_duration=21.3, ride_tip=2.41)], tracker, nowhere)
    (seen,) = tracker.recent()
    assert (seen.key, seen.duration, seen.tip, seen.route) == ("1", 21.3, 2.41, (74, 75))


def test_a_function_with_one_model_predicts_one_value() -> None:
    tracker = tracker_of("1")
    read_predictions([prediction("1", ride_tip=2.41)], tracker, nowhere)
    (seen,) = tracker.recent()
    assert (seen.duration, seen.tip) == (None, 2.41)


@pytest.mark.parametrize("data", [b"not JSON", b"\xff", b"[]", b"{}", b'{"prediction": "\xff"}'])
def test_a_record_that_is_not_a_prediction_is_skipped(data: bytes) -> None:
    tracker = tracker_of("1")
    read_predictions([record("1", data)], tracker, nowhere)
    assert tracker.counts() == RideCounts(put=1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"label": "ok", "score": [0.9, 0.1]}, '{"label":"ok","score":[0.9,0.1]}'),
        ({"ride_duration": "long"}, '{"ride_duration":"long"}'),
        (3, "3"),
    ],
    ids=str,
)
def test_the_prediction_of_another_kind_of_model_is_kept_as_json(value: Any, text: str) -> None:
    tracker = tracker_of()
    read_predictions([record("9", json.dumps({"prediction": value}).encode())], tracker, nowhere)
    (seen,) = tracker.recent_others()
    assert (seen.key, seen.duration, seen.tip, seen.text) == ("9", None, None, text)


def test_only_rides_put_by_others_are_looked_up() -> None:
    looked_up: list[str] = []

    def route_of(event_id: str) -> Route:
        looked_up.append(event_id)
        return (130, 205)

    tracker = tracker_of("1")
    read_predictions([prediction("1"), prediction("256")], tracker, route_of)
    assert looked_up == ["shardId-000000000000:7"]
    assert [other.route for other in tracker.recent_others()] == [(130, 205)]


class TestRouteLookUp:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def kinesis(self, clock: Clock) -> FakeKinesis:
        kinesis = FakeKinesis(clock)
        kinesis.create_stream(StreamName="ride_events")
        return kinesis

    def look_up(self, kinesis: FakeKinesis, clock: Clock) -> RouteLookUp:
        return RouteLookUp(kinesis, "ride_events", clock=clock.now)

    def put(self, kinesis: FakeKinesis, *payloads: bytes) -> list[str]:
        numbers = kinesis.put("ride_events", "256", *payloads)
        return [f"shardId-000000000000:{number}" for number in numbers]

    def test_the_zones_are_read_from_the_rides_own_record(
        self, kinesis: FakeKinesis, clock: Clock
    ) -> None:
        other = {"ride": {**RIDE, "PULocationID": 1}}
        _, event_id, _ = self.put(
            kinesis,
            json.dumps(other).encode(),
            json.dumps({"ride": RIDE}).encode(),
            json.dumps(other).encode(),
        )
        assert self.look_up(kinesis, clock)(event_id) == (130, 205)

    @pytest.mark.parametrize(
        "data", [b"not JSON", b"{}", b'{"ride": {}}', gzip.compress(b'{"ride": {}}')]
    )
    def test_a_record_that_is_not_a_plain_ride_has_no_route(
        self, kinesis: FakeKinesis, clock: Clock, data: bytes
    ) -> None:
        (event_id,) = self.put(kinesis, data)
        assert self.look_up(kinesis, clock)(event_id) is None

    def test_a_missing_shard_has_no_route(self, kinesis: FakeKinesis, clock: Clock) -> None:
        assert self.look_up(kinesis, clock)("shardId-000000000009:1") is None

    def test_another_kind_of_event_id_has_no_route(
        self, kinesis: FakeKinesis, clock: Clock
    ) -> None:
        assert self.look_up(kinesis, clock)("something else") is None

    def test_look_ups_are_at_most_one_a_second(self, kinesis: FakeKinesis, clock: Clock) -> None:
        (event_id,) = self.put(kinesis, json.dumps({"ride": RIDE}).encode())
        look_up = self.look_up(kinesis, clock)
        routes = []
        for _ in range(4):
            routes.append(look_up(event_id))
            clock.advance(0.5)
        assert routes == [(130, 205), None, (130, 205), None]


class TestDeadLetterFolders:
    def dead_letter(self, key: str | None, event_id: str) -> DeadLetterRecord:
        return DeadLetterRecord(
            data="",
            event_id=event_id,
            stream="ride_events",
            shard_id="shardId-000000000000",
            sequence_number="1",
            partition_key=key,
            arrived_at="2025-03-01T13:15:00.000Z",
            error_type="InvalidEvent",
            error_message="ride is missing",
        )

    def write(self, storage: FolderStorage, records: list[DeadLetterRecord]) -> None:
        storage.put(object_name(records), encode_lines(records))

    def test_dead_letter_records_of_the_function_are_found_once(self, tmp_path: Path) -> None:
        tracker = tracker_of("1", "2")
        folders = DeadLetterFolders(tmp_path / "dead", tmp_path / "discarded")
        folders.read(tracker)
        storage = FolderStorage(tmp_path / "dead")
        self.write(storage, [self.dead_letter("1", "a"), self.dead_letter("256", "b")])
        folders.read(tracker)
        folders.read(tracker)
        self.write(storage, [self.dead_letter("2", "c"), self.dead_letter(None, "d")])
        folders.read(tracker)
        assert tracker.counts() == RideCounts(put=2, dead_lettered=2, others_dead_lettered=2)
        assert tracker.newest_dead_letter() == DeadLetter(None, "ride is missing")

    def test_discarded_records_count_as_dead_lettered(self, tmp_path: Path) -> None:
        tracker = tracker_of("key 1", "key 2")
        write_discarded_batch(tmp_path, 1, 2)
        DeadLetterFolders(tmp_path / "dead", tmp_path).read(tracker)
        assert tracker.counts() == RideCounts(put=2, dead_lettered=2)
        reason = "discarded by the event source mapping: RetryAttemptsExhausted"
        assert tracker.newest_dead_letter() == DeadLetter("key 2", reason)

    def test_a_file_that_is_still_being_written_is_read_when_it_is_whole(
        self, tmp_path: Path
    ) -> None:
        tracker = tracker_of("key 1")
        folders = DeadLetterFolders(tmp_path / "dead", tmp_path)
        unfinished = tmp_path / "object.7.tmp"
        unfinished.write_bytes(b'{"payl')
        folders.read(tracker)
        unfinished.write_bytes(discarded_batch(1))
        unfinished.rename(tmp_path / "object")
        folders.read(tracker)
        assert tracker.counts() == RideCounts(put=1, dead_lettered=1)
