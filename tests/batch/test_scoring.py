from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch import slice_worker
from batch.databases import open_database
from batch.errors import (
    CountsDiffer,
    DatabaseError,
    DatabaseInUse,
    InvalidRequest,
    ModelUnavailable,
    SourceError,
)
from batch.interval import Interval
from batch.rides_table import RidesTable, source_errors
from batch.row_mapping import row_mapping
from batch.scoring import Request, score
from batch.staged_results import Counts, StagedResults
from streaming import Prediction
from tests.batch.scored_rows import MARCH, query, request, rows, score_into, statuses
from tests.batch.trip_files import START, table, trip, trips, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAN = float("nan")


class Alarms:
    """Another model, without columns."""

    name, version, event_type = "alarm_model", "1", "alarm_predicted"

    def __init__(self, *, works: bool = True) -> None:
        self._works = works

    def decode(self, content: bytes, _arrived_at: float) -> dict[str, Any] | None:
        event: dict[str, Any] = msgspec.json.decode(content)
        return None if event["machine"] == "skip" else event

    def predict(self, events: Sequence[dict[str, Any]]) -> list[Prediction]:
        if not self._works:
            raise RuntimeError("no connection")
        return [Prediction(each["machine"], {"alarm": each["celsius"] > 90}) for each in events]


@pytest.fixture
def month(tmp_path: Path) -> Path:
    bad = [trip(500, trip_distance=NAN), trip(501, PULocationID=266)]
    return write(tmp_path / "march.parquet", [*trips(500), *bad], group=100)


@pytest.mark.rides
def test_each_ride_of_the_interval_is_predicted_or_rejected(location: str, month: Path) -> None:
    report = score_into(location, request([month]))

    predictions, rejects = rows(location)
    assert (report.counts.read, len(predictions), len(rejects)) == (502, 500, 2)
    model, version, since, until, ride, *values = predictions[0]
    assert (model, version) == (report.model, report.version)
    assert (since, until, ride) == (MARCH.since, MARCH.until, "march:0")
    assert values[1] <= values[0] <= values[2]
    assert {row[4]: row[6] for row in rejects} == {
        "march:500": "ride.trip_distance is NaN; allowed: a number from 0 to 1000 "
        "(miles; 0 = unknown)",
        "march:501": "ride.PULocationID is 266; allowed: an integer from 1 to 265 "
        "(a TLC taxi zone)",
    }
    assert query(location, "SELECT status, read, predicted, rejected, skipped FROM runs") == [
        ("complete", 502, 500, 2, 0)
    ]


@pytest.mark.rides
def test_a_second_run_leaves_the_same_rows(location: str, month: Path) -> None:
    score_into(location, request([month]))
    first = rows(location)

    score_into(location, request([month], workers=2))

    assert rows(location) == first
    assert statuses(location) == ["complete", "complete"]


@pytest.mark.rides
def test_both_databases_hold_the_same_rows(postgresql: str, month: Path, tmp_path: Path) -> None:
    file = str(tmp_path / "predictions.duckdb")
    for location in (postgresql, file):
        score_into(location, request([month]))

    assert rows(file) == rows(postgresql)


@pytest.mark.rides
def test_keys_and_events_are_stored_as_they_are(location: str, tmp_path: Path) -> None:
    """Whatever they hold, in the form in which they travel to the database."""
    hostile = [
        "",
        " ",
        ",",
        '"',
        'a"b',
        "a,b",
        "a\nb",
        "\\N",
        "\\.",
        "null",
        "NULL",
        "ü😀",
        "\t",
        "'",
        "x" * 129,
    ]
    found = table(trips(len(hostile))).append_column("key", pa.array(hostile))
    pq.write_table(found, tmp_path / "march.parquet")

    score_into(location, request([tmp_path / "march.parquet"], key="key"))

    predictions, rejects = rows(location)
    assert {row[4] for row in predictions} == set(hostile[1:-1])
    assert {row[4] for row in rejects} == {"", "x" * 129}
    assert {msgspec.json.decode(row[7])["ride_id"] for row in rejects} == {"", "x" * 129}


@pytest.mark.rides
def test_rides_that_arrive_late_are_there_after_the_next_run(
    location: str, month: Path, tmp_path: Path
) -> None:
    score_into(location, request([month]))
    late = write(tmp_path / "late.parquet", [trip(7), trip(8, trip_distance=-1.0)])

    score_into(location, request([month, late]))

    predictions, rejects = rows(location)
    assert len(predictions) == 501
    assert len(rejects) == 3


