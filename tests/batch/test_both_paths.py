"""Rows that are predicted by their columns have the answers of those that are decoded."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.row_mapping import AT, RIDE, row_mapping
from batch.scorer import Scored, Scorer
from model import load_model
from streaming.consumer.predictor import Payload, Predictor
from tests.batch.trip_files import PICKUP, START, table, trip, trips

pytestmark = pytest.mark.rides

NAN, INFINITY = float("nan"), float("inf")
MODEL = load_model({**os.environ, "RUN_ID": "v1"}, lambda: None)
DATABASE = duckdb.connect()

NUMBERS = [
    *(None, 0, 1, 2, 6, 7, 9, 10, 74, 132, 264, 265, 266, 1000, 1001),
    *(-1, 2**31 - 1, -(2**31)),
]
FLOATS = [
    *(None, NAN, INFINITY, -INFINITY, 0.0, -0.0, 5e-324, 1e-9, 0.1, 1.0, 1.5, 3.66, 6.0, 9.0),
    *(265.0, 265.0000001, 1000.0, 1000.0000001, 1e15, 1e16, 1e308, -1.0, -1e-300),
]
TIMES = [
    None,
    START,
    datetime(2025, 3, 1, 23, 59, 59, 999_000),  # noqa: DTZ001
    datetime(2025, 3, 1, 23, 59, 59, 999_999),  # noqa: DTZ001
    datetime(2025, 3, 9, 2, 30),  # noqa: DTZ001  an hour that New York skips
    datetime(2025, 11, 2, 1, 30),  # noqa: DTZ001  an hour that it has twice
    datetime(1969, 12, 31, 23, 59, 59, 1),  # noqa: DTZ001
    datetime(1, 1, 1),  # noqa: DTZ001
    datetime(9999, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001
    datetime(2024, 2, 29),  # noqa: DTZ001
]


def rows_of(found: pa.Table, key: list[Any] | None = None) -> pa.Table:
    """Return rows as `OpenTable.read` does."""
    names = [f"file:{number}" for number in range(len(found))]
    if key is not None:
        found = found.append_column("key", pa.array(key))
        names = [f"file:{n}" if k is None else str(k) for n, k in enumerate(key)]
    at = pc.fill_null(found[PICKUP], pa.scalar(START, pa.timestamp("us")))
    return found.append_column(RIDE, pa.array(names, pa.string())).append_column(AT, at)


def types_of(rows: pa.Table) -> dict[str, str]:
    found = DATABASE.from_arrow(rows.drop_columns([RIDE, AT]))
    return dict(zip(found.columns, map(str, found.types), strict=True))


@cache
def scorers(types: tuple[tuple[str, str], ...], key: str | None) -> tuple[Scorer, Scorer]:
    """Return one that predicts by columns and one that decodes; each opens a DuckDB of its own."""
    mapping = row_mapping(dict(types), key=key)
    return Scorer(MODEL, mapping), Scorer(MODEL, mapping, by_columns=False)


def both(rows: pa.Table, key: str | None = None) -> tuple[Scored, Scored]:
    one, other = scorers(tuple(types_of(rows).items()), key)
    return one.score(rows), other.score(rows)


def assert_equal(one: Scored, other: Scored) -> None:
    assert one.predictions.equals(other.predictions)
    assert one.rejects.equals(other.rejects)
    assert one.skipped == other.skipped


whole_rows = st.fixed_dictionaries(
    {
        PICKUP: st.sampled_from(TIMES) | st.datetimes(),
        "PULocationID": st.sampled_from(NUMBERS) | st.integers(1, 265),
        "DOLocationID": st.sampled_from(NUMBERS) | st.integers(1, 265),
        "trip_distance": st.sampled_from(FLOATS) | st.floats(),
        "passenger_count": st.sampled_from(NUMBERS) | st.integers(-(2**63), 2**63 - 1),
        "payment_type": st.sampled_from(NUMBERS) | st.integers(0, 6),
    }
)
FLOATING = {
    name: pa.float64()
    for name in ("PULocationID", "DOLocationID", "passenger_count", "payment_type")
}
float_rows = st.fixed_dictionaries(
    {
        PICKUP: st.sampled_from(TIMES),
        **{name: st.sampled_from(FLOATS) | st.floats() for name in ("trip_distance", *FLOATING)},
    }
)


@settings(deadline=None, max_examples=60)
@given(st.lists(whole_rows, min_size=1, max_size=30))
def test_hostile_rows_get_the_same_answers_by_columns_and_by_events(
    found: list[dict[str, Any]],
) -> None:
    assert_equal(*both(rows_of(table([*trips(3), *found]))))


@settings(deadline=None, max_examples=60)
@given(st.lists(float_rows, min_size=1, max_size=30))
def test_numbers_that_a_year_has_as_floats_get_the_same_answers(
    found: list[dict[str, Any]],
) -> None:
    assert_equal(*both(rows_of(table([*trips(3), *found], **FLOATING))))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text(max_size=140) | st.none(), min_size=1, max_size=20)
    | st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=1, max_size=20)
)
def test_hostile_keys_get_the_same_answers(keys: list[Any]) -> None:
    assert_equal(*both(rows_of(table(trips(len(keys))), keys), "key"))


def test_most_rows_are_predicted_by_their_columns() -> None:
    """Else the tests above compare the decoder with itself."""
    calls: list[int] = []

    class Counting(Scorer):
        def _answers(self, rows: pa.Table, events: Any) -> list[Any]:
            calls.append(len(rows))
            return super()._answers(rows, events)

    rows = rows_of(table([*trips(50), trip(50, trip_distance=NAN)]))
    found = Counting(MODEL, row_mapping(types_of(rows))).score(rows)

    assert calls == [1]
    assert len(found.predictions) == 50


def test_a_bad_row_has_the_reason_that_its_dead_letter_would_have() -> None:
    bad = {
        "PULocationID": 266,
        "trip_distance": NAN,
        "passenger_count": -1,
        "payment_type": None,
        "DOLocationID": None,
    }
    rows = rows_of(table([trip(0, **{name: value}) for name, value in bad.items()]))

    found, _ = both(rows)

    assert found.rejects["error_message"].to_pylist() == [
        "ride.PULocationID is 266; allowed: an integer from 1 to 265 (a TLC taxi zone)",
        "ride.trip_distance is NaN; allowed: a number from 0 to 1000 (miles; 0 = unknown)",
        "ride.passenger_count is -1; allowed: an integer from 0 to 9, or null",
        "ride.DOLocationID is null; allowed: an integer from 1 to 265 (a TLC taxi zone)",
    ]
    assert found.rejects["error_type"].to_pylist() == ["InvalidEvent"] * 4
    assert found.predictions["ride"].to_pylist() == ["file:3"]


def test_zones_that_are_text_are_read_as_numbers() -> None:
    text = {"PULocationID": pa.string(), "DOLocationID": pa.string()}
    as_text = [{**row, **{name: str(row[name]) for name in text}} for row in trips(5)]

    found, _ = both(rows_of(table(as_text, **text)))

    assert found.predictions.equals(both(rows_of(table(trips(5))))[0].predictions)


def test_a_prediction_is_that_of_the_same_event_on_the_stream() -> None:
    rows = rows_of(table(trips(20)))
    scorer = Scorer(MODEL, row_mapping(types_of(rows)))
    answers = Predictor(MODEL, scorer._predictor._calls._telemetry).predict(
        [Payload(event) for event in scorer._events(rows)], 0.0, 60.0
    )

    (expected,) = {
        tuple(tuple(scorer._values(answer)) for answer in answers if isinstance(answer, bytes))
    }
    found = scorer.score(rows).predictions
    assert tuple(zip(*(found[n].to_pylist() for n in scorer.columns), strict=True)) == expected


def test_the_order_of_rows_changes_no_prediction() -> None:
    rows = rows_of(table(trips(500)))
    backwards = rows.take(pa.array(range(499, -1, -1)))

    found, again = both(rows)[0].predictions, both(backwards)[0].predictions

    assert again.take(pa.array(range(499, -1, -1))).equals(found)


def test_an_event_without_a_time_has_the_time_of_its_row() -> None:
    at = [START + timedelta(hours=hour) for hour in (3, 8)]
    event = '{"ride_id": 1, "ride": {"PULocationID": 74, "DOLocationID": 75, "trip_distance": 2}}'
    rows = pa.table(
        {
            "event": [event] * 2,
            "happened": pa.array(at, pa.timestamp("us")),
            RIDE: ["a", "b"],
            AT: pa.array(at, pa.timestamp("us")),
        }
    )
    mapping = row_mapping({"event": "VARCHAR", "happened": "TIMESTAMP"}, time="happened")

    night, morning = Scorer(MODEL, mapping).score(rows).predictions["ride_duration"].to_pylist()

    with_time = rows_of(
        table(
            [
                trip(
                    0,
                    PULocationID=74,
                    DOLocationID=75,
                    trip_distance=2.0,
                    passenger_count=None,
                    payment_type=None,
                    **{PICKUP: moment},
                )
                for moment in at
            ]
        )
    )
    expected = both(with_time)[0].predictions["ride_duration"].to_pylist()
    assert [night, morning] == expected
    assert night != morning
