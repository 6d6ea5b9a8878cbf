"""The state of an archive: two programs at once, what it remembers, and the same on S3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from streaming.archive import stream_archive
from streaming.archive.archive_state import archive_folder, locked_folder
from streaming.archive.stream_archive import Limits
from streaming.errors import ArchiveError, StorageError
from streaming.locations import S3Location
from streaming.storage import FolderStorage, S3Storage
from tests.fakes.kinesis import client_error
from tests.streaming.archive.archive_fixtures import (
    ALARMS,
    STREAM,
    alarm,
    archive_of,
    archived,
    files,
    machines,
    put_readings,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.clock import Clock
    from tests.fakes.kinesis import FakeKinesis


def test_a_second_program_ends_the_first_ones_next_commit_and_no_row_is_doubled(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    """On S3, which has no locks."""
    put_readings(kinesis, range(50))
    second = archive_of(kinesis, clock, FolderStorage(tmp_path))

    class Overtaken(FolderStorage):
        writes = 0

        def put(self, name: str, content: bytes) -> None:
            self.writes += 1
            super().put(name, content)
            if self.writes == 6 and name.endswith(".parquet"):
                second.run(follow=False)

    with pytest.raises(ArchiveError, match="another program writes the archive of readings"):
        archive_of(kinesis, clock, Overtaken(tmp_path)).run(follow=False)

    assert values(tmp_path, "readings", "machine") == machines(range(50))


def test_a_second_program_is_named_although_the_first_ones_files_cannot_be_deleted(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    put_readings(kinesis, range(50))
    second = archive_of(kinesis, clock, FolderStorage(tmp_path))

    class Overtaken(FolderStorage):
        def put(self, name: str, content: bytes) -> None:
            super().put(name, content)
            if name.endswith(".parquet"):
                second.run(follow=False)

        def delete(self, name: str) -> None:
            raise StorageError(f"cannot delete {name}")

    with pytest.raises(ArchiveError, match="another program writes the archive of readings"):
        archive_of(kinesis, clock, Overtaken(tmp_path)).run(follow=False)


def test_what_was_deleted_after_a_kill_is_not_deleted_again(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path
) -> None:
    state = tmp_path / "_state" / "readings.json"
    put_readings(kinesis, range(10))
    archived(kinesis, clock, tmp_path)
    found = json.loads(state.read_bytes())
    state.write_text(json.dumps({**found, "pending": ["readings/half.parquet"]}))

    archived(kinesis, clock, tmp_path)

    assert json.loads(state.read_bytes())["pending"] == []


def test_a_file_is_written_where_no_query_looks_and_the_next_one_is_written_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    replace = Path.replace

    def note(path: Path, target: Path) -> Path:
        written.append(path.relative_to(tmp_path))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", note)
    storage = archive_folder(tmp_path, STREAM)
    for name in ("readings/date=2025-03-01/hour=13/a.parquet", "readings/b.parquet"):
        storage.put(name, b"rows")

    (unfinished,) = set(written)
    assert unfinished.parts[0].startswith("_")  # as query engines skip
    assert {path.name for path in files(tmp_path)} == {"a.parquet", "b.parquet"}


def test_a_second_program_in_a_folder_is_refused(tmp_path: Path) -> None:
    with (
        locked_folder(tmp_path, STREAM),
        pytest.raises(ArchiveError, match="another program writes the archive of readings in"),
        locked_folder(tmp_path, STREAM),
    ):
        pass
    with locked_folder(tmp_path, STREAM), locked_folder(tmp_path, ALARMS):
        pass


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(ArchiveError, match=r"cannot write .*file.*: Not a directory"),
        locked_folder(tmp_path / "file", STREAM),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an archive's state"),
        (b"[]", "is not an archive's state"),
        (b'{"stream": "readings", "writer": "x", "format": 2}', "allowed: readings in format 1"),
        (b'{"stream": "other", "writer": "x"}', "is the state of other in format 1"),
    ],
)
def test_a_state_that_cannot_be_used_is_refused_and_left_as_it_is(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "_state" / "readings.json"
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(ArchiveError, match=message):
        archived(kinesis, clock, tmp_path)

    assert path.read_bytes() == content


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket", "InvalidObjectState"])
def test_a_state_that_may_not_be_read_is_not_taken_for_none(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path, code: str
) -> None:
    """Else all records that the stream still holds would be written again."""

    class Refused(FolderStorage):
        def read(self, name: str) -> bytes:
            try:
                raise client_error(code, "get_object", status=403)
            except ClientError as error:
                raise StorageError(f"cannot read {name}: {code}") from error

    put_readings(kinesis, range(10))
    archived(kinesis, clock, tmp_path)
    state = (tmp_path / "_state" / "readings.json").read_bytes()

    with pytest.raises(StorageError, match=f"cannot read _state/readings.json: {code}"):
        archive_of(kinesis, clock, Refused(tmp_path)).run(follow=False)

    assert (tmp_path / "_state" / "readings.json").read_bytes() == state


def test_the_state_names_no_more_files_than_the_reader_can_remember(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_archive, "RECENT_FILES", 4)
    monkeypatch.setattr(stream_archive, "DUPLICATE_WINDOW", 50)
    state = tmp_path / "_state" / "alarms.json"

    kinesis.put(ALARMS, "1", *map(alarm, range(100)))
    archived(kinesis, clock, tmp_path, stream=ALARMS, limits=Limits(rows=5, seconds=1e9))
    assert len(json.loads(state.read_bytes())["recent"]) == 4

    kinesis.put(ALARMS, "1", *map(alarm, range(100, 200)))
    archived(kinesis, clock, tmp_path, stream=ALARMS, limits=Limits(rows=40, seconds=1e9))
    assert len(json.loads(state.read_bytes())["recent"]) == 2  # of 20 and 40 rows


@pytest.mark.parametrize(
    ("damage", "reason"), [("gone", "No such file"), ("damaged", "Parquet file size is 4 bytes")]
)
def test_without_the_last_file_the_archive_goes_on_and_warns(  # noqa: PLR0917  fixtures
    kinesis: FakeKinesis,
    clock: Clock,
    tmp_path: Path,
    damage: str,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kinesis.put(ALARMS, "1", alarm(1))
    archived(kinesis, clock, tmp_path, stream=ALARMS)
    (file,) = files(tmp_path)
    file.unlink() if damage == "gone" else file.write_bytes(b"PAR1")
    kinesis.put(ALARMS, "1", alarm(2))

    archived(kinesis, clock, tmp_path, stream=ALARMS)

    assert len(files(tmp_path)) == (1 if damage == "gone" else 2)
    assert f"{file.name} is gone or damaged (" in caplog.text
    assert reason in caplog.text


@pytest.fixture
def bucket() -> Iterator[S3Storage]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="archive")
        yield S3Storage(lambda: client, S3Location("archive", "rides"))


def test_an_archive_on_s3_has_the_same_files_and_clears_up_the_same_way(
    kinesis: FakeKinesis, clock: Clock, bucket: S3Storage, tmp_path: Path
) -> None:
    put_readings(kinesis, range(50))
    archive_of(kinesis, clock, bucket).run(follow=False)
    state = json.loads(bucket.read("_state/readings.json"))
    orphan = f"readings/date=2025-03-01/hour=13/readings-{state['commits'] + 1:08}-x.parquet"
    bucket.put(orphan, b"half a commit")
    pending = [orphan, "readings/never-written.parquet"]
    bucket.put("_state/readings.json", json.dumps({**state, "pending": pending}).encode())

    put_readings(kinesis, range(50, 60))
    archive_of(kinesis, clock, bucket).run(follow=False)

    assert orphan not in bucket.names()
    for name in bucket.names():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bucket.read(name))
    assert values(tmp_path, "readings", "machine") == machines(range(60))
