from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError, ReadTimeoutError
from moto import mock_aws

from streaming.errors import SettingsError, StorageError, StorageUnavailable
from streaming.locations import S3Location
from streaming.storage import FolderStorage, S3Storage, Storage, open_storage
from tests.fakes.kinesis import client_error
from tests.fakes.no_s3 import no_s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ["aws/lambda/x", "rides/2025/03/01/a.jsonl", "rides/2025/03/02/b.jsonl"]


def in_folder(folder: Path) -> Storage:
    for name in [*NAMES, "rides/2025/03/02/c.jsonl.7.tmp"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return open_storage("location", folder.as_uri(), no_s3)


def in_bucket(client: Any) -> Storage:
    client.create_bucket(Bucket="dead")
    for name in [*(f"a/b/{name}" for name in NAMES), "a/b/", "a/bc/other", "other"]:
        client.put_object(Bucket="dead", Key=name, Body=name.removeprefix("a/b/").encode())
    return open_storage("location", "s3://dead/a/b/", lambda: client)


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "folder":
        yield in_folder(tmp_path / "dead letters")
        return
    with mock_aws():
        yield in_bucket(boto3.client("s3", region_name="us-east-1"))


def test_objects_are_listed_by_name_and_read(storage: Storage) -> None:
    assert storage.names() == NAMES
    assert [storage.read(name) for name in NAMES] == [name.encode() for name in NAMES]


def test_an_object_can_be_put_read_and_replaced(storage: Storage) -> None:
    for content in (b"one", b"two"):
        storage.put("new/name.jsonl", content)

        assert storage.read("new/name.jsonl") == content
    assert storage.names() == sorted([*NAMES, "new/name.jsonl"])


def test_a_deleted_object_is_gone_and_the_others_stay(storage: Storage) -> None:
    storage.delete(NAMES[1])

    assert storage.names() == [NAMES[0], NAMES[2]]


def test_an_object_is_read_again_only_if_it_has_changed(storage: Storage) -> None:
    storage.put("champion.json", b"one")
    first = storage.read_if_changed("champion.json", None)
    assert first is not None
    assert first[0] == b"one"
    assert storage.read_if_changed("champion.json", first[1]) is None

    storage.put("champion.json", b"two")
    second = storage.read_if_changed("champion.json", first[1])
    assert second is not None
    assert second[0] == b"two"
    assert storage.read_if_changed("champion.json", second[1]) is None

    with pytest.raises(StorageError, match=r"cannot read .*gone: "):
        storage.read_if_changed("gone", first[1])


def test_an_object_that_does_not_exist_cannot_be_read(storage: Storage) -> None:
    with pytest.raises(StorageError, match=r"cannot read .*gone: "):
        storage.read("gone")


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(StorageError, match=r"cannot read .*pipe: not a regular file"):
        FolderStorage(tmp_path).read("pipe")


def test_a_folder_that_does_not_exist_fails_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"there is no folder {tmp_path}/gone"):
        FolderStorage(tmp_path / "gone").names()


def test_a_folder_with_a_file_that_cannot_be_examined_fails_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("")

    def is_file(_: Path) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("pathlib.Path.is_file", is_file)
    with pytest.raises(StorageError, match=re.escape(f"cannot list {tmp_path}")):
        FolderStorage(tmp_path).names()


def test_a_file_that_does_not_exist_cannot_be_deleted(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot delete .*gone: "):
        FolderStorage(tmp_path).delete("gone")


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageError, match="cannot write "):
        FolderStorage(tmp_path / "file").put("a.jsonl", b"{}")


def test_a_folder_can_be_given_as_a_url(tmp_path: Path) -> None:
    open_storage("location", f"file://{tmp_path}/dead%20letters", no_s3).put("a/b.json", b"{}")

    assert (tmp_path / "dead letters/a/b.json").read_bytes() == b"{}"


