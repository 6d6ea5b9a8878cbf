"""Which files of an archive are read, and which are refused."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from lifecycle.archive_query import open_archive_tables
from lifecycle.errors import ArchiveUnreadable
from lifecycle.prediction_quality import Figures, figures_by
from lifecycle.ride_tables import RIDE_STARTED
from lifecycle.scored_predictions import Scope, score
from streaming.archive.parquet_file import parquet_file
from tests.lifecycle.ride_archive import NOON, RideArchive, at, no_client


def quality(archive: RideArchive) -> list[Figures]:
    with open_archive_tables(archive.write(), no_client) as tables:
        return figures_by(score(tables, Scope()), "version")


@pytest.mark.parametrize("without", ["ride_started", "ride_ended", "predictions", "anything"])
def test_tables_may_be_missing(archive: RideArchive, without: str) -> None:
    archive.folder.mkdir()
    if without != "anything":
        archive.ride("a", at(0), 10, one=10)
        archive._rows[without].clear()

    found = quality(archive)

    assert [f.predictions for f in found] == ([1] if without == "ride_ended" else [])
    assert not any(f.labelled for f in found)


def test_files_of_another_version_of_a_table_are_refused(archive: RideArchive) -> None:
    archive.ride("a", at(0), 10, one=10)
    archive.write()
    newer = replace(RIDE_STARTED, version=2)
    row = ("shard:9", "b", NOON, NOON, 1, 1, 1.0, 1, 1)
    path = archive.folder / "ride_started" / "new.parquet"
    path.write_bytes(parquet_file(newer, [row]))

    with pytest.raises(ArchiveUnreadable) as raised:
        quality(archive)

    assert str(raised.value) == (
        "the archive's table ride_started has files of version 2; this program reads version 1"
    )


def test_files_of_another_writer_need_no_metadata_and_may_have_more_or_fewer_columns(
    archive: RideArchive,
) -> None:
    archive.ride("a", at(0), 10, one=11)
    archive.write()
    (path,) = (archive.folder / "predictions").rglob("*.parquet")
    table = pq.read_table(path).drop_columns(["stream", "ride_duration_low"])
    table = table.append_column("weather", [["rain"]]).replace_schema_metadata(None)
    pq.write_table(table, path)

    (found,) = quality(archive)

    assert found.bias == pytest.approx(1)