@pytest.mark.rides
def test_a_row_that_is_corrected_or_gone_is_so_after_the_next_run(
    location: str, tmp_path: Path
) -> None:
    bad = trip(2, trip_distance=NAN)
    path = write(tmp_path / "march.parquet", [trip(0), trip(1), bad, trip(3)])
    score_into(location, request([path]))
    before = rows(location)

    write(path, [trip(0), trip(1, trip_distance=30.0), trip(2)])
    score_into(location, request([path]))

    after = rows(location)
    assert [row[4] for row in before[0]] == ["march:0", "march:1", "march:3"]
    assert [row[4] for row in after[0]] == ["march:0", "march:1", "march:2"]
    assert after[0][0] == before[0][0]
    assert after[0][1] != before[0][1]
    assert after[1] == []


@pytest.mark.rides
def test_the_interval_is_half_open_and_other_intervals_stay(location: str, month: Path) -> None:
    day = START + timedelta(days=1)
    first, second = Interval(START, day), Interval(day, day + timedelta(days=1))

    score_into(location, request([month], first))
    score_into(location, request([month], second))

    found = query(location, "SELECT since, count(*) FROM predictions GROUP BY since ORDER BY since")
    assert found == [(since, 144) for since in (first.since, second.since)]


@pytest.mark.rides
def test_an_interval_without_rides_is_complete_and_empty(location: str, month: Path) -> None:
    score_into(location, request([month], Interval.parse("2030-01-01", "2030-01-02")))

    assert rows(location) == ([], [])
    assert statuses(location) == ["complete"]


def test_another_model_s_predictions_are_json(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_worker, "load_model", lambda *_: Alarms())
    path = tmp_path / "readings.parquet"
    readings = pa.table(
        {
            "machine": ["m1", "m2", "skip", None],
            "celsius": [95.0, 20.5, 0.0, None],
            "at": pa.array([START] * 4, pa.timestamp("us")),
            "id": [7, 8, 9, None],
        }
    )
    pq.write_table(readings, path)

    report = score_into(location, request([path], key="id", time="at"))

    predictions, rejects = rows(location)
    assert [row[4:] for row in predictions] == [("7", '{"alarm":true}'), ("8", '{"alarm":false}')]
    assert [row[4:6] for row in rejects] == [("readings:3", "PredictionFailed")]
    assert report.counts.skipped == 1


