"""What `make doctor` finds, a line each: tools and quotas, before anything is deployed."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Concatenate, ParamSpec

from botocore.exceptions import BotoCoreError, ClientError

from deployment.commands import Commands
from deployment.errors import DeploymentError
from deployment.image_push import PLATFORMS, other_architecture
from deployment.stack import Stack
from deployment.target import Clients
from deployment.terraform_cli import Terraform
from streaming.aws_errors import describe_error

P = ParamSpec("P")

DEFAULT_ARCHITECTURE = "arm64"
"""What infrastructure/variables.tf builds for where terraform.tfvars says nothing."""

SPARE_CONCURRENCY = 100
"""What Lambda keeps unreserved in an account (Lambda developer guide, Reserved concurrency)."""

QUOTAS_PAGE = "https://console.aws.amazon.com/servicequotas"


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    UNKNOWN = "unknown"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes:
        level: How bad it is.
        subject: What was looked at.
        text: What was found, and what to do.
    """

    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.level.value:<8} {self.subject}: {self.text}"


def ok(subject: str, text: str) -> Finding:
    """Return a finding that needs nothing to be done."""
    return Finding(Level.OK, subject, text)


def wrong(subject: str, found: object, allowed: object, remedy: str) -> Finding:
    """Return a finding of what should be otherwise, with what to do about it."""
    return Finding(Level.WRONG, subject, f"is {found}; should be {allowed}: {remedy}")


Check = Callable[Concatenate[str, P], Iterator[Finding]]


def check(findings: Check[P]) -> Check[P]:
    """Decorate a check of a subject: where AWS does not respond, the next check goes on."""

    @functools.wraps(findings)
    def guarded(subject: str, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Finding]:
        try:
            yield from findings(subject, *args, **kwargs)
        except (BotoCoreError, ClientError) as error:
            text = f"cannot be read ({describe_error(error)}): check what the credentials may read"
            yield Finding(Level.UNKNOWN, subject, text)
        except DeploymentError as error:
            yield Finding(Level.UNKNOWN, subject, str(error))

    return guarded


def check_tools(
    commands: Commands, terraform: Terraform, architecture: str | None
) -> Iterator[Finding]:
    """Check Terraform, git and Docker on this machine.

    Args:
        commands: Runs git and Docker.
        terraform: Terraform.
        architecture: The functions' architecture; None: nothing is deployed yet.
    """

    def docker() -> str:
        version = commands.read("docker", "version", "--format", "{{.Server.Version}}").strip()
        return f"{version} on {_docker_platform(commands)}"

    for tool, version, hint in (
        ("terraform", terraform.require, ""),
        ("git", lambda: commands.read("git", "--version").strip(), ""),
        ("docker", docker, "; or deploy a built image with IMAGE="),
    ):
        try:
            yield ok(tool, version())
        except DeploymentError as error:
            yield Finding(Level.WRONG, tool, f"{error}{hint}")
            if tool == "docker":
                return
    try:
        yield ok("buildx", commands.read("docker", "buildx", "version").strip())
    except DeploymentError:
        server, platform = (
            _docker_platform(commands),
            PLATFORMS[architecture or DEFAULT_ARCHITECTURE],
        )
        if platform == server:
            yield ok("buildx", f"not installed, and not needed to build for {platform} here")
        else:
            text = f"not installed, and needed to build for {platform}"
            where = f"https://github.com/docker/buildx#installing{other_architecture(server)}"
            yield Finding(Level.WRONG, "buildx", f"{text}: {where}")


def _docker_platform(commands: Commands) -> str:
    server = "{{.Server.Os}}/{{.Server.Arch}}"
    return commands.read("docker", "version", "--format", server).strip()


@check
def check_shards(_subject: str, kinesis: Any) -> Iterator[Finding]:
    """Check Kinesis's quotas of shards and of on-demand streams."""
    limits = kinesis.describe_limits()
    for what, used, limit in (
        ("shards", limits["OpenShardCount"], limits["ShardLimit"]),
        ("on-demand streams", limits["OnDemandStreamCount"], limits["OnDemandStreamCountLimit"]),
    ):
        remedy = f"raise the quota at {QUOTAS_PAGE} (Kinesis), or delete unused streams"
        yield (
            ok(f"Kinesis {what}", f"{used} of {limit}")
            if used < limit
            else wrong(
                f"Kinesis {what}", f"{used} of {limit}", f"below {limit} for a new stream", remedy
            )
        )


@check
def check_concurrency(
    subject: str, clients: Clients, stack: Stack | None, wanted: int
) -> Iterator[Finding]:
    """Check Lambda's quota of concurrent executions; a new account's may be 10.

    Args:
        subject: What the findings are about.
        clients: Clients for Lambda and Kinesis.
        stack: The deployment: an invocation for each shard and parallelization factor of each
            consumer that has none reserved.
        wanted: The `reserved_concurrency` of all consumers in terraform.tfvars.
    """
    client, needed, reserved = clients("lambda"), 0, 0
    limit = client.get_account_settings()["AccountLimit"]
    total, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    if stack is not None:
        events = clients("kinesis").describe_stream_summary(StreamName=stack.event_stream.name)
        shards = events["StreamDescriptionSummary"]["OpenShardCount"]
        for each in stack.consumers.values():
            found = client.get_function_concurrency(FunctionName=each.function_name)
            if own := found.get("ReservedConcurrentExecutions"):
                reserved += own
            else:
                mapping = client.get_event_source_mapping(UUID=each.mapping_uuid)
                needed += shards * mapping.get("ParallelizationFactor", 1)
    remedy = f"raise the quota at {QUOTAS_PAGE} (Lambda, Concurrent executions)"
    if free < max(needed, 1):
        allowed = f"at least {max(needed, 1)}, one for each shard and parallelization factor"
        yield wrong(subject, f"{free} unreserved of {total}", allowed, remedy)
    else:
        yield ok(subject, f"{free} unreserved of {total}, {max(needed, 1)} needed")
    most = max(free + reserved - SPARE_CONCURRENCY, 0)
    keeps = f"as Lambda keeps {SPARE_CONCURRENCY} unreserved"
    if wanted > most:
        yield wrong("reserved_concurrency", wanted, f"at most {most}, {keeps}", remedy)
    elif not most:
        yield ok("reserved_concurrency", f"none is possible, {keeps}")
