from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from lifecycle.errors import PublicationError, RegistryError
from lifecycle.publication import Publication, make_bundle
from model import load_model
from streaming import ModelBundleError, aws_client
from tests.lifecycle.conftest import copy_registry

if TYPE_CHECKING:
    from pathlib import Path

    from lifecycle.registry import Registry
    from streaming.storage import Storage

VERSIONS = {"duration": "2", "tip": "1"}
NAME = "bundles/duration-2-tip-1"


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def files(registry: Registry) -> dict[str, bytes]:
    return make_bundle(registry, VERSIONS)


class Recorder:
    """A storage that notes what is written and may fail."""

    def __init__(self, storage: Storage, failing: str = "") -> None:
        self._storage, self._failing = storage, failing
        self.written: list[str] = []

    def read(self, name: str) -> bytes:
        return self._storage.read(name)

    def put(self, name: str, content: bytes) -> None:
        if name == self._failing:
            raise KeyboardInterrupt
        self.written.append(name)
        self._storage.put(name, content)


def record(publication: Publication, failing: str = "") -> Recorder:
    storage = publication._storage
    inner = storage._storage if isinstance(storage, Recorder) else storage
    recorder = Recorder(inner, failing)
    publication._storage = recorder  # type: ignore[assignment]  # only what publishing calls
    return recorder


def test_the_same_registered_versions_give_the_same_bytes(
    registry: Registry, registered: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = copy_registry(registered, tmp_path / "elsewhere" / "copy.db")

    for place, source in (("one", registry), ("two", other)):
        publication = Publication((tmp_path / place).as_uri(), pytest.fail)
        publication.write_pointer(publication.write_bundle(make_bundle(source, VERSIONS)))

    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert f"{NAME}/manifest.json" in files_of(tmp_path / "one")


def test_a_bundle_holds_what_a_training_writes_and_names_its_versions(
    files: dict[str, bytes],
) -> None:
    manifest = json.loads(files["manifest.json"])

    assert manifest["version"] == "duration-2-tip-1"
    assert manifest["trained_on"] == ["2023-01", "2023-02"]
    assert manifest["targets"]["tip"]["trained_on"] == ["2023-01"]
    assert {name: t["version"] for name, t in manifest["targets"].items()} == VERSIONS
    for entry in (*manifest["targets"].values(), manifest["statistics"]):
        assert hashlib.sha256(files[entry["file"]]).hexdigest() == entry["sha256"]
    assert {"duration/MLmodel", "tip/MLmodel", "tip/conda.yaml"} <= files.keys()
    assert list(files)[-1] == "manifest.json"


def test_a_bundle_names_no_path_of_the_machine_that_trained_it(
    files: dict[str, bytes], registered: Path
) -> None:
    for name, content in files.items():
        assert str(registered.parent).encode() not in content, name
        assert b"artifact_path: /" not in content, name


@pytest.mark.rides
def test_the_function_loads_a_published_bundle(
    files: dict[str, bytes], publication: Publication, tmp_path: Path
) -> None:
    pointer = publication.write_bundle(files)

    loaded = load_model({"MODEL_LOCATION": str(tmp_path / "live" / pointer.bundle)}, pytest.fail)

    assert loaded.version == "duration-2-tip-1"


def test_the_pointer_names_the_bundle_and_its_manifest(
    files: dict[str, bytes], publication: Publication, tmp_path: Path
) -> None:
    assert publication.served() is None

    publication.write_pointer(publication.write_bundle(files))

    assert json.loads((tmp_path / "live" / "champion.json").read_text()) == {
        "format": 1,
        "version": "duration-2-tip-1",
        "bundle": NAME,
        "manifest_sha256": hashlib.sha256(files["manifest.json"]).hexdigest(),
    }
    assert publication.served() == "duration-2-tip-1"


def test_publishing_again_writes_nothing(files: dict[str, bytes], publication: Publication) -> None:
    first = record(publication)
    publication.write_pointer(publication.write_bundle(files))
    again = record(publication)
    publication.write_pointer(publication.write_bundle(files))

    assert first.written == [*(f"{NAME}/{name}" for name in files), "champion.json"]
    assert again.written == []


def test_a_bundle_is_never_changed(
    files: dict[str, bytes], publication: Publication, tmp_path: Path
) -> None:
    publication.write_bundle(files)
    before = files_of(tmp_path)

    other = {**files, "manifest.json": files["manifest.json"].replace(b"3.25", b"3.26")}
    with pytest.raises(PublicationError, match=f"{NAME} exists with other content"):
        publication.write_bundle(other)

    assert files_of(tmp_path) == before


@pytest.mark.parametrize("failing", ["tip/model.onnx", "statistics.json", "manifest.json"])
def test_a_bundle_that_is_killed_half_way_is_completed(
    files: dict[str, bytes], publication: Publication, tmp_path: Path, failing: str
) -> None:
    record(publication, failing=f"{NAME}/{failing}")
    with pytest.raises(KeyboardInterrupt):
        publication.write_bundle(files)
    assert f"{NAME}/manifest.json" not in files_of(tmp_path / "live")

    record(publication)
    publication.write_bundle(files)

    assert files_of(tmp_path / "live" / NAME) == files


def test_a_damaged_file_of_a_published_bundle_is_mended(
    files: dict[str, bytes], publication: Publication, tmp_path: Path
) -> None:
    publication.write_bundle(files)
    (tmp_path / "live" / NAME / "tip" / "model.onnx").write_bytes(b"half")

    publication.write_bundle(files)

    assert files_of(tmp_path / "live" / NAME) == files


def test_a_place_that_cannot_be_written_is_an_error(
    files: dict[str, bytes], publication: Publication, tmp_path: Path
) -> None:
    (tmp_path / "live").write_text("a file")

    with pytest.raises(PublicationError, match=r"cannot .*Not a directory"):
        publication.write_bundle(files)


def test_a_pointer_that_is_none_is_named(publication: Publication, tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "champion.json").write_text("{}")

    with pytest.raises(ModelBundleError, match=r"live/champion\.json"):
        publication.served()


def test_a_version_that_does_not_exist_is_named(registry: Registry) -> None:
    with pytest.raises(RegistryError, match=r"ride-tip.*9.* not found"):
        make_bundle(registry, {"duration": "1", "tip": "9"})


def test_bundles_are_published_on_s3(files: dict[str, bytes]) -> None:
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="models")
        publication = Publication("s3://models/live", lambda: aws_client("s3"))
        assert publication.served() is None

        publication.write_pointer(publication.write_bundle(files))
        publication.write_pointer(publication.write_bundle(files))

        assert publication.served() == "duration-2-tip-1"
        found = s3.get_object(Bucket="models", Key=f"live/{NAME}/tip/model.onnx")["Body"].read()
        assert found == files["tip/model.onnx"]


def test_a_bucket_that_does_not_exist_is_an_error(files: dict[str, bytes]) -> None:
    with mock_aws():
        publication = Publication("s3://models/live", lambda: aws_client("s3"))
        with pytest.raises(PublicationError, match="NoSuchBucket"):
            publication.write_bundle(files)
