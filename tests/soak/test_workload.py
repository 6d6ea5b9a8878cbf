import base64
from itertools import islice, pairwise

import pytest

from demo.bad_events import BAD_EVENTS
from demo.ride_generator import read_statistics
from model import RideModel
from streaming.consumer.records import user_records
from streaming.errors import Poison
from tests.soak.kpl_aggregation import AGGREGATE_SPOILERS, ENTRY_SPOILERS
from tests.soak.workload import (
    Good,
    KinesisRecord,
    Poisoned,
    Unrecognised,
    Workload,
    kinesis_records_of,
)

STATISTICS = read_statistics()
MODEL = RideModel({}, version="1")


@pytest.fixture(scope="module")
def drawn() -> list[KinesisRecord]:
    return list(kinesis_records_of(Workload(rides=4000, seed=1, poison_share=0.1), STATISTICS))


def test_each_payload_is_what_its_outcome_says(drawn: list[KinesisRecord]) -> None:
    for record in drawn:
        in_lambda_event = {"kinesis": {"data": base64.b64encode(record.data).decode()}}
        found = list(user_records([in_lambda_event], now=0.0))
        assert len(found) == len(record.outcomes)
        for payload, outcome in zip(found, record.outcomes, strict=True):
            if isinstance(outcome, Poisoned):
                assert payload.data == outcome.data
                with pytest.raises(Poison):
                    MODEL.decode(payload.content(), arrived_at=0.0)
            else:
                ride = MODEL.decode(payload.content(), arrived_at=0.0)
                assert outcome == (Unrecognised() if ride is None else Good(int(ride.ride_id)))


def test_every_kind_of_poison_is_put(drawn: list[KinesisRecord]) -> None:
    put = {each.kind for p in drawn for each in p.outcomes if isinstance(each, Poisoned)}
    assert put == {*BAD_EVENTS, *ENTRY_SPOILERS, *AGGREGATE_SPOILERS}


def test_all_events_of_a_ride_have_one_partition_key(drawn: list[KinesisRecord]) -> None:
    keys: dict[int, set[str]] = {}
    for record in drawn:
        for outcome in record.outcomes:
            if isinstance(outcome, Good):
                keys.setdefault(outcome.ride_id, set()).add(record.key)
    assert all(len(found) == 1 for found in keys.values())


def test_rides_are_updated_and_records_put_twice(drawn: list[KinesisRecord]) -> None:
    good = [each for p in drawn for each in p.outcomes if isinstance(each, Good)]
    assert len(good) > len(set(good))
    assert any(first is second for first, second in pairwise(drawn))


def test_the_same_seed_puts_the_same_records() -> None:
    first, again, other = (
        [
            record.data
            for record in islice(
                kinesis_records_of(Workload(rides=None, seed=seed), STATISTICS), 50
            )
        ]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_plain_records_hold_one_event_each_without_gzip() -> None:
    workload = Workload(rides=200, seed=1, poison_share=0, plain_only=True)
    for record in kinesis_records_of(workload, STATISTICS):
        assert record.data.startswith(b"{")
        assert len(record.outcomes) == 1


@pytest.mark.parametrize("rides_per_record", [2, 10])
def test_the_mean_of_events_in_a_record_is_known(rides_per_record: int) -> None:
    workload = Workload(rides=5_000, seed=1, rides_per_record=rides_per_record)
    found = list(kinesis_records_of(workload, STATISTICS))
    events = sum(len(record.outcomes) for record in found)
    assert events / len(found) == pytest.approx(workload.events_per_record, rel=0.2)
