"""What an archive's tables hold, and when they are written."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from streaming.archive.archive_state import archive_folder
from streaming.archive.stream_archive import Limits
from streaming.archive.table import NO_TABLE
from streaming.errors import StreamError
from tests.fakes.clock import EPOCH, Clock
from tests.kpl_aggregation import DAMAGED_AGGREGATES, aggregate_of, entry
from tests.streaming.archive.archive_fixtures import (
    ALARMS,
    STREAM,
    alarm,
    archive_of,
    archived,
    files,
    machines,
    put_readings,
    reading,
    rows_in,
    values,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.kinesis import FakeKinesis


def test_each_record_becomes_a_row_whether_plain_gzipped_or_aggregated(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    put_readings(kinesis, range(100))

    archived(kinesis, clock, tmp_path)

    assert values(tmp_path, "readings", "machine") == machines(range(100))
    assert not (tmp_path / "others").exists()
    (row,) = (row for row in rows_in(tmp_path, "readings") if row["machine"] == "m7")
    assert row["celsius"] == 3.5
    assert row["arrived_at"] == EPOCH
    assert row["event_id"].startswith("shardId-")


def test_rows_are_partitioned_by_the_hour_of_arrival(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    for number in range(3):
        kinesis.put(STREAM, "key", reading(number))
        clock.advance(8 * 3600)

    archived(kinesis, clock, tmp_path)

    assert sorted(path.parent.relative_to(tmp_path).as_posix() for path in files(tmp_path)) == [
        "readings/date=2025-03-01/hour=13",
        "readings/date=2025-03-01/hour=21",
        "readings/date=2025-03-02/hour=05",
    ]


def test_a_file_names_its_table_and_version_and_describes_its_columns(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    kinesis.put(STREAM, "key", reading(1))
    archived(kinesis, clock, tmp_path)

    schema = pq.read_schema(files(tmp_path)[0])

    assert schema.metadata == {b"table": b"readings", b"version": b"3"}
    assert [(field.name, str(field.type)) for field in schema] == [
        ("event_id", "string"),
        ("machine", "string"),
        ("arrived_at", "timestamp[us, tz=UTC]"),
        ("celsius", "double"),
    ]
    assert schema.field("celsius").metadata[b"description"] == b"degrees"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{}", NO_TABLE),
        (b"\xff", "event is b'\\xff'; allowed: a JSON object"),
        (b'{"machine": 5, "celsius": 1}', "machine is 5; allowed: a string"),
        (b"\x1f\x8bdamaged", "damaged gzip"),
        (DAMAGED_AGGREGATES["an aggregate with a wrong checksum"](reading(1)), "event is "),
    ],
    ids=["no table", "not JSON", "a wrong value", "damaged gzip", "a damaged aggregate"],
)
def test_what_no_table_takes_is_kept_as_it_is_with_the_reason(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path, data: bytes, reason: str
) -> None:
    kinesis.put(STREAM, "key", reading(1), data, reading(2))

    archived(kinesis, clock, tmp_path)

    assert values(tmp_path, "readings", "machine") == Counter(m1=1, m2=1)
    (row,) = rows_in(tmp_path, "others")
    assert (row["stream"], row["partition_key"], row["data"]) == (STREAM, "key", data)
    assert row["reason"].startswith(reason)


def test_a_run_continues_where_the_last_one_ended(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    for first in range(0, 60, 20):
        put_readings(kinesis, range(first, first + 20))
        archived(kinesis, clock, tmp_path)

    assert values(tmp_path, "readings", "machine") == machines(range(60))
    before = files(tmp_path)
    archived(kinesis, clock, tmp_path)
    assert files(tmp_path) == before


def test_a_prediction_published_again_is_one_row_also_in_another_hour_and_run(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    kinesis.put(ALARMS, "1", *map(alarm, range(30)), *map(alarm, range(10)))
    archived(kinesis, clock, tmp_path, stream=ALARMS)
    clock.advance(3600)
    kinesis.put(ALARMS, "1", *map(alarm, range(35)))

    archive = archive_of(kinesis, clock, archive_folder(tmp_path, ALARMS), stream=ALARMS)
    archive.run(follow=False)

    assert len(rows_in(tmp_path, "predictions")) == 35
    assert (archive.rows, archive.duplicates) == (Counter(predictions=5), 30)


def test_a_row_is_written_although_only_duplicates_come_after_it(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    kinesis.put(ALARMS, "1", alarm(1), alarm(2), alarm(1), alarm(2))

    archived(kinesis, clock, tmp_path, stream=ALARMS)

    assert len(rows_in(tmp_path, "predictions")) == 2


def test_two_models_predictions_of_one_event_are_two_rows(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    kinesis.put(ALARMS, "1", alarm(1), alarm(1, model="other"), alarm(1, stream="other"))
    archived(kinesis, clock, tmp_path, stream=ALARMS)
    kinesis.put(ALARMS, "1", alarm(1), alarm(1, model="other"), alarm(1, stream="other"))
    archived(kinesis, clock, tmp_path, stream=ALARMS)

    assert len(rows_in(tmp_path, "predictions")) == 3


def test_records_of_the_input_are_not_compared_by_what_producers_write(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    same = b'{"machine": "m1", "celsius": 1, "event_id": "mine"}'
    kinesis.put(STREAM, "key", same, same)

    archived(kinesis, clock, tmp_path)

    assert values(tmp_path, "readings", "machine") == Counter(m1=2)


def test_rows_are_written_as_soon_as_there_are_so_many(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    kinesis.put(STREAM, "key", *map(reading, range(100)))

    archived(kinesis, clock, tmp_path, limits=Limits(rows=30, seconds=1e9))

    sizes = [pq.read_metadata(path).num_rows for path in files(tmp_path)]
    assert sizes == [30, 30, 30, 10]
    names = [path.name.rpartition("-")[0] for path in files(tmp_path)]
    assert names == [f"readings-{commit:08}" for commit in (1, 2, 3, 4)]


def test_rows_are_written_as_soon_as_they_are_so_large(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    kinesis.put(STREAM, "key", *map(reading, range(10, 100)))

    limits = Limits(data_bytes=10 * len(reading(10)), seconds=1e9)
    archived(kinesis, clock, tmp_path, limits=limits)

    assert [pq.read_metadata(path).num_rows for path in files(tmp_path)] == [10] * 9


def test_rows_are_written_after_some_time_although_no_more_records_come(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    kinesis.put(STREAM, "key", *map(reading, range(5)))
    written: list[tuple[float, Counter[str]]] = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now() > 130:
            archive.stop()

    archive = archive_of(
        kinesis,
        clock,
        archive_folder(tmp_path, STREAM),
        limits=Limits(seconds=60),
        committed=lambda rows: written.append((clock.now(), rows)),
        sleep=sleep,
    )
    archive.run()

    ((at, rows),) = [(at, rows) for at, rows in written if rows]
    assert 60 <= at < 62
    assert rows == Counter(readings=5)


@pytest.mark.parametrize("taken", range(1, 8))
def test_a_run_that_stops_within_an_aggregated_record_does_not_write_its_entries_twice(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path, taken: int
) -> None:
    whole = aggregate_of("key", [entry(reading(number)) for number in range(1, 7)])
    kinesis.put(STREAM, "key", reading(0), whole, reading(7))
    archive = archive_of(kinesis, clock, archive_folder(tmp_path, STREAM))
    seen = 0

    def until_enough(*_arguments: object) -> float:
        nonlocal seen
        seen += 1
        if seen > taken:
            archive.stop()
        return 0.0

    archive._clock = until_enough  # each record asks for the time once
    archive.run()
    archived(kinesis, clock, tmp_path)

    assert values(tmp_path, "readings", "machine") == Counter(f"m{n}" for n in range(8))


def test_a_commit_within_an_aggregated_record_leaves_its_entries_to_a_later_one(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    whole = aggregate_of("key", [entry(reading(number)) for number in range(50)])
    kinesis.put(STREAM, "key", reading(100), whole, reading(101))

    archived(kinesis, clock, tmp_path, limits=Limits(rows=7, seconds=1e9))

    assert sum(values(tmp_path, "readings", "machine").values()) == 52
    sizes = [pq.read_metadata(path).num_rows for path in files(tmp_path)]
    assert sorted(sizes) == [1, 1, 50]


def test_a_reshard_is_followed(kinesis: FakeKinesis, clock: Clock, tmp_path: Path) -> None:
    put_readings(kinesis, range(40))
    archived(kinesis, clock, tmp_path)
    kinesis.split(STREAM, kinesis.open_shards(STREAM)[0].shard_id)
    put_readings(kinesis, range(40, 80))

    archived(kinesis, clock, tmp_path)

    assert values(tmp_path, "readings", "machine") == machines(range(80))


def test_a_stream_that_was_created_again_is_archived_from_its_beginning(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    kinesis.put(ALARMS, "1", *map(alarm, range(5)))
    archived(kinesis, clock, tmp_path, stream=ALARMS)
    kinesis.create_again(ALARMS)
    kinesis.put(ALARMS, "1", *map(alarm, range(5)))

    archived(kinesis, clock, tmp_path, stream=ALARMS)

    # Another stream has other events, with the same ids in an emulator.
    assert len(rows_in(tmp_path, "predictions")) == 10


def test_a_stream_without_shards_leaves_the_position_as_it_was(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    """As one may be while it is being created."""
    put_readings(kinesis, range(20))
    archived(kinesis, clock, tmp_path)
    state = (tmp_path / "_state" / "readings.json").read_bytes()
    before = json.loads(state)["position"]
    kinesis.unlisted = {shard.shard_id for shard in kinesis.open_shards(STREAM)}

    archived(kinesis, clock, tmp_path)
    kinesis.unlisted = set()
    archived(kinesis, clock, tmp_path)

    assert json.loads((tmp_path / "_state" / "readings.json").read_bytes())["position"] == before
    assert values(tmp_path, "readings", "machine") == machines(range(20))


def test_a_stream_that_is_not_there_is_an_error(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    kinesis.delete_stream(StreamName=STREAM)

    with pytest.raises(StreamError, match=STREAM):
        archived(kinesis, clock, tmp_path)
