from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from streaming.errors import DeadLettersUnreadable, SettingsError
from streaming.storage import DeadLetterObjects, FolderObjects, open_objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ["aws/lambda/x", "rides/2025/03/01/a.jsonl", "rides/2025/03/02/b.jsonl"]


def no_s3() -> Any:
    raise AssertionError("a folder needs no S3 client")


def in_folder(folder: Path) -> DeadLetterObjects:
    for name in [*NAMES, "rides/2025/03/02/c.jsonl.7.tmp"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return open_objects(folder.as_uri(), no_s3)


def in_bucket(client: Any) -> DeadLetterObjects:
    client.create_bucket(Bucket="dead")
    for name in [*(f"a/b/{name}" for name in NAMES), "a/b/", "a/bc/other", "other"]:
        client.put_object(Bucket="dead", Key=name, Body=name.removeprefix("a/b/").encode())
    return open_objects("s3://dead/a/b/", lambda: client)


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DeadLetterObjects]:
    if request.param == "folder":
        yield in_folder(tmp_path / "dead letters")
        return
    with mock_aws():
        yield in_bucket(boto3.client("s3", region_name="us-east-1"))


def test_objects_are_listed_by_name_and_read(objects: DeadLetterObjects) -> None:
    assert objects.names() == NAMES
    assert [objects.read(name) for name in NAMES] == [name.encode() for name in NAMES]


def test_a_deleted_object_is_gone_and_the_others_stay(objects: DeadLetterObjects) -> None:
    objects.delete(NAMES[1])

    assert objects.names() == [NAMES[0], NAMES[2]]


def test_an_object_that_is_not_there_cannot_be_read(objects: DeadLetterObjects) -> None:
    with pytest.raises(DeadLettersUnreadable, match=r"cannot read .*gone: "):
        objects.read("gone")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeadLettersUnreadable, match=f"there is no folder {tmp_path}/gone"):
        FolderObjects(tmp_path / "gone").names()


def test_a_file_that_is_gone_cannot_be_deleted(tmp_path: Path) -> None:
    with pytest.raises(DeadLettersUnreadable, match=r"cannot delete .*gone: "):
        FolderObjects(tmp_path).delete("gone")


def test_a_whole_bucket_may_be_meant_and_must_be_there() -> None:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        in_bucket(client)

        assert len(open_objects("s3://dead", lambda: client).names()) == 5
        gone = open_objects("s3://gone/x", lambda: client)
        for call in (gone.names, lambda: gone.delete("y")):
            with pytest.raises(DeadLettersUnreadable, match=r"s3://gone/x/.*NoSuchBucket"):
                call()


@pytest.mark.parametrize("location", ["dead", "/dead", "http://dead", "s3://", "file://host/dead"])
def test_another_location_says_what_is_allowed(location: str) -> None:
    with pytest.raises(SettingsError, match=f"location is '{location}'; allowed: s3://bucket"):
        open_objects(location, no_s3)
