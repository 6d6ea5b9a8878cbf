import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.outcomes import DeadLetterFolders, RouteLookUp, read_predictions
from demo.producer import OutgoingRide
from demo.ride_tracker import Dead, Ledger, Route, Sums
from local.event_source_mapping.invocation_event import EventEncoder
from local.event_source_mapping.on_failure_destination import (
    Discarded,
    MappingIdentity,
    invocation_record,
)
from streaming.dead_letters import DeadLetterRecord, encode_lines, object_name
from streaming.reader.shard_reader import StreamRecord
from streaming.storage import FolderStorage
from tests.fakes.clock import EPOCH, Clock
from tests.fakes.kinesis import FakeKinesis

RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


def record(key: str, data: bytes) -> StreamRecord:
    return StreamRecord("shardId-000000000000", "1", key, data, EPOCH)


def prediction(key: str, **values: Any) -> StreamRecord:
    event = {"event_id": "shardId-000000000000:7", "prediction": {"ride_id": key, **values}}
    return record(key, json.dumps({"event_type": "ride_predicted", **event}).encode())


def ledger_of(*keys: str) -> Ledger:
    ledger = Ledger(clock=Clock().now)
    ledger.put(OutgoingRide(key, b"{}", (74, 75)) for key in keys)
    return ledger


def nowhere(_event_id: str) -> Route | None:
    return None


def test_predictions_reach_the_ledger_with_their_values() -> None:
    ledger = ledger_of("1")
    read_predictions([prediction("1", ride_duration=21.3, ride_tip=2.41)], ledger, nowhere)
    (seen,) = ledger.recent()
    assert (seen.key, seen.duration, seen.tip, seen.route) == ("1", 21.3, 2.41, (74, 75))


def test_a_function_with_one_model_answers_one_value() -> None:
    ledger = ledger_of("1")
    read_predictions([prediction("1", ride_tip=2.41)], ledger, nowhere)
    (seen,) = ledger.recent()
    assert (seen.duration, seen.tip) == (None, 2.41)


@pytest.mark.parametrize("data", [b"not JSON", b"\xff", b"[]", b"{}", b'{"prediction": "\xff"}'])
def test_what_is_no_prediction_is_passed_over(data: bytes) -> None:
    ledger = ledger_of("1")
    read_predictions([record("1", data)], ledger, nowhere)
    assert ledger.sums() == Sums(put=1)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"label": "ok", "score": [0.9, 0.1]}, '{"label":"ok","score":[0.9,0.1]}'),
        ({"ride_duration": "long"}, '{"ride_duration":"long"}'),
        (3, "3"),
    ],
    ids=str,
)
def test_what_another_model_says_is_kept_as_it_is(said: Any, text: str) -> None:
    ledger = ledger_of()
    read_predictions([record("9", json.dumps({"prediction": said}).encode())], ledger, nowhere)
    (seen,) = ledger.recent_others()
    assert (seen.key, seen.duration, seen.tip, seen.text) == ("9", None, None, text)


def test_only_rides_that_somebody_else_put_are_looked_up() -> None:
    asked: list[str] = []

    def route_of(event_id: str) -> Route:
        asked.append(event_id)
        return (130, 205)

    ledger = ledger_of("1")
    read_predictions([prediction("1"), prediction("256")], ledger, route_of)
    assert asked == ["shardId-000000000000:7"]
    assert [other.route for other in ledger.recent_others()] == [(130, 205)]


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

    def test_a_shard_that_is_not_there_has_no_route(
        self, kinesis: FakeKinesis, clock: Clock
    ) -> None:
        assert self.look_up(kinesis, clock)("shardId-000000000009:1") is None

    def test_an_event_id_of_another_kind_has_no_route(
        self, kinesis: FakeKinesis, clock: Clock
    ) -> None:
        assert self.look_up(kinesis, clock)("something else") is None

    def test_look_ups_leave_the_shards_reads_to_those_who_need_them(
        self, kinesis: FakeKinesis, clock: Clock
    ) -> None:
        (event_id,) = self.put(kinesis, json.dumps({"ride": RIDE}).encode())
        look_up = self.look_up(kinesis, clock)
        routes = []
        for _ in range(4):
            routes.append(look_up(event_id))
            clock.advance(0.5)
        assert routes == [(130, 205), None, (130, 205), None]


class TestDeadLetterFolders:
    def letter(self, key: str | None, event_id: str) -> DeadLetterRecord:
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

    def test_dead_letters_of_the_function_are_found_once(self, tmp_path: Path) -> None:
        ledger = ledger_of("1", "2")
        folders = DeadLetterFolders(tmp_path / "dead", tmp_path / "discarded")
        folders.read(ledger)
        storage = FolderStorage(tmp_path / "dead")
        self.write(storage, [self.letter("1", "a"), self.letter("256", "b")])
        folders.read(ledger)
        folders.read(ledger)
        self.write(storage, [self.letter("2", "c"), self.letter(None, "d")])
        folders.read(ledger)
        assert ledger.sums() == Sums(put=2, dead=2, other_dead=2)
        assert ledger.newest_dead() == Dead(None, "ride is missing")

    def test_records_that_the_mapping_discarded_count_as_dead(self, tmp_path: Path) -> None:
        ledger = ledger_of("1", "2")
        encoder = EventEncoder("arn:aws:kinesis:us-east-1:123456789012:stream/ride_events")
        discarded = Discarded(
            [encoder.encode(record("1", b"{}")), encoder.encode(record("2", b"{}"))],
            condition="RetryAttemptsExhausted",
            invocations=6,
            raised=True,
        )
        identity = MappingIdentity("uuid", "stream", "function")
        body = invocation_record(discarded, identity, EPOCH + timedelta(seconds=9))
        FolderStorage(tmp_path).put("aws/lambda/uuid/shardId-000000000000/object", body)
        DeadLetterFolders(tmp_path / "dead", tmp_path).read(ledger)
        assert ledger.sums() == Sums(put=2, dead=2)
        reason = "given up by the event source mapping: RetryAttemptsExhausted"
        assert ledger.newest_dead() == Dead("2", reason)

    def test_a_file_that_is_still_being_written_is_read_when_it_is_whole(
        self, tmp_path: Path
    ) -> None:
        ledger = ledger_of("1")
        folders = DeadLetterFolders(tmp_path / "dead", tmp_path)
        unfinished = tmp_path / "object.7.tmp"
        unfinished.write_bytes(b'{"payl')
        folders.read(ledger)
        event = {"Records": [{"kinesis": {"partitionKey": "1"}}]}
        whole = {"payload": json.dumps(event), "requestContext": {"condition": "RecordAgeExceeded"}}
        unfinished.write_text(json.dumps(whole))
        unfinished.rename(tmp_path / "object")
        folders.read(ledger)
        assert ledger.sums() == Sums(put=1, dead=1)
