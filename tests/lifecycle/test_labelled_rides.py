from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from lifecycle.archive_query import open_archive_tables
from lifecycle.labelled_rides import ArchivedTrips
from tests.lifecycle.city_archive import write_city_archive
from tests.lifecycle.ride_archive import RideArchive, at
from tests.training.city import QUIET, tlc_table, write_month
from training.trips import INPUTS, read_trips

if TYPE_CHECKING:
    from pathlib import Path

HOUR = timedelta(hours=1)
APRIL = datetime(2025, 4, 1)  # noqa: DTZ001  local


def written(archive: RideArchive, folder: Path, **options: datetime) -> list[dict[str, object]]:
    """Return the archive's trips."""
    with open_archive_tables(archive.write(), pytest.fail) as tables:
        trips = ArchivedTrips(tables, options.get("as_of"), HOUR)
        paths = trips.write(folder, options.get("begin"), options.get("end") or APRIL)
        return [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_the_archive_of_a_month_gives_the_trips_of_the_month(tmp_path: Path) -> None:
    location = write_city_archive(tmp_path / "archive", "2023-03", trips=300)
    tlc = tlc_table("2023-03", 300, seed=1)
    write_month(tmp_path, "2023-03", **{name: tlc[name] for name in tlc})

    with open_archive_tables(location, pytest.fail) as tables:
        paths = ArchivedTrips(tables, None, HOUR).write(tmp_path / "rides", None, APRIL)

    assert [path.name for path in paths] == ["rides_2023-03.parquet"]
    columns = [*INPUTS, "duration", "tip", "pickup"]
    found, expected = (
        read_trips(files, QUIET).sort_values(columns, ignore_index=True)[columns]
        for files in (paths, [tmp_path / "green_tripdata_2023-03.parquet"])
    )
    assert len(found) == 300
    assert found.drop(columns="pickup").to_numpy() == pytest.approx(
        expected.drop(columns="pickup").to_numpy(), rel=1e-5, nan_ok=True
    )
    assert (found["pickup"] == expected["pickup"]).all()


def test_a_ride_is_one_trip_however_often_its_events_come(
    archive: RideArchive, tmp_path: Path
) -> None:
    for _ in range(2):
        archive.start("a", at(0))
        archive.end("a", at(10))
    archive.start("a", at(100))
    archive.end("a", at(120))

    trips = written(archive, tmp_path / "rides")

    minutes = [(t["lpep_dropoff_datetime"] - t["lpep_pickup_datetime"]).seconds / 60 for t in trips]  # type: ignore[operator]  # both are times
    assert minutes == [10, 20]


def test_rides_that_no_model_is_trained_on_are_left_out(
    archive: RideArchive, tmp_path: Path
) -> None:
    for ride, minutes, miles in (
        ("short", 0.5, 1), ("long", 61, 1), ("unknown", 10, 0), ("far", 10, 61), ("usable", 10, 60),
    ):  # fmt: skip
        archive.start(ride, at(0), trip_distance=float(miles))
        archive.end(ride, at(minutes))
    archive.start("not ended", at(0))

    assert [trip["trip_distance"] for trip in written(archive, tmp_path / "rides")] == [60]


def test_what_the_end_says_of_the_payment_counts_and_else_the_start(
    archive: RideArchive, tmp_path: Path
) -> None:
    for minute, (said_first, said_last) in enumerate([(2, 1), (1, None), (None, None)]):
        archive.start(str(minute), at(minute), payment_type=said_first)
        archive.end(str(minute), at(minute + 5), payment_type=said_last)

    assert [trip["payment_type"] for trip in written(archive, tmp_path / "rides")] == [1, 1, None]


def test_rides_are_split_by_their_pickup_into_files_by_month(
    archive: RideArchive, tmp_path: Path
) -> None:
    for day in (0, 1, 40):
        archive.ride(str(day), at(day * 1440), 10)
    second = datetime(2025, 3, 2, 12)  # noqa: DTZ001  local
    url = archive.write()

    with open_archive_tables(url, pytest.fail) as tables:
        trips = ArchivedTrips(tables, None, HOUR)
        before = trips.write(tmp_path / "before", None, second)
        after = trips.write(tmp_path / "after", second, datetime(2025, 6, 1))  # noqa: DTZ001

    assert [path.name for path in before] == ["rides_2025-03.parquet"]
    assert [path.name for path in after] == ["rides_2025-03.parquet", "rides_2025-04.parquet"]
    assert [pq.read_metadata(path).num_rows for path in (*before, *after)] == [1, 1, 1]


def test_the_newest_rides_wait_until_the_long_ones_among_them_have_ended(
    archive: RideArchive,
) -> None:
    archive.ride("a", at(0), 10)
    with open_archive_tables(archive.write(), pytest.fail) as tables:
        trips = ArchivedTrips(tables, None, HOUR)

    assert trips.newest == datetime(2025, 3, 1, 11, 10)  # noqa: DTZ001  local
