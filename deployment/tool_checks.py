"""What `make doctor` checks on this machine: the programs that a deployment starts."""

from collections.abc import Iterator

from deployment.commands import Commands
from deployment.errors import DeploymentError
from deployment.findings import Finding, Level, ok
from deployment.image_push import PLATFORMS, other_architecture
from deployment.terraform_cli import Terraform

DEFAULT_ARCHITECTURE = "arm64"
"""What infrastructure/variables.tf builds for where terraform.tfvars says nothing."""


def check_tools(
    commands: Commands, terraform: Terraform, architecture: str | None
) -> Iterator[Finding]:
    """Check Terraform, git and Docker.

    Args:
        commands: Runs git and Docker.
        terraform: Terraform.
        architecture: The functions' architecture; None: nothing is deployed yet.
    """
    try:
        yield ok("terraform", terraform.require())
    except DeploymentError as error:
        yield Finding(Level.WRONG, "terraform", str(error))
    try:
        yield ok("git", commands.read("git", "--version").strip())
    except DeploymentError as error:
        yield Finding(Level.WRONG, "git", str(error))
    yield from _docker(commands, architecture)


def _docker(commands: Commands, architecture: str | None) -> Iterator[Finding]:
    try:
        version = commands.read("docker", "version", "--format", "{{.Server.Version}}").strip()
        server = commands.read("docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
    except DeploymentError as error:
        yield Finding(Level.WRONG, "docker", f"{error}; or deploy a built image with IMAGE=")
        return
    server = server.strip()
    yield ok("docker", f"{version} on {server}")
    try:
        yield ok("buildx", commands.read("docker", "buildx", "version").strip())
    except DeploymentError:
        platform = PLATFORMS[architecture or DEFAULT_ARCHITECTURE]
        needed = platform != server
        yield Finding(
            Level.WRONG if needed else Level.OK,
            "buildx",
            f"not installed, and needed to build for {platform}: "
            f"https://github.com/docker/buildx#installing{other_architecture(server)}"
            if needed
            else f"not installed, and not needed to build for {platform} here",
        )
