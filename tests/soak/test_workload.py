import base64
from itertools import islice, pairwise

import pytest

from demo.bad_events import BAD_EVENTS
from demo.ride_generator import read_statistics
from model import RideModel
from streaming.consumer.records import user_records
from streaming.errors import Poison
from tests.kpl_aggregation import DAMAGED_AGGREGATES, DAMAGED_ENTRIES
from tests.soak.workload import (
    DeadLettered,
    KinesisRecord,
    Predicted,
    Skipped,
    Workload,
    generate_records,
)

STATISTICS = read_statistics()
MODEL = RideModel({}, version="1")


@pytest.fixture(scope="module")
def records() -> list[KinesisRecord]:
    return list(generate_records(Workload(rides=4000, seed=1, poison_share=0.1), STATISTICS))


def test_each_user_record_has_its_expected_outcome(records: list[KinesisRecord]) -> None:
    for record in records:
        in_lambda_event = {"kinesis": {"data": base64.b64encode(record.data).decode()}}
        found = list(user_records([in_lambda_event], now=0.0))
        assert len(found) == len(record.outcomes)
        for user_record, outcome in zip(found, record.outcomes, strict=True):
            if isinstance(outcome, DeadLettered):
                assert user_record.data == outcome.data
                with pytest.raises(Poison):
                    MODEL.decode(user_record.content(), arrived_at=0.0)
            else:
                ride = MODEL.decode(user_record.content(), arrived_at=0.0)
                assert outcome == (Skipped() if ride is None else Predicted(int(ride.ride_id)))


def test_every_kind_of_poison_is_put(records: list[KinesisRecord]) -> None:
    put = {
        each.kind
        for record in records
        for each in record.outcomes
        if isinstance(each, DeadLettered)
    }
    assert put == {*BAD_EVENTS, *DAMAGED_ENTRIES, *DAMAGED_AGGREGATES}


def test_all_events_of_a_ride_have_one_partition_key(records: list[KinesisRecord]) -> None:
    keys: dict[int, set[str]] = {}
    for record in records:
        for outcome in record.outcomes:
            if isinstance(outcome, Predicted):
                keys.setdefault(outcome.ride_id, set()).add(record.key)
    assert all(len(found) == 1 for found in keys.values())


def test_rides_are_updated_and_records_put_twice(records: list[KinesisRecord]) -> None:
    good = [each for record in records for each in record.outcomes if isinstance(each, Predicted)]
    assert len(good) > len(set(good))
    assert any(first is second for first, second in pairwise(records))


def test_the_same_seed_puts_the_same_records() -> None:
    first, again, other = (
        [
            record.data
            for record in islice(generate_records(Workload(rides=None, seed=seed), STATISTICS), 50)
        ]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_plain_records_hold_one_event_each_without_gzip() -> None:
    workload = Workload(rides=200, seed=1, poison_share=0, plain_only=True)
    for record in generate_records(workload, STATISTICS):
        assert record.data.startswith(b"{")
        assert len(record.outcomes) == 1


@pytest.mark.parametrize("rides_per_record", [2, 10])
def test_the_mean_of_events_in_a_record_is_known(rides_per_record: int) -> None:
    workload = Workload(rides=5_000, seed=1, rides_per_record=rides_per_record)
    found = list(generate_records(workload, STATISTICS))
    events = sum(len(record.outcomes) for record in found)
    assert events / len(found) == pytest.approx(workload.events_per_record, rel=0.2)
