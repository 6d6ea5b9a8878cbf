from __future__ import annotations

import hashlib
import io
import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from streaming.consumer.model_bundle import RETRY_SECONDS, read_bundle
from streaming.errors import ModelBundleError, SettingsError
from streaming.retries import Retries
from tests.bundle_files import write_bundle
from tests.fakes.clock import Clock
from tests.fakes.kinesis import client_error
from tests.fakes.no_s3 import no_s3

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path, {"duration": b"one", "tip": b"two"}, version="run-7")


def change(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.update(changes)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def change_target(folder: Path, **changes: Any) -> None:
    targets = json.loads((folder / "manifest.json").read_text())["targets"]
    targets["tip"].update(changes)
    change(folder, targets=targets)


def error_of(folder: Path) -> str:
    with pytest.raises(ModelBundleError) as raised:
        read_bundle(str(folder), ["duration", "tip"], no_s3)
    return str(raised.value)


def test_a_bundle_in_a_folder_is_read(folder: Path) -> None:
    bundle = read_bundle(str(folder), ["tip"], no_s3)

    assert bundle.models == {"tip": b"two"}
    assert bundle.manifest.version == "run-7"


def test_a_bundle_on_s3_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="bundles")
        for path in folder.rglob("*.*"):
            key = path.relative_to(folder).as_posix()
            for prefix in ("", "rides/v7/"):
                s3.put_object(Bucket="bundles", Key=prefix + key, Body=path.read_bytes())

        for location in ("s3://bundles", "s3://bundles/rides/v7", "s3://bundles/rides/v7/"):
            bundle = read_bundle(location, ["duration", "tip"], lambda: s3)
            assert bundle.models == {"duration": b"one", "tip": b"two"}

        with pytest.raises(ModelBundleError, match=r"cannot read s3://bundles/gone/manifest\.json"):
            read_bundle("s3://bundles/gone", ["tip"], lambda: s3)


def test_a_modified_file_is_rejected(folder: Path) -> None:
    (folder / "tip" / "model.onnx").write_bytes(b"twO")

    assert error_of(folder).startswith(f"{folder}: tip/model.onnx has SHA-256")


def test_a_missing_file_fails_with_its_path(folder: Path) -> None:
    (folder / "tip" / "model.onnx").unlink()

    assert f"cannot read {folder}/tip/model.onnx: No such file" in error_of(folder)


@pytest.mark.parametrize("file", ["", "tip", "tip/model.onnx\0", "x" * 5000])
def test_a_path_that_is_not_a_file_fails_with_the_path(folder: Path, file: str) -> None:
    change_target(folder, file=file)

    assert f"cannot read {folder / file}: " in error_of(folder)


def test_a_bundle_of_named_pipes_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.json")

    assert "manifest.json: not a regular file" in error_of(tmp_path)


@pytest.mark.parametrize("location", ["s3://[bucket", "https://bucket/prefix"])
def test_a_url_that_is_not_a_location_fails_with_what_is_allowed(location: str) -> None:
    with pytest.raises(SettingsError, match=r"^MODEL_LOCATION is .*; allowed: s3://"):
        read_bundle(location, ["tip"], no_s3)


def test_a_missing_bundle_fails_with_its_path(tmp_path: Path) -> None:
    assert f"cannot read {tmp_path}/manifest.json: " in error_of(tmp_path)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"format": 1}', b"\xff", b'{"format": "1"}', b"[" * 9999]
)
def test_an_unreadable_manifest_is_rejected(folder: Path, text: bytes) -> None:
    (folder / "manifest.json").write_bytes(text)

    assert error_of(folder).startswith(f"{folder}: manifest.json cannot be read: ")


@pytest.mark.parametrize("rest", [{}, {"targets": [], "version": 2}], ids=["same", "other"])
def test_a_bundle_of_a_newer_format_is_rejected_whatever_its_content(
    folder: Path, rest: dict[str, Any]
) -> None:
    change(folder, format=2, **rest)

    assert "manifest.json has format 2; this program reads 1" in error_of(folder)


@pytest.mark.parametrize("version", ["", "v" * 129, 7, None])
def test_an_invalid_version_is_rejected(folder: Path, version: Any) -> None:
    change(folder, version=version)

    assert "manifest.json cannot be read: " in error_of(folder)
    assert "$.version" in error_of(folder)


def test_a_modified_hash_is_rejected(folder: Path) -> None:
    change_target(folder, sha256="0" * 64)

    assert f"tip/model.onnx has SHA-256 {hashlib.sha256(b'two').hexdigest()}" in error_of(folder)
    assert f"the manifest says {'0' * 64}" in error_of(folder)


def test_a_manifest_other_than_the_expected_one_is_rejected(folder: Path) -> None:
    sha256 = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert read_bundle(str(folder), ["tip"], no_s3, manifest_sha256=sha256).models
    change(folder, version="run-8")

    with pytest.raises(ModelBundleError) as raised:
        read_bundle(str(folder), ["tip"], no_s3, manifest_sha256=sha256)

    assert str(raised.value).startswith(f"{folder}: manifest.json has SHA-256 ")
    assert str(raised.value).endswith(f"; expected {sha256}")


def test_a_missing_target_fails_with_the_targets_that_exist(folder: Path) -> None:
    change(folder, targets={})

    assert "manifest.json has no target duration; it has none" in error_of(folder)


@pytest.mark.parametrize("file", ["/etc/passwd", "../model.onnx", "tip/../../x"])
def test_a_file_outside_the_bundle_is_rejected(folder: Path, file: str) -> None:
    change_target(folder, file=file)

    assert f"{file} is outside the bundle" in error_of(folder)


def s3_that_fails(folder: Path, clock: Clock, status: int, times: int) -> Any:
    """Return an S3 client that fails some times and then serves the files of a folder."""
    failures = [
        client_error("SlowDown" if status >= 500 else "AccessDenied", "get_object", status=status)
    ] * times

    def get_object(*, Bucket: str, Key: str) -> Any:
        assert Bucket == "bundles"
        clock.advance(0.5)
        if failures:
            raise failures.pop()
        return {"Body": io.BytesIO((folder / Key).read_bytes())}

    return SimpleNamespace(get_object=get_object)


@pytest.mark.parametrize(
    ("status", "times", "is_read"), [(503, 4, True), (503, 99, False), (403, 1, False)]
)
def test_a_read_is_repeated_for_some_seconds_while_s3_is_unavailable(
    folder: Path,
    status: int,
    times: int,
    is_read: bool,  # noqa: FBT001
) -> None:
    clock = Clock()
    client = s3_that_fails(folder, clock, status, times)
    retries = Retries(clock.now, clock.sleep, lambda: 1.0)

    if is_read:
        assert read_bundle("s3://bundles", ["tip"], lambda: client, retries).models
    else:
        with pytest.raises(
            ModelBundleError, match=r"(SlowDown|AccessDenied) \(GetObject, HTTP status"
        ):
            read_bundle("s3://bundles", ["tip"], lambda: client, retries)
        assert clock.now() <= RETRY_SECONDS
