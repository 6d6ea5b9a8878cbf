"""The function's image, from a commit to a digest in the repository.

A tag is a commit and an architecture, and the repository's tags are immutable: an image that is
there already is not built again.
"""

import base64
import re
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployment.commands import Commands
from deployment.errors import CommandFailed, DeploymentError, ToolMissing
from streaming.aws_errors import describe_error
from streaming.retries import error_code

IMAGE = re.compile(r"[\w.:/-]+@sha256:[0-9a-f]{64}")
PLATFORMS = {"arm64": "linux/arm64", "x86_64": "linux/amd64"}


def image_tag(commands: Commands, architecture: str, now: datetime, *, force: bool = False) -> str:
    """Return the tag for the checkout.

    Args:
        commands: Runs git.
        architecture: `arm64` or `x86_64`.
        now: Goes into the tag of a checkout with changes.
        force: Allow changes that are not committed.

    Raises:
        DeploymentError: It is no checkout, or has changes.
    """
    try:
        commit = commands.read("git", "rev-parse", "HEAD").strip()
    except CommandFailed as error:
        raise DeploymentError(
            "this is not a git checkout, and a tag is a commit; IMAGE= names an image"
        ) from error
    changes = commands.read("git", "status", "--porcelain").splitlines()
    if not changes:
        return f"{commit}-{architecture}"
    if not force:
        raise DeploymentError(
            f"{changes[0][3:]} is not as in the commit{_and_more(changes)}: commit, or move it "
            "out of the checkout; FORCE=1 builds all the same"
        )
    return f"{commit}-{architecture}-changed-{now:%Y%m%dT%H%M%S}"


def _and_more(changes: list[str]) -> str:
    return f", nor are {len(changes) - 1:,} more" if len(changes) > 1 else ""


def require_docker(commands: Commands, architecture: str) -> None:
    """Check that Docker runs, and can build for an architecture.

    Raises:
        ToolMissing: It is not installed, does not respond, or needs buildx and has none.
    """
    try:
        server = commands.read(
            "docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"
        ).strip()
    except CommandFailed as error:
        raise ToolMissing(f"Docker does not respond: {error}") from error
    if server == PLATFORMS[architecture]:
        return
    try:
        commands.read("docker", "buildx", "version")
    except CommandFailed as error:
        raise ToolMissing(
            f"Docker runs on {server}, and needs its buildx plugin to build for "
            f"{PLATFORMS[architecture]}: https://github.com/docker/buildx#installing"
            f"{other_architecture(server)}"
        ) from error


def other_architecture(server: str) -> str:
    """Return the hint to build for Docker's own platform, such as `linux/amd64`; empty: none."""
    names = [name for name, platform in PLATFORMS.items() if platform == server]
    return f"; or deploy with ARCHITECTURE={names[0]}" if names else ""


class Repository:
    """An ECR repository.

    Args:
        client: A boto3 ECR client.
        url: `REGISTRY/NAME`, without a tag.
    """

    def __init__(self, client: Any, url: str) -> None:
        self.url = url
        self._registry, _, self._name = url.partition("/")
        self._client = client

    def image(self, tag: str) -> str | None:
        """Return the image of a tag, with its digest; None if there is none.

        Raises:
            DeploymentError: Its manifest is an index, which Lambda refuses; or ECR does not
                respond.
        """
        try:
            response = self._client.describe_images(
                repositoryName=self._name, imageIds=[{"imageTag": tag}]
            )
        except (BotoCoreError, ClientError) as error:
            if error_code(error) == "ImageNotFoundException":
                return None
            raise DeploymentError(
                f"the repository {self._name} cannot be read: {describe_error(error)}"
            ) from error
        (found,) = response["imageDetails"]
        kind = str(found.get("imageManifestMediaType", ""))
        if "index" in kind or "manifest.list" in kind:
            raise DeploymentError(
                f"the manifest of {self.url}:{tag} is an index ({kind}), which Lambda refuses: "
                "build it with --provenance=false, without attestations"
            )
        return f"{self.url}@{found['imageDigest']}"

    def log_in(self, commands: Commands) -> None:
        """Log Docker in to the registry, for 12 hours; the password goes to its stdin."""
        try:
            (data,) = self._client.get_authorization_token()["authorizationData"]
        except (BotoCoreError, ClientError) as error:
            raise DeploymentError(
                f"ECR gives no password for docker login: {describe_error(error)}"
            ) from error
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        commands.run(
            "docker", "login", "--username", user, "--password-stdin", self._registry,
            stdin=password,
        )  # fmt: skip

    def build_and_push(self, commands: Commands, tag: str, architecture: str) -> None:
        """Build the checkout's image and push it."""
        name = f"{self.url}:{tag}"
        platform = PLATFORMS[architecture]
        self.log_in(commands)  # what refuses it does so before minutes of building
        commands.run(
            sys.executable, "-m", "scripts", "image", "--name", name, "--platform", platform
        )
        commands.run("docker", "push", name)


def pushed_image(
    commands: Commands,
    repository: Repository,
    architecture: str,
    tag: str,
    say: Callable[[str], object],
    *,
    dry_run: bool = False,
) -> str:
    """Return the image of a tag, with its digest; build and push it if it is not there.

    Args:
        commands: Runs Docker.
        repository: Where the image belongs.
        architecture: `arm64` or `x86_64`.
        tag: The result of `image_tag`.
        say: Prints a line.
        dry_run: Nothing is pushed, so the digest is not known.

    Raises:
        DeploymentError: It cannot be built or pushed.
    """
    if image := repository.image(tag):
        say(f"The image of this commit is in the repository: {image}")
        return image
    require_docker(commands, architecture)
    repository.build_and_push(commands, tag, architecture)
    if dry_run:
        return f"{repository.url}@sha256:{'0' * 64}"
    if image := repository.image(tag):
        return image
    raise DeploymentError(f"{repository.url}:{tag} was pushed, and is not in the repository")


def checked_image(image: str) -> str:
    """Return an image's name if it has a digest.

    Raises:
        DeploymentError: It has none: a tag may name another image tomorrow.
    """
    if not IMAGE.fullmatch(image):
        raise DeploymentError(
            f"IMAGE is {image!r}; allowed: REPOSITORY@sha256: and 64 hexadecimal digits"
        )
    return image
