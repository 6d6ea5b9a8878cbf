import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.outcomes import DeadLetterFolders, read_events, read_predictions
from demo.producer import OutgoingEnd, OutgoingRide
from demo.ride_ends import EndCounts
from demo.ride_tracker import DeadLetter, RideCounts, RideTracker
from streaming.dead_letters import DeadLetterRecord, encode_lines, object_name
from streaming.reader.shard_reader import StreamRecord
from streaming.storage import FolderStorage
from tests.dead_letter_objects import discarded_batch, write_discarded_batch
from tests.fakes.clock import EPOCH, Clock

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


def test_predictions_are_tracked_with_their_values() -> None:
    tracker = tracker_of("1")
    read_predictions([prediction("1", ride_duration=21.3, ride_tip=2.41)], tracker)
    (seen,) = tracker.recent()
    assert (seen.key, seen.duration, seen.tip, seen.route) == ("1", 21.3, 2.41, (74, 75))


def test_a_function_with_one_model_predicts_one_value() -> None:
    tracker = tracker_of("1")
    read_predictions([prediction("1", ride_tip=2.41)], tracker)
    (seen,) = tracker.recent()
    assert (seen.duration, seen.tip) == (None, 2.41)


@pytest.mark.parametrize("data", [b"not JSON", b"\xff", b"[]", b"{}", b'{"prediction": "\xff"}'])
def test_a_record_that_is_not_a_prediction_is_skipped(data: bytes) -> None:
    tracker = tracker_of("1")
    read_predictions([record("1", data)], tracker)
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
    read_predictions([record("9", json.dumps({"prediction": value}).encode())], tracker)
    (seen,) = tracker.recent_others()
    assert (seen.key, seen.duration, seen.tip, seen.text) == ("9", None, None, text)


def event(sequence_number: str, key: str, data: bytes) -> StreamRecord:
    return StreamRecord("shardId-000000000000", sequence_number, key, data, EPOCH)


def test_events_of_others_are_tracked_with_their_zones_and_latency() -> None:
    tracker = tracker_of("1")
    data = json.dumps({"ride": RIDE}).encode()
    read_events([event("5", "1", data), event("7", "256", data), event("8", "257", b"x")], tracker)
    assert tracker.counts() == RideCounts(put=1, others_outstanding=2)

    seen = prediction("256", ride_tip=2.0)
    arrived_at = (EPOCH - timedelta(seconds=0.4)).isoformat()
    values = {**json.loads(seen.data), "arrived_at": arrived_at}
    read_predictions([record("256", json.dumps(values).encode())], tracker)

    assert tracker.counts() == RideCounts(put=1, others_predicted=1, others_outstanding=1)
    (shown,) = tracker.recent_others()
    assert (shown.route, shown.latency, shown.by_others) == ((130, 205), 0.4, True)


ENDED = b'{"event_type": "ride_ended", "ride_id": 1}'


@pytest.mark.parametrize(
    "data", [ENDED, ENDED.replace(b"_ended", b"_paused"), b'{"event_type": "ride_ended"']
)
def test_an_event_of_an_own_ride_is_its_end_only_by_its_type(data: bytes) -> None:
    tracker = tracker_of("1")
    tracker.put_ends([OutgoingEnd("1", ENDED)])

    read_events([event("5", "1", data)], tracker)
    assert tracker.counts().ends == EndCounts(put=1, outstanding=1)
    assert tracker.end_arrived("shardId-000000000000:6", "1") == (data != ENDED)


def test_an_end_of_another_producers_ride_is_anothers_event() -> None:
    tracker = tracker_of("1")
    read_events([event("5", "2", ENDED)], tracker)
    assert tracker.counts() == RideCounts(put=1, others_outstanding=1)


def test_a_ride_whose_prediction_is_read_first_gets_its_zones_later() -> None:
    tracker = tracker_of()
    read_predictions([prediction("256")], tracker)
    read_events([event("7", "256", json.dumps({"ride": RIDE}).encode())], tracker)
    (shown,) = tracker.recent_others()
    assert shown.route == (130, 205)
    assert tracker.counts() == RideCounts(others_predicted=1)


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
        assert tracker.newest_dead_letter() == DeadLetter(None, "ride is missing", "d")

    def test_discarded_records_count_as_dead_lettered(self, tmp_path: Path) -> None:
        tracker = tracker_of("key 1", "key 2")
        write_discarded_batch(tmp_path, 1, 2)
        DeadLetterFolders(tmp_path / "dead", tmp_path).read(tracker)
        assert tracker.counts() == RideCounts(put=2, dead_lettered=2)
        reason = "discarded by the event source mapping: RetryAttemptsExhausted"
        newest = tracker.newest_dead_letter()
        assert newest is not None
        assert (newest.key, newest.reason) == ("key 2", reason)
        assert tracker.reasons() == {"discarded by the event source mapping": 2}

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
