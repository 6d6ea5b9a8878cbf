import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demo.errors import RidesUnavailable
from demo.ride_generator import RideEvent
from demo.trip_replay import open_replay
from lifecycle.ride_ended import decode_ride_ended

NOON, ONE = "2025-03-01T12:00:00", "2025-03-01T13:00:00"


def trip(**changes: Any) -> dict[str, Any]:
    return {
        "lpep_pickup_datetime": NOON,
        "lpep_dropoff_datetime": ONE,
        "PULocationID": 130,
        "DOLocationID": 205,
        "trip_distance": 3.66,
        "passenger_count": 1,
        "payment_type": 1,
        "tip_amount": 2.5,
        "fare_amount": 14.2,
        **changes,
    }


def month(folder: Path, *trips: dict[str, Any]) -> Path:
    columns: dict[str, list[Any]] = {name: [trip[name] for trip in trips] for name in trips[0]}
    for name in {"lpep_pickup_datetime", "lpep_dropoff_datetime"} & columns.keys():
        columns[name] = [
            None if text is None else datetime.fromisoformat(text) for text in columns[name]
        ]
    path = folder / "month.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def replayed(path: Path) -> list[RideEvent]:
    return list(open_replay(path).rides(first_ride_id=10))


def test_a_trip_becomes_an_event_with_what_is_known_at_its_start(tmp_path: Path) -> None:
    assert replayed(month(tmp_path, trip())) == [
        {
            "event_type": "ride_started",
            "ride_id": 10,
            "ride": {
                "PULocationID": 130,
                "DOLocationID": 205,
                "trip_distance": 3.66,
                "pickup_datetime": NOON,
                "passenger_count": 1,
                "payment_type": 1,
            },
        }
    ]


def ends(path: Path) -> list[RideEvent | None]:
    return [each.end for each in open_replay(path).trips(first_ride_id=10)]


def test_a_trip_ends_with_what_is_known_then(tmp_path: Path) -> None:
    assert ends(month(tmp_path, trip())) == [
        {
            "event_type": "ride_ended",
            "ride_id": 10,
            "dropoff_datetime": ONE,
            "tip_amount": 2.5,
            "payment_type": 1,
        }
    ]


@pytest.mark.parametrize("tip", [-0.01, 1000.01, float("nan"), None])
def test_a_tip_that_violates_the_contract_is_unknown(tmp_path: Path, tip: float | None) -> None:
    (end,) = ends(month(tmp_path, trip(tip_amount=tip)))
    assert end is not None
    assert end["tip_amount"] is None


def test_a_payment_that_violates_the_contract_is_unknown(tmp_path: Path) -> None:
    (end,) = ends(month(tmp_path, trip(payment_type=7)))
    assert end is not None
    assert end["payment_type"] is None


@pytest.mark.parametrize("dropoff", [None, "2025-03-01T11:59:59"])
def test_a_trip_without_a_dropoff_or_with_one_before_the_pickup_has_no_end(
    tmp_path: Path, dropoff: str | None
) -> None:
    path = month(tmp_path, trip(), trip(lpep_dropoff_datetime=dropoff))
    assert [end is None for end in ends(path)] == [False, True]
    assert open_replay(path).skipped == 0


def test_a_file_without_dropoffs_has_starts_only(tmp_path: Path) -> None:
    started = trip()
    del started["lpep_dropoff_datetime"], started["tip_amount"]
    path = month(tmp_path, started)
    assert ends(path) == [None]
    assert replayed(path) == replayed(month(tmp_path, trip()))


def test_every_end_keeps_the_contract(tmp_path: Path) -> None:
    dirt = [trip(tip_amount=-1.0), trip(payment_type=None), trip(passenger_count=None)]
    for end in ends(month(tmp_path, trip(), *dirt)):
        decoded = decode_ride_ended(json.dumps(end).encode())
        assert decoded is not None
        assert decoded.dropoff_datetime == ONE


def test_trips_come_in_the_order_of_their_pickups(tmp_path: Path) -> None:
    path = month(tmp_path, trip(lpep_pickup_datetime=ONE), trip(lpep_pickup_datetime=NOON))
    events = replayed(path)
    assert [event["ride"]["pickup_datetime"] for event in events] == [NOON, ONE]
    assert [event["ride_id"] for event in events] == [10, 11]


def test_old_files_with_zones_as_text_and_codes_as_floats_give_the_same_events(
    tmp_path: Path,
) -> None:
    old = trip(PULocationID="130", DOLocationID="205", passenger_count=1.0, payment_type=1.0)
    assert replayed(month(tmp_path, old)) == replayed(month(tmp_path, trip()))


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_unknown_passengers_and_payment_are_null(tmp_path: Path, unknown: float | None) -> None:
    path = month(tmp_path, trip(), trip(passenger_count=unknown, payment_type=unknown))
    assert [event["ride"]["passenger_count"] for event in replayed(path)] == [1, None]
    assert [event["ride"]["payment_type"] for event in replayed(path)] == [1, None]


@pytest.mark.parametrize(
    "dirt",
    [
        {"PULocationID": 0},
        {"DOLocationID": 266},
        {"DOLocationID": None},
        {"trip_distance": -0.1},
        {"trip_distance": 260_000.0},
        {"trip_distance": float("nan")},
        {"trip_distance": None},
        {"lpep_pickup_datetime": None},
    ],
    ids=str,
)
def test_a_row_that_violates_the_contract_is_skipped_and_counted(
    tmp_path: Path, dirt: dict[str, Any]
) -> None:
    replay = open_replay(month(tmp_path, trip(), trip(**dirt)))
    assert replay.skipped == 1
    assert len(list(replay.rides(first_ride_id=1))) == 1


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    lacking = trip()
    del lacking["trip_distance"]
    with pytest.raises(RidesUnavailable, match=r"month\.parquet has no column trip_distance"):
        open_replay(month(tmp_path, lacking))


def test_a_file_that_is_not_parquet_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "trips.csv"
    path.write_text("lpep_pickup_datetime,PULocationID\n")
    with pytest.raises(RidesUnavailable, match=r"cannot read the trips in .*trips\.csv"):
        open_replay(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RidesUnavailable, match=r"^no such file: .*nowhere\.parquet$"):
        open_replay(tmp_path / "nowhere.parquet")


def test_without_a_parquet_reader_the_error_says_what_to_install(tmp_path: Path) -> None:
    def not_installed(name: str) -> Any:
        raise ModuleNotFoundError(name)

    with pytest.raises(RidesUnavailable, match=r"python\S* -m pip install .*parquet\.txt"):
        open_replay(month(tmp_path, trip()), import_module=not_installed)
