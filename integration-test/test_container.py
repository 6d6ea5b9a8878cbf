"""The image alone: from which bundle it starts, and how a failed start is reported."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

from containers import (
    FUNCTION_IMAGE,
    Stack,
    function_container,
    invoke,
    json_lines,
)
from local.errors import FunctionError
from test_stream import client

ROOT = Path(__file__).resolve().parent.parent
EVENT = json.loads((ROOT / "tests" / "events" / "kinesis.json").read_text())
TEST_RUN = {"TEST_RUN": "True"}
ACCESS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}


def bundle(folder: Path, **changes: Any) -> Path:
    """Copy the shipped bundle, with fields of its manifest changed."""
    shutil.copytree(ROOT / "models", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    return folder


def mounted(folder: Path) -> dict[str, dict[str, str]]:
    return {str(folder): {"bind": "/bundle", "mode": "ro"}}


def test_a_test_run_returns_predictions_without_region_and_credentials() -> None:
    with function_container(TEST_RUN) as container:
        response = invoke(container, EVENT)

    (found,) = response["predictions"]
    assert response["batchItemFailures"] == []
    assert found["prediction"]["ride_id"] == 256
    assert 5 < found["prediction"]["ride_duration"] < 60


def test_a_mounted_folder_replaces_the_bundle(tmp_path: Path) -> None:
    volumes = mounted(bundle(tmp_path / "bundle", version="mounted"))
    environment = {**TEST_RUN, "MODEL_LOCATION": "/bundle"}

    with function_container(environment, volumes=volumes) as container:
        response = invoke(container, EVENT)

    assert response["predictions"][0]["version"] == "mounted"


def test_a_bundle_on_s3_is_fetched_at_the_start(tmp_path: Path, calm_stack: Stack) -> None:
    s3 = client("s3", calm_stack)
    s3.create_bucket(Bucket="bundles")
    folder = bundle(tmp_path / "bundle", version="fetched")
    for file in folder.rglob("*"):
        if file.is_file():
            s3.upload_file(str(file), "bundles", f"rides/{file.relative_to(folder)}")
    environment = {
        **TEST_RUN,
        "MODEL_LOCATION": "s3://bundles/rides",
        "AWS_ENDPOINT_URL": "http://localstack:4566",
    }

    with function_container(environment, network=calm_stack.network) as container:
        response = invoke(container, EVENT)

    assert response["predictions"][0]["version"] == "fetched"


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        (
            {**ACCESS, "MODELS": "fare"},
            "MODELS is 'fare'; allowed: duration, tip, or both separated by a comma",
        ),
        ({"TEST_RUN": "perhaps"}, "TEST_RUN is 'perhaps'; allowed: True or False"),
        ({}, "AWS_REGION is not set; allowed: a region, such as us-east-1"),
        (
            {"AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"},
            "AWS_ACCESS_KEY_ID is not set; allowed: a key, or a profile or role that provides one",
        ),
        (
            {**TEST_RUN, "MODEL_LOCATION": "/bundle"},
            "cannot read /bundle/manifest.json: No such file or directory",
        ),
    ],
    ids=["model", "flag", "region", "credentials", "bundle"],
)
def test_a_failed_start_is_one_line_of_the_response_and_the_log(
    environment: Mapping[str, str], reason: str
) -> None:
    with function_container(environment) as container:
        with pytest.raises(FunctionError) as raised:
            invoke(container, EVENT)
        logged = json_lines(container)

    assert raised.value.message == f"Unable to import module 'lambda_function': {reason}"
    (line,) = [line for line in logged if line.get("level") == "ERROR"]
    assert line["errorMessage"] == raised.value.message
    assert line["stackTrace"] == []


def test_a_tampered_bundle_stops_the_start(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "bundle")
    with (folder / "tip" / "model.onnx").open("ab") as model:
        model.write(b"\0")
    environment = {**TEST_RUN, "MODEL_LOCATION": "/bundle"}

    with (
        function_container(environment, volumes=mounted(folder)) as container,
        pytest.raises(FunctionError, match=r"/bundle: tip/model.onnx has SHA-256 .*; the manifest"),
    ):
        invoke(container, EVENT)


def test_the_image_is_labelled_and_does_not_run_as_root() -> None:
    config = docker.from_env().images.get(FUNCTION_IMAGE).attrs["Config"]
    manifest = json.loads((ROOT / "models" / "manifest.json").read_text())

    assert int(config["User"]) > 0
    assert config["Labels"]["model.version"] == manifest["version"]
    assert config["Labels"]["org.opencontainers.image.version"]
    assert config["Labels"]["org.opencontainers.image.revision"]
