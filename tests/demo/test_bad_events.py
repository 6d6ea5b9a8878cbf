import base64
from random import Random

import msgspec
import pytest

from demo.bad_events import BAD_EVENTS, bad_event
from model import RideModel
from streaming.consumer.records import user_records
from streaming.errors import Poison

EVENT = msgspec.json.encode(
    {
        "event_type": "ride_started",
        "ride_id": 256,
        "ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66},
    }
)


def decode(data: bytes) -> object:
    record = {"kinesis": {"data": base64.b64encode(data).decode()}}
    (user_record,) = user_records([record], now=0.0)
    return RideModel({}, version="1").decode(user_record.content(), arrived_at=0.0)


def test_the_valid_event_can_be_decoded() -> None:
    assert decode(EVENT) is not None


@pytest.mark.parametrize("kind", BAD_EVENTS)
def test_no_bad_event_can_be_decoded(kind: str) -> None:
    with pytest.raises(Poison):
        decode(BAD_EVENTS[kind](EVENT))


def test_every_kind_of_bad_event_is_drawn() -> None:
    random = Random(1)
    assert len({bad_event(EVENT, random) for _ in range(1000)}) == len(BAD_EVENTS)