@pytest.mark.rides
def test_one_database_refuses_another_model_s_columns(
    location: str, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_into(location, request([month]))
    monkeypatch.setattr(slice_worker, "load_model", lambda *_: Alarms())

    with pytest.raises(DatabaseError, match="give another model's predictions another DATABASE"):
        score_into(location, request([month], event="'{}'", time="lpep_pickup_datetime"))


def test_a_model_that_fails_on_every_event_commits_nothing(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_worker, "load_model", lambda *_: Alarms(works=False))
    path = tmp_path / "readings.parquet"
    at = pa.array([START] * 3, pa.timestamp("us"))
    pq.write_table(pa.table({"machine": ["m"] * 3, "celsius": [1.0] * 3, "at": at}), path)

    with pytest.raises(ModelUnavailable, match="the model alarm_model fails on every event"):
        score_into(location, request([path], time="at"))

    assert rows(location) == ([], [])
    assert query(location, "SELECT status FROM runs") == [("failed",)]


@pytest.mark.rides
def test_counts_that_do_not_add_up_commit_nothing(
    location: str, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        StagedResults, "finished", lambda _self: {0: Counts(read=100, predicted=99)}
    )

    with pytest.raises(CountsDiffer, match="the interval has 502 rows, but 100 were read: 99"):
        score_into(location, request([month]))

    assert rows(location) == ([], [])
    assert statuses(location) == ["failed"]


@pytest.mark.rides
def test_the_database_itself_is_counted(
    location: str, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = StagedResults.files
    monkeypatch.setattr(StagedResults, "files", lambda *found: kept(*found)[1:])

    with pytest.raises(CountsDiffer, match=r"predictions would hold .* expected 500"):
        score_into(location, request([month]))

    assert rows(location) == ([], [])


@pytest.mark.rides
def test_two_runs_of_an_interval_at_once_are_refused(
    location: str, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batch.postgresql_database.LOCK_SECONDS", 0.1)
    with open_database(location) as first:
        scored: list[Any] = []

        class Spy:
            def begin(self, found: Any) -> None:
                scored.append(found)
                first.begin(found)
                with pytest.raises(DatabaseInUse, match="allowed: one at a time"):
                    score_into(location, request([month]))
                raise DatabaseInUse("seen")

        with pytest.raises(DatabaseInUse, match="seen"):
            score(request([month]), Spy())  # type: ignore[arg-type]


@pytest.mark.rides
def test_a_run_continues_with_the_slices_that_are_left(location: str, tmp_path: Path) -> None:
    files = [write(tmp_path / f"trips-{number}.parquet", trips(50)) for number in range(5)]
    seen: list[int] = []

    def stop_in_the_middle(done: int, _rows: int) -> None:
        seen.append(done)
        if done == 100:
            raise KeyboardInterrupt

    with open_database(location) as database, pytest.raises(KeyboardInterrupt):
        score(request(files), database, stop_in_the_middle)
    assert rows(location) == ([], [])

    report = score_into(location, request(files))

    assert seen == [0, 50, 100]
    assert (report.resumed, report.slices, report.counts.predicted) == (2, 5, 250)
    assert statuses(location) == ["interrupted", "complete"]


@pytest.mark.rides
def test_results_of_a_table_that_has_changed_are_not_used(location: str, tmp_path: Path) -> None:
    files = [write(tmp_path / f"trips-{number}.parquet", trips(50)) for number in range(2)]

    def stop(done: int, _rows: int) -> None:
        if done:
            raise KeyboardInterrupt

    with open_database(location) as database, pytest.raises(KeyboardInterrupt):
        score(request(files), database, stop)
    write(files[0], trips(60))

    report = score_into(location, request(files))

    assert (report.resumed, report.counts.predicted) == (0, 110)


@pytest.mark.rides
def test_a_dry_run_writes_nothing_and_says_why_rows_are_rejected(month: Path) -> None:
    report = score(request([month]), None)

    assert (report.counts.predicted, report.counts.rejected) == (500, 2)
    assert report.reasons[0].startswith("ride.trip_distance is NaN")
    assert list(month.parent.iterdir()) == [month]


@pytest.mark.rides
def test_slices_have_the_same_rows_whatever_their_number(
    location: str, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_into(location, request([month]))
    whole = rows(location)
    monkeypatch.setattr("batch.rides_table.SLICE_ROWS", 100)

    report = score_into(location, request([month]))

    assert report.slices == 6
    assert rows(location) == whole


@pytest.mark.rides
def test_the_rows_of_a_duckdb_table_are_scored(location: str, month: Path, tmp_path: Path) -> None:
    file = tmp_path / "rides.duckdb"
    with duckdb.connect(str(file)) as db:
        db.read_parquet(str(month)).create("trips")
    wanted = Request(RidesTable.named([file], "trips"), MARCH, tmp_path / "staging")

    report = score_into(location, wanted)

    assert (report.counts.predicted, report.counts.rejected) == (500, 2)
    assert rows(location)[0][0][4] == "trips:0"


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("2025-03-01", "2025-03-01", "UNTIL is 2025-03-01T00:00:00; allowed: a time after SINCE"),
        ("2025-03-02", "2025-03-01", "UNTIL is 2025-03-01T00:00:00; allowed: a time after SINCE"),
        ("now", "2025-03-01", "SINCE is 'now'; allowed: a date or a date and time"),
        ("2025-03-01T00:00Z", "2025-04-01", "SINCE is 2025-03-01T00:00:00.00:00; allowed: a date"),
    ],
)
def test_a_bad_interval_is_refused(since: str, until: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Interval.parse(since, until)


@pytest.mark.rides
@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t.drop_columns(["PULocationID"]), {}, "the table has no column PULocationID"),
        (
            lambda t: t.set_column(0, "lpep_pickup_datetime", pa.array(["x"] * len(t))),
            {},
            "the column lpep_pickup_datetime is VARCHAR; allowed: TIMESTAMP or DATE",
        ),
        (
            lambda t: t.drop_columns(["lpep_pickup_datetime"]),
            {},
            "the table has no column lpep_pickup_datetime or tpep_pickup_datetime",
        ),
        (lambda t: t, {"key": "nowhere"}, "the table has no column nowhere"),
        (lambda t: t, {"key": "payment_type"}, "the key payment_type is '0' in several rows"),
        (lambda t: t, {"event": "no sql", "time": "PULocationID"}, "PULocationID is INTEGER"),
    ],
)
def test_a_table_that_does_not_fit_is_an_error_of_one_line(
    location: str, month: Path, change: Any, options: dict[str, Any], message: str
) -> None:
    pq.write_table(change(pq.read_table(month)), month)

    with pytest.raises(SourceError) as raised:
        score_into(location, request([month], **options))

    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def keyed(path: Path, keys: list[str | None]) -> Request:
    events = ['{"machine": "m", "celsius": 1}'] * len(keys)
    at = pa.array([START] * len(keys), pa.timestamp("us"))
    pq.write_table(pa.table({"at": at, "event": events, "id": keys}), path)
    return request([path], key="id", time="at")


