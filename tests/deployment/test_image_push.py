import base64
import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from deployment.errors import CommandFailed, DeploymentError, ToolMissing
from deployment.image_architecture import image_architecture
from deployment.image_push import (
    Repository,
    checked_image,
    image_tag,
    other_architecture,
    pushed_image,
    require_docker,
)
from tests.deployment.emulated_account import ACCOUNT, DIGEST, IMAGE, REGION, Account
from tests.deployment.fake_commands import COMMIT, FakeCommands

NOW = datetime(2025, 3, 1, 13, 15, tzinfo=UTC)
NAME = "ride-predictions"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
URL = f"{REGISTRY}/{NAME}"
TAG = f"{COMMIT}-arm64"
OCI = "application/vnd.oci.image.{}.v1+json"


@pytest.fixture
def repository(account: Account) -> Repository:
    account("ecr").create_repository(repositoryName=NAME)
    return Repository(account("ecr"), URL)


def push(account: Account, tag: str = TAG, *, kind: str = "manifest", config: str = "") -> str:
    """Push an image, as `docker push` does, and return its digest."""
    layer = {"mediaType": OCI.format("config"), "size": 2, "digest": config or DIGEST}
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI.format(kind), "config": layer, "layers": []}
    )
    response = account("ecr").put_image(
        repositoryName=NAME,
        imageManifest=manifest,
        imageManifestMediaType=OCI.format(kind),
        imageTag=tag,
    )
    return str(response["image"]["imageId"]["imageDigest"])


def test_the_tag_is_the_commit_and_the_architecture() -> None:
    assert image_tag(FakeCommands(), "arm64", NOW) == TAG


def test_a_checkout_with_changes_is_refused_unless_forced() -> None:
    commands = FakeCommands()
    commands.outputs["git status"] = " M model.py\n?? new.py\n"

    line = "^model.py is not as in the commit, nor are 1 more: commit, or move it out of the check"
    with pytest.raises(DeploymentError, match=line):
        image_tag(commands, "arm64", NOW)

    # The repository's tags are immutable, and another change is another image.
    assert image_tag(commands, "arm64", NOW, force=True) == f"{TAG}-changed-20250301T131500"


def test_outside_a_checkout_an_image_must_be_named() -> None:
    commands = FakeCommands()
    commands.outputs["git rev-parse"] = CommandFailed("git rev-parse failed: not a repository")
    with pytest.raises(DeploymentError, match="not a git checkout, and a tag is a commit; IMAGE="):
        image_tag(commands, "arm64", NOW)


def test_docker_that_does_not_respond_is_one_line() -> None:
    commands = FakeCommands()
    commands.outputs["docker version"] = CommandFailed("docker version failed: no daemon")
    with pytest.raises(ToolMissing, match="Docker does not respond: docker version failed: no da"):
        require_docker(commands, "arm64")


def test_another_architecture_needs_buildx_and_this_machines_does_not() -> None:
    commands = FakeCommands()
    commands.outputs["docker buildx version"] = CommandFailed("unknown command")
    require_docker(commands, "arm64")
    with pytest.raises(
        ToolMissing, match="Docker runs on linux/arm64, and needs its buildx plug"
    ) as raised:
        require_docker(commands, "x86_64")
    assert str(raised.value).endswith("#installing; or deploy with ARCHITECTURE=arm64")


def test_a_platform_that_lambda_does_not_have_is_not_offered() -> None:
    assert other_architecture("linux/amd64") == "; or deploy with ARCHITECTURE=x86_64"
    assert other_architecture("windows/amd64") == ""


def test_an_image_is_built_pushed_and_named_by_its_digest(
    account: Account, repository: Repository
) -> None:
    commands = FakeCommands()
    commands.effects["docker push"] = lambda: push(account)

    image = pushed_image(commands, repository, "arm64", TAG, print)

    assert image == f"{URL}@{push(account, 'other')}"
    name = f"{URL}:{TAG}"
    assert commands.ran == [
        f"docker login --username AWS --password-stdin {REGISTRY}",
        f"{sys.executable} -m scripts image --name {name} --platform linux/arm64",
        f"docker push {name}",
    ]


def test_the_password_goes_to_stdin_and_is_on_no_command_line(
    account: Account, repository: Repository
) -> None:
    commands = FakeCommands()
    repository.log_in(commands)

    (data,) = account("ecr").get_authorization_token()["authorizationData"]
    password = base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]
    assert commands.stdin == [password]
    assert password not in commands.ran[0]


def test_an_image_that_is_there_is_not_built_again(
    account: Account, repository: Repository
) -> None:
    digest = push(account)
    commands = FakeCommands()

    assert pushed_image(commands, repository, "arm64", TAG, print) == f"{URL}@{digest}"
    assert commands.ran == []


def test_an_image_that_lambda_refuses_is_refused_here(
    account: Account, repository: Repository
) -> None:
    push(account, kind="index")
    with pytest.raises(DeploymentError, match=rf"manifest of {URL}:{TAG} is an index "):
        repository.image(TAG)


def test_a_repository_that_does_not_exist_is_one_line(account: Account) -> None:
    with pytest.raises(DeploymentError, match="the repository other cannot be read: Repos"):
        Repository(account("ecr"), f"{REGISTRY}/other").image(TAG)


def test_a_push_that_leaves_nothing_is_noticed(repository: Repository) -> None:
    with pytest.raises(DeploymentError, match="was pushed, and is not in the repository"):
        pushed_image(FakeCommands(), repository, "arm64", TAG, print)


@pytest.mark.parametrize("image", ["ride-predictions", f"{URL}:latest", f"{URL}@sha256:12", ""])
def test_an_image_without_a_digest_is_refused(image: str) -> None:
    with pytest.raises(DeploymentError, match="allowed: REPOSITORY@sha256: and 64 hexadecimal"):
        checked_image(image)
    assert checked_image(IMAGE) == IMAGE


class EcrWithLayers:
    """ECR whose layers can be downloaded, which moto's cannot."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def batch_get_image(self, **request: Any) -> Any:
        return self._client.batch_get_image(**request)

    def get_download_url_for_layer(self, **request: Any) -> Any:
        return {"downloadUrl": f"https://layers/{request['repositoryName']}"}


@pytest.mark.parametrize(("built", "named"), [("amd64", "x86_64"), ("arm64", "arm64")])
@pytest.mark.usefixtures("repository")
def test_an_images_architecture_is_its_configurations(
    account: Account, built: str, named: str
) -> None:
    digest = push(account)
    ecr = EcrWithLayers(account("ecr"))
    urls: list[str] = []

    def download(url: str) -> bytes:
        urls.append(url)
        return json.dumps({"architecture": built, "os": "linux"}).encode()

    assert image_architecture(ecr, f"{URL}@{digest}", download) == named
    assert urls == [f"https://layers/{NAME}"]


@pytest.mark.usefixtures("repository")
def test_an_image_that_cannot_be_read_is_one_line(account: Account) -> None:
    digest = push(account)
    ecr = EcrWithLayers(account("ecr"))
    with pytest.raises(DeploymentError, match=r"the manifest of .* cannot be read"):
        image_architecture(ecr, f"{URL}@{digest}", lambda _: b"<html>")
    with pytest.raises(DeploymentError, match="is not in the repository, or its manifest is an in"):
        image_architecture(ecr, f"{URL}@{DIGEST}", lambda _: b"")
    with pytest.raises(DeploymentError, match="cannot be read: RepositoryNotFoundException"):
        image_architecture(ecr, f"{REGISTRY}/other@{digest}", lambda _: b"")
