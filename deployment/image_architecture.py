"""An image's architecture, from its configuration in ECR."""

import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from deployment.errors import DeploymentError
from streaming.aws_errors import describe_error

MANIFESTS = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
]
CONFIGURATION_BYTES = 1_000_000
TIMEOUT_SECONDS = 20.0
ARCHITECTURES = {"arm64": "arm64", "amd64": "x86_64"}


class _Blob(msgspec.Struct):
    digest: str


class _Manifest(msgspec.Struct):
    config: _Blob


class _Configuration(msgspec.Struct):
    architecture: str


def download(url: str) -> bytes:
    """Return the first megabyte behind a URL that ECR has signed.

    Raises:
        DeploymentError: It cannot be read.
    """
    if not url.startswith(("https://", "http://")):
        raise DeploymentError("ECR's URL of the image's configuration is not http")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            data: bytes = response.read(CONFIGURATION_BYTES)
    except (OSError, HTTPException) as error:
        raise DeploymentError(f"the image's configuration cannot be read: {error}") from error
    return data


def image_architecture(ecr: Any, image: str, download: Callable[[str], bytes] = download) -> str:
    """Return `arm64` or `x86_64`, or what else the image's configuration says.

    Args:
        ecr: A boto3 ECR client.
        image: `REGISTRY/REPOSITORY@DIGEST`.
        download: Reads a URL.

    Raises:
        DeploymentError: ECR has no such image, or it cannot be read.
    """
    try:
        return _image_architecture(ecr, image, download)
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(f"{image} cannot be read: {describe_error(error)}") from error
    except msgspec.MsgspecError as error:
        raise DeploymentError(f"the manifest of {image} cannot be read: {error}") from error


def _image_architecture(ecr: Any, image: str, download: Callable[[str], bytes]) -> str:
    place, _, digest = image.partition("@")
    repository = place.partition("/")[2].partition(":")[0]
    response = ecr.batch_get_image(
        repositoryName=repository,
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=MANIFESTS,
    )
    if not response["images"]:
        raise DeploymentError(f"{image} is not in the repository, or its manifest is an index")
    manifest = msgspec.json.decode(response["images"][0]["imageManifest"], type=_Manifest)
    layer = ecr.get_download_url_for_layer(
        repositoryName=repository, layerDigest=manifest.config.digest
    )
    found = msgspec.json.decode(download(layer["downloadUrl"]), type=_Configuration)
    return ARCHITECTURES.get(found.architecture, found.architecture)
