from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from streaming.consumer.model_bundle import RETRY_SECONDS, read_bundle
from streaming.consumer.model_pointer import LoadedModel, ModelSource, decode_pointer, is_pointer
from streaming.errors import InvalidModel, ModelBundleError, SettingsError, StorageError
from streaming.retries import Retries
from tests.bundle_files import write_bundle
from tests.fakes.clock import Clock
from tests.fakes.kinesis import client_error
from tests.fakes.no_s3 import no_s3
from tests.model_pointers import write_pointer
from tests.streaming.consumer.harness import Shout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

HASH = "0" * 64


class Versioned(Shout):
    """Has the version of its bundle."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version


def load(environment: Mapping[str, str], s3_client: Callable[[], Any]) -> Versioned:
    """Load a bundle as a model's `load_model` does."""
    sha256 = environment.get("MODEL_MANIFEST_SHA256")
    bundle = read_bundle(environment["MODEL_LOCATION"], [], s3_client, manifest_sha256=sha256)
    return Versioned(bundle.manifest.version)


def source(
    location: object, s3_client: Callable[[], Any] = no_s3, **changes: Any
) -> ModelSource[str]:
    return ModelSource(load, {"MODEL_LOCATION": str(location)}, s3_client, **changes)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundles" / "one", {"tip": b"1"}, version="one")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundles" / "two", {"tip": b"2"}, version="two")


@pytest.fixture
def champion(tmp_path: Path, one: Path) -> Path:
    return write_pointer(tmp_path / "champion.json", one)


def version_of(loaded: LoadedModel[str] | None) -> str | None:
    return None if loaded is None else loaded.model.version


def test_a_pointer_is_known_by_its_name() -> None:
    assert is_pointer("s3://models/rides/champion.json")
    assert not is_pointer("s3://models/rides/bundles/7")
    assert not is_pointer("models")


def test_the_bundle_that_the_pointer_names_is_loaded(champion: Path) -> None:
    loaded = source(champion).load()

    assert loaded.model.version == "one"
    assert loaded.pointer is not None
    assert loaded.pointer.version == "one"


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_pointer_is_named_by_path_or_url(champion: Path, form: str) -> None:
    assert version_of(source(form.format(champion)).load()) == "one"


def test_a_pointer_in_the_working_folder_needs_no_folder_in_its_name(
    champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(champion.parent)

    assert version_of(source(champion.name).load()) == "one"


def test_a_bundle_is_loaded_as_it_is(one: Path) -> None:
    found = source(one)

    assert not found.is_pointer
    assert found.load().pointer is None
    assert version_of(found.load()) == "one"


def test_nothing_is_loaded_while_the_pointer_stays(champion: Path) -> None:
    found = source(champion)

    assert found.load_changed(found.load()) is None


def test_the_bundle_that_a_changed_pointer_names_is_loaded(champion: Path, two: Path) -> None:
    found = source(champion)
    first = found.load()
    write_pointer(champion, two)

    second = found.load_changed(first)
    assert second is not None
    assert version_of(second) == "two"
    assert found.load_changed(second) is None


def test_a_pointer_that_is_written_again_loads_nothing(champion: Path, one: Path) -> None:
    found = source(champion)
    first = found.load()
    write_pointer(champion, one)

    second = found.load_changed(first)
    assert second is not None
    assert second.model is first.model
    assert second.pointer == first.pointer
    assert found.load_changed(second) is None


def test_a_manifest_that_is_not_the_pointers_is_refused(champion: Path, one: Path) -> None:
    (one / "manifest.json").write_text((one / "manifest.json").read_text() + " ")

    with pytest.raises(ModelBundleError, match=r"one: manifest\.json has SHA-256 \w+; expected \w"):
        source(champion).load()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[]", "Expected `object`, got `array`"),
        (b"{", "Input data was truncated"),
        (b'{"format": 2}', "has format 2; this program reads 1"),
        (b'{"format": 1}', "missing required field `version`"),
        (b"\xff", "cannot be read"),
    ],
)
def test_a_damaged_pointer_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(ModelBundleError, match=r"the pointer s3://b/c\.json .*") as raised:
        decode_pointer("s3://b/c.json", content)
    assert problem in str(raised.value)


