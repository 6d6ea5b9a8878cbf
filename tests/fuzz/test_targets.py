"""The whole function under arbitrary bytes and arbitrarily damaged events.

`make fuzz` runs the same targets guided by coverage; what it found stands here.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambda_function import build_consumer
from streaming.errors import UnexpectedEvent
from streaming.timestamps import LAST_SECOND
from tests.aggregates import aggregate, entry, field
from tests.fuzz.seed_corpus import SEEDS
from tests.fuzz.targets import TARGETS, check_batch
from tests.lambda_events import record, ride

if TYPE_CHECKING:
    from model import RideFeatures
    from streaming.consumer.consumer import Consumer

# Everything that Python's JSON reader can give: halves of characters, NaN, integers of any size.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=9),
    lambda child: (
        st.lists(child, max_size=3)
        | st.dictionaries(
            st.text(max_size=9) | st.sampled_from(["kinesis", "data"]), child, max_size=3
        )
    ),
    max_leaves=9,
)
PAYLOADS = st.one_of(
    st.binary(max_size=60),
    st.just(ride()),
    st.builds(
        lambda rides: aggregate(field(1, b"k") + b"".join(map(entry, rides))),
        st.lists(st.just(ride()) | st.binary(max_size=9), max_size=4),
    ),
)
FIELDS = [
    "kinesis",
    "eventID",
    "eventSource",
    "eventSourceARN",
    "kinesis.data",
    "kinesis.partitionKey",
    "kinesis.sequenceNumber",
    "kinesis.approximateArrivalTimestamp",
]


def damaged(data: bytes, number: int, path: str, value: Any) -> Any:
    whole = record(data, number)
    outer, _, inner = path.partition(".")
    if inner:
        whole[outer][inner] = value
    else:
        whole[outer] = value
    return whole


RECORDS = st.one_of(
    st.builds(record, PAYLOADS, st.integers(1, 99)),
    st.builds(damaged, PAYLOADS, st.integers(1, 99), st.sampled_from(FIELDS), JSON),
    JSON,
)
EVENTS = st.fixed_dictionaries({"Records": st.lists(RECORDS, max_size=4)})


@settings(max_examples=500, deadline=None)
@given(EVENTS | JSON)
def test_whatever_the_event_it_is_answered_and_every_record_accounted_for(event: Any) -> None:
    check_batch(event)


@cache
def reporting() -> Consumer[RideFeatures]:
    """Build the function as a test run has it, which reports its poison."""
    return build_consumer({"TEST_RUN": "True"})


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_whatever_the_event_the_answer_is_json_with_finite_predictions(event: Any) -> None:
    try:
        response = reporting().handle(event)
    except UnexpectedEvent as error:
        assert "expected records from aws:kinesis" in str(error)  # noqa: PT017  either is right
        return
    answer = json.loads(json.dumps(response, allow_nan=False))
    assert len(answer["batchItemFailures"]) <= 1
    for prediction in answer["predictions"]:
        assert prediction["prediction"]["ride_duration"] >= 0
        assert prediction["prediction"]["ride_tip"] >= 0


@pytest.mark.parametrize("target", TARGETS)
def test_the_fuzzer_begins_with_inputs_that_hold(target: str) -> None:
    for seed in SEEDS[target]:
        TARGETS[target](seed)


@settings(max_examples=300, deadline=None)
@given(target=st.sampled_from(sorted(TARGETS)), data=st.binary(max_size=300))
@example(target="letters", data=b"")
def test_whatever_the_bytes_every_target_holds(target: str, data: bytes) -> None:
    TARGETS[target](data)


FOUND = {
    "half a character in the event id": damaged(ride(), 1, "eventID", "\ud800"),
    "half a character as partition key": damaged(b"poison", 1, "kinesis.partitionKey", "\udc00"),
    "half a character in a record of another shape": {"kinesis": "\ud800"},
    "an integer beyond 64 bits in a record of another shape": {"kinesis": 2**64},
    "an arrival that rounds to the year 10000": damaged(
        ride(), 1, "kinesis.approximateArrivalTimestamp", LAST_SECOND + 0.9999
    ),
    "digits of another script as sequence number": damaged(
        ride(), 1, "kinesis.sequenceNumber", "\N{ARABIC-INDIC DIGIT THREE}"
    ),
    "no text as data": damaged(ride(), 1, "kinesis.data", 5),
    "text beyond ASCII as data": damaged(ride(), 1, "kinesis.data", "é"),
}


@pytest.mark.parametrize("found", FOUND.values(), ids=FOUND.keys())
def test_what_once_left_the_handler_does_so_no_more(found: Any) -> None:
    check_batch({"Records": [record(ride()), found, record(b"poison", 3)]})


def test_a_deeply_nested_record_is_poison() -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]

    check_batch({"Records": [deep, {"kinesis": deep}, damaged(ride(), 1, "eventID", deep)]})


def test_a_deeply_nested_message_is_poison() -> None:
    nested = b"[" * 50_000 + b"]" * 50_000
    for data in (nested, b'{"ride": %s}' % nested, b'{"event_type": "x", "y": %s}' % nested):
        check_batch({"Records": [{"kinesis": {"data": base64.b64encode(data).decode()}}]})