@pytest.mark.parametrize(
    ("location", "prefix"),
    [("s3://dead", ""), ("s3://dead/", ""), ("s3://dead/a/b", "a/b/"), ("s3://dead/a/b/", "a/b/")],
)
def test_an_object_in_a_bucket_has_the_prefix_and_a_content_type(
    s3: Any, location: str, prefix: str
) -> None:
    s3.create_bucket(Bucket="dead")
    storage = open_storage("location", location, lambda: s3)

    storage.put("x/lines.jsonl", b"{}\n")
    storage.put("x/object", b"{}")
    storage.put("x/table.parquet", b"PAR1")

    types = {
        key: s3.head_object(Bucket="dead", Key=key)["ContentType"]
        for key in (item["Key"] for item in s3.list_objects_v2(Bucket="dead")["Contents"])
    }
    assert types == {
        f"{prefix}x/lines.jsonl": "application/x-ndjson",
        f"{prefix}x/object": "application/json",
        f"{prefix}x/table.parquet": "application/vnd.apache.parquet",
    }


def test_the_s3_client_is_created_once_and_only_if_it_is_needed(s3: Any) -> None:
    s3.create_bucket(Bucket="dead")
    created: list[str] = []

    def client() -> Any:
        created.append("client")
        return s3

    storage = open_storage("location", "s3://dead", client)
    assert created == []
    for _ in range(2):
        storage.put("a", b"{}")
    assert created == ["client"]


def test_a_whole_bucket_can_be_listed_and_must_exist(s3: Any) -> None:
    in_bucket(s3)

    assert len(open_storage("location", "s3://dead", lambda: s3).names()) == 5
    gone = open_storage("location", "s3://gone/x", lambda: s3)
    for call, failed in (
        (gone.names, "list s3://gone/x/"),
        (lambda: gone.read("y"), "read s3://gone/x/y"),
        (lambda: gone.put("y", b""), "write s3://gone/x/y"),
        (lambda: gone.delete("y"), "delete s3://gone/x/y"),
    ):
        with pytest.raises(StorageError, match=f"^cannot {failed}: NoSuchBucket"):
            call()


def test_an_empty_bucket_has_no_names(s3: Any) -> None:
    s3.create_bucket(Bucket="dead")

    assert open_storage("location", "s3://dead/a", lambda: s3).names() == []


@pytest.mark.parametrize(
    ("failure", "message", "kind"),
    [
        (NoCredentialsError(), "NoCredentialsError", StorageError),
        (SettingsError("AWS_REGION", None, "a region"), "AWS_REGION is not set", StorageError),
        (PermissionError("secret"), "secret", StorageError),
        (client_error("AccessDenied", "put_object", "secret"), "AccessDenied (Put", StorageError),
        (AttributeError("secret"), "AttributeError", StorageUnavailable),
        (client_error("SlowDown", "put_object", status=503), "SlowDown (Put", StorageUnavailable),
        (ReadTimeoutError(endpoint_url="http://s3"), "ReadTimeoutError", StorageUnavailable),
    ],
)
def test_every_failure_of_s3_is_a_storage_error_which_says_whether_it_may_pass(
    failure: Exception, message: str, kind: type[StorageError]
) -> None:
    def client() -> Any:
        raise failure

    with pytest.raises(StorageError, match=re.escape(message)) as raised:
        S3Storage(client, S3Location("dead", "")).put("a", b"{}")
    assert type(raised.value) is kind


def test_a_lack_of_memory_is_not_a_storage_error() -> None:
    def client() -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        S3Storage(client, S3Location("dead", "")).put("a", b"{}")


@pytest.mark.parametrize("location", ["dead", "/dead", "http://dead", "s3://", "file://host/dead"])
def test_another_location_fails_with_what_is_allowed(location: str) -> None:
    with pytest.raises(SettingsError, match=f"location is '{location}'; allowed: s3://bucket"):
        open_storage("location", location, no_s3)