@pytest.mark.parametrize("change", [{"version": ""}, {"version": "v" * 129}, {"bundle": ""}])
@pytest.mark.parametrize("sha256", [HASH, HASH + "0", HASH[1:], "G" * 64, HASH + "\n"])
def test_every_field_of_a_pointer_is_checked(change: dict[str, str], sha256: str) -> None:
    fields = {"format": 1, "version": "7", "bundle": "bundles/7", "manifest_sha256": HASH}

    assert decode_pointer("c.json", json.dumps(fields).encode()).version == "7"
    with pytest.raises(ModelBundleError, match=r"the pointer c\.json cannot be read"):
        decode_pointer("c.json", json.dumps({**fields, **change}).encode())
    if sha256 != HASH:
        with pytest.raises(ModelBundleError, match="manifest_sha256"):
            decode_pointer("c.json", json.dumps({**fields, "manifest_sha256": sha256}).encode())


@pytest.mark.parametrize("bundle", ["../other", "a/../../b", "/etc", "a//b", "./a", "a/", ".."])
def test_a_bundle_outside_the_pointers_folder_is_refused(bundle: str) -> None:
    fields = {"format": 1, "version": "7", "bundle": bundle, "manifest_sha256": HASH}

    with pytest.raises(ModelBundleError, match="allowed: a path below the pointer's folder"):
        decode_pointer("c.json", json.dumps(fields).encode())


def test_a_damaged_pointer_is_named(champion: Path) -> None:
    found = source(champion)
    first = found.load()
    champion.write_bytes(b"{}")

    problem = f"the pointer {champion} cannot be read"
    with pytest.raises(ModelBundleError, match=problem):
        found.load_changed(first)
    with pytest.raises(ModelBundleError, match=problem):
        found.load()


def test_a_missing_pointer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelBundleError, match=r"cannot read .*gone\.json: No such file"):
        source(tmp_path / "gone.json").load()


def test_with_a_pointer_the_version_is_the_bundles(champion: Path) -> None:
    environment = {"MODEL_LOCATION": str(champion), "RUN_ID": "mine"}

    with pytest.raises(SettingsError, match="RUN_ID is 'mine'; allowed: not set"):
        ModelSource(load, environment, no_s3)


def test_a_model_that_lacks_a_member_is_refused(champion: Path) -> None:
    def incomplete(_environment: Mapping[str, str], _s3_client: Callable[[], Any]) -> Any:
        return object()

    found = ModelSource[str](incomplete, {"MODEL_LOCATION": str(champion)}, no_s3)
    with pytest.raises(InvalidModel):
        found.load()


@pytest.mark.parametrize("prefix", ["", "rides/live/"])
def test_a_pointer_on_s3_is_read_with_conditional_requests(
    champion: Path, two: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = champion.parent
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")

    def upload() -> None:
        for path in root.rglob("*.*"):
            key = prefix + path.relative_to(root).as_posix()
            s3.put_object(Bucket="models", Key=key, Body=path.read_bytes())

    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="models")
        upload()
        found = source(f"s3://models/{prefix}champion.json", lambda: s3)
        first = found.load()
        assert version_of(first) == "one"
        assert found.load_changed(first) is None

        write_pointer(champion, two)
        upload()
        assert version_of(found.load_changed(first)) == "two"

        s3.delete_object(Bucket="models", Key=f"{prefix}champion.json")
        with pytest.raises(StorageError, match="NoSuchKey"):
            found.load_changed(first)


class Unavailable:
    """S3 that refuses each request, until there were enough."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.requests = 0

    def get_object(self, **_: Any) -> Any:
        self.requests += 1
        if self.requests <= self.refusals:
            raise client_error("SlowDown", "GetObject")
        raise client_error("NoSuchKey", "GetObject")


def test_only_the_first_read_is_repeated_while_s3_is_unavailable(champion: Path) -> None:
    clock, s3 = Clock(), Unavailable(3)
    retries = Retries(clock.now, clock.sleep, lambda: 1.0)
    found = source("s3://models/champion.json", lambda: s3, retries=retries)
    with pytest.raises(ModelBundleError, match="NoSuchKey"):
        found.load()
    assert s3.requests == 4
    assert 0 < clock.now() < RETRY_SECONDS

    current = source(champion).load()
    s3.requests = 0
    with pytest.raises(StorageError, match="SlowDown"):
        found.load_changed(current)
    assert s3.requests == 1
