"""The consumer on arbitrary bytes and arbitrarily damaged Lambda events.

`make fuzz` runs the same targets guided by coverage; its findings are regression tests here.
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
from model import RideFeatures, RideModel
from streaming.consumer.interface import Prediction
from streaming.errors import UnexpectedEvent
from streaming.timestamps import LAST_SECOND
from tests.fuzz.draw import PATHS
from tests.fuzz.seed_corpus import SEEDS
from tests.fuzz.targets import TARGETS, BrokenPromise, check_batch
from tests.kpl_aggregation import aggregate_of, entry
from tests.lambda_events import event, record, ride

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.consumer.consumer import Consumer

# Anything that Python's JSON decoder can return: lone surrogates, NaN, integers of any size.
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
        lambda rides: aggregate_of("k", map(entry, rides)),
        st.lists(st.just(ride()) | st.binary(max_size=9), max_size=4),
    ),
)


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
    st.builds(
        damaged,
        PAYLOADS,
        st.integers(1, 99),
        st.sampled_from([".".join(path) for path in PATHS]),
        JSON,
    ),
    JSON,
)
EVENTS = st.fixed_dictionaries({"Records": st.lists(RECORDS, max_size=4)})


@settings(max_examples=500, deadline=None)
@given(EVENTS | JSON)
def test_every_record_of_any_event_is_accounted_for(event: Any) -> None:
    check_batch(event)


@cache
def consumer_of_a_test_run() -> Consumer[RideFeatures]:
    """Build the consumer of a test run, in which poison is a batch item failure."""
    return build_consumer({"TEST_RUN": "True"})


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_the_response_to_any_event_is_json_with_finite_predictions(event: Any) -> None:
    try:
        response = consumer_of_a_test_run().handle(event)
    except UnexpectedEvent as error:
        assert "expected records from aws:kinesis" in str(error)  # noqa: PT017  either is correct
        return
    decoded = json.loads(json.dumps(response, allow_nan=False))
    assert len(decoded["batchItemFailures"]) <= 1
    for prediction in decoded["predictions"]:
        assert prediction["prediction"]["ride_duration"] >= 0
        assert prediction["prediction"]["ride_tip"] >= 0


@pytest.mark.parametrize("target", TARGETS)
def test_no_seed_breaks_a_promise(target: str) -> None:
    for seed in SEEDS[target]:
        TARGETS[target](seed)


@settings(max_examples=300, deadline=None)
@given(target=st.sampled_from(sorted(TARGETS)), data=st.binary(max_size=300))
@example(target="dead_letters", data=b"")
def test_no_bytes_break_a_promise(target: str, data: bytes) -> None:
    TARGETS[target](data)


FINDINGS = {
    "a lone surrogate in the event id": damaged(ride(), 1, "eventID", "\ud800"),
    "a lone surrogate as partition key": damaged(b"poison", 1, "kinesis.partitionKey", "\udc00"),
    "a lone surrogate in a malformed record": {"kinesis": "\ud800"},
    "an integer beyond 64 bits in a malformed record": {"kinesis": 2**64},
    "an arrival that rounds to the year 10000": damaged(
        ride(), 1, "kinesis.approximateArrivalTimestamp", LAST_SECOND + 0.9999
    ),
    "non-ASCII digits as sequence number": damaged(
        ride(), 1, "kinesis.sequenceNumber", "\N{ARABIC-INDIC DIGIT THREE}"
    ),
    "data that is not text": damaged(ride(), 1, "kinesis.data", 5),
    "non-ASCII text as data": damaged(ride(), 1, "kinesis.data", "é"),
}


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=FINDINGS.keys())
def test_a_record_that_once_raised_in_the_handler_is_accounted_for(finding: Any) -> None:
    check_batch({"Records": [record(ride()), finding, record(b"poison", 3)]})


def test_a_deeply_nested_record_is_poison() -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]

    check_batch({"Records": [deep, {"kinesis": deep}, damaged(ride(), 1, "eventID", deep)]})


def test_a_deeply_nested_message_is_poison() -> None:
    nested = b"[" * 50_000 + b"]" * 50_000
    for data in (nested, b'{"ride": %s}' % nested, b'{"event_type": "x", "y": %s}' % nested):
        check_batch({"Records": [{"kinesis": {"data": base64.b64encode(data).decode()}}]})


class Unreliable(RideModel):
    """A model with the same prediction for every ride."""

    def __init__(self, ride_id: int, tip: float) -> None:
        super().__init__({}, "1")
        value = {"ride_id": ride_id, "ride_duration": 9.0, "ride_tip": tip}
        self._prediction = Prediction("256", value)

    def predict(self, events: Sequence[RideFeatures]) -> list[Prediction]:
        return [self._prediction] * len(events)


@pytest.mark.parametrize(
    ("ride_id", "tip", "broken"),
    [
        (256, float("nan"), "the model is unavailable"),
        (256, -0.01, "ride_tip is negative"),
        (7, 1.0, "a partition key that is not the ride's"),
    ],
)
def test_a_prediction_that_breaks_a_promise_is_found(ride_id: int, tip: float, broken: str) -> None:
    check_batch(event(ride(256)), Unreliable(256, 1.0))

    with pytest.raises(BrokenPromise, match=broken):
        check_batch(event(ride(256)), Unreliable(ride_id, tip))