def test_a_row_without_a_key_has_its_file_and_number(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_worker, "load_model", lambda *_: Alarms())

    report = score_into(location, keyed(tmp_path / "readings.parquet", [None, "a", None]))

    assert report.counts.predicted == 3
    assert [row[4] for row in rows(location)[0]] == ["a", "readings:0", "readings:2"]


def test_a_key_that_a_row_without_one_has_is_refused(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_worker, "load_model", lambda *_: Alarms())
    score_into(location, keyed(tmp_path / "readings.parquet", ["a", "b"]))
    before = rows(location)

    with pytest.raises(SourceError) as raised:
        score_into(location, keyed(tmp_path / "readings.parquet", [None, "readings:0"]))

    assert str(raised.value) == (
        "the key id is 'readings:0' in several rows; allowed: in one (a row without a key has its "
        "file's name and row number)"
    )
    assert rows(location) == before


@pytest.mark.rides
def test_a_damaged_file_is_an_error_of_one_line(location: str, month: Path) -> None:
    month.write_bytes(b"PAR1" + bytes(100))

    with pytest.raises(SourceError, match=r"the table cannot be read: .*") as raised:
        score_into(location, request([month]))
    assert "\n" not in str(raised.value)


def test_a_name_that_would_make_keys_too_long_is_refused(tmp_path: Path) -> None:
    """The key is the name and the row's number, and an event's id has at most 128 characters."""
    file, name = tmp_path / "trips.duckdb", "t" * 101
    file.touch()

    for named in (([file], name), ([write(tmp_path / f"{name}.parquet", trips(1))],)):
        with pytest.raises(SourceError, match=f"the name {name} is longer than 100 characters"):
            RidesTable.named(*named)


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    missing, text = tmp_path / "march.parquet", tmp_path / "march.csv"
    text.touch()
    (tmp_path / "other").mkdir()
    twice = [tmp_path / "march.parquet", tmp_path / "other" / "march.parquet"]

    with pytest.raises(SourceError, match="no such file"):
        RidesTable.named([missing])
    with pytest.raises(SourceError, match=r"allowed: files \*.parquet, or one \*.duckdb"):
        RidesTable.named([text])
    for path in twice:
        path.touch()
    with pytest.raises(SourceError, match=r"march.parquet twice; allowed: each name once"):
        RidesTable.named(twice)


def test_times_of_an_event_are_local(tmp_path: Path) -> None:
    """A column with an offset is compared as New York local time."""
    path = tmp_path / "readings.parquet"
    at = pa.array([datetime(2025, 3, 1, 4, 59), datetime(2025, 3, 1, 5)], pa.timestamp("us", "UTC"))  # noqa: DTZ001
    pq.write_table(pa.table({"at": at}), path)

    with RidesTable.named([path]).open() as opened:
        mapping = row_mapping(opened.types(path), time="at")
        assert opened.count(mapping, MARCH) == (1, 0)


@pytest.mark.rides
def test_a_process_with_another_version_of_the_model_predicts_nothing(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a pointer is promoted between the start of the run and that of its processes."""
    files = [write(tmp_path / f"trips-{number}.parquet", trips(50)) for number in range(2)]
    load = slice_worker.load

    def load_and_promote() -> Any:
        model = load()
        monkeypatch.setenv("RUN_ID", "promoted")
        return model

    monkeypatch.setattr("batch.scoring.load", load_and_promote)

    with pytest.raises(ModelUnavailable, match="and is promoted now: it was replaced"):
        score_into(location, request(files, workers=2))

    assert rows(location) == ([], [])


def test_an_interruption_that_duckdb_reports_as_an_error_stays_one() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]})
        raise KeyboardInterrupt

    reader = pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches())
    with pytest.raises(KeyboardInterrupt), source_errors(), duckdb.connect() as db:
        db.from_arrow(reader).fetchall()
