"""What `make doctor` finds, a line each: tools and quotas, before anything is deployed."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec

from botocore.exceptions import BotoCoreError, ClientError

from deployment.commands import Commands
from deployment.errors import DeploymentError
from deployment.image_push import PLATFORMS, require_docker
from deployment.stack import Stack
from deployment.target import Clients
from deployment.terraform_cli import Terraform
from streaming.aws_errors import describe_error

P = ParamSpec("P")

SPARE_CONCURRENCY = 100
"""What Lambda keeps unreserved in an account (Lambda developer guide, Reserved concurrency)."""

QUOTAS_PAGE = "https://console.aws.amazon.com/servicequotas"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how bad it is, what was looked at, what was found, and what to do."""

    level: Literal["ok", "unknown", "wrong"]
    subject: str
    text: str

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.level:<8} {self.subject}: {self.text}"


def ok(subject: str, text: str) -> Finding:
    """Return a finding that needs nothing to be done."""
    return Finding("ok", subject, text)


def wrong(subject: str, found: object, allowed: object, remedy: str) -> Finding:
    """Return a finding of what should be otherwise, with what to do about it."""
    return Finding("wrong", subject, f"is {found}; should be {allowed}: {remedy}")


Check = Callable[Concatenate[str, P], Iterator[Finding]]


def check(findings: Check[P]) -> Check[P]:
    """Decorate a check of a subject: where AWS does not respond, the next check goes on."""

    @functools.wraps(findings)
    def guarded(subject: str, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Finding]:
        try:
            yield from findings(subject, *args, **kwargs)
        except (BotoCoreError, ClientError) as error:
            text = f"cannot be read ({describe_error(error)}): check what the credentials may read"
            yield Finding("unknown", subject, text)

    return guarded


def check_tools(commands: Commands, terraform: Terraform, architecture: str) -> Iterator[Finding]:
    """Check Terraform, git and Docker on this machine, where an image is built."""

    def docker() -> str:
        require_docker(commands, architecture)
        version = commands.read("docker", "version", "--format", "{{.Server.Version}}").strip()
        return f"{version}, builds for {PLATFORMS[architecture]}"

    for tool, version, hint in (
        ("terraform", terraform.require, ""),
        ("git", lambda: commands.read("git", "--version").strip(), ""),
        ("docker", docker, "; or deploy a built image with IMAGE="),
    ):
        try:
            yield ok(tool, version())
        except DeploymentError as error:
            yield Finding("wrong", tool, f"{error}{hint}")


@check
def check_shards(subject: str, kinesis: Any) -> Iterator[Finding]:
    """Check Kinesis's quotas of shards and of on-demand streams."""
    limits = kinesis.describe_limits()
    remedy = f"raise the quota at {QUOTAS_PAGE} (Kinesis), or delete unused streams"
    for what, used, limit in (
        ("shards", limits["OpenShardCount"], limits["ShardLimit"]),
        ("on-demand streams", limits["OnDemandStreamCount"], limits["OnDemandStreamCountLimit"]),
    ):
        found, name = f"{used} of {limit}", f"{subject}, {what}"
        allowed = f"below {limit} for a new stream"
        yield ok(name, found) if used < limit else wrong(name, found, allowed, remedy)


@check
def check_concurrency(
    subject: str, clients: Clients, stack: Stack | None, wanted: int
) -> Iterator[Finding]:
    """Check Lambda's quota of concurrent executions; a new account's may be 10.

    It must suffice for each shard and parallelization factor of each deployed function that has
    none reserved, and for the `reserved_concurrency` of all functions that is `wanted`.
    """
    client, needed, reserved = clients("lambda"), 0, 0
    limit = client.get_account_settings()["AccountLimit"]
    total, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    if stack is not None:
        shards = functools.cache(functools.partial(_open_shards, clients("kinesis")))
        for each in stack.functions.values():
            found = client.get_function_concurrency(FunctionName=each.function_name)
            if own := found.get("ReservedConcurrentExecutions"):
                reserved += own
                continue
            for uuid, stream in stack.mappings(each).items():
                mapping = client.get_event_source_mapping(UUID=uuid)
                needed += shards(stream.name) * mapping.get("ParallelizationFactor", 1)
    remedy = f"raise the quota at {QUOTAS_PAGE} (Lambda, Concurrent executions)"
    needed, found = max(needed, 1), f"{free} unreserved of {total}"
    if free < needed:
        allowed = f"at least {needed}, one for each shard and parallelization factor"
        yield wrong(subject, found, allowed, remedy)
    else:
        yield ok(subject, f"{found}, {needed} needed")
    most = max(free + reserved - SPARE_CONCURRENCY, 0)
    keeps = f"as Lambda keeps {SPARE_CONCURRENCY} unreserved"
    if wanted > most:
        yield wrong("reserved_concurrency", wanted, f"at most {most}, {keeps}", remedy)
    elif not most:
        yield ok("reserved_concurrency", f"none is possible, {keeps}")


def _open_shards(kinesis: Any, stream: str) -> int:
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    return int(summary["OpenShardCount"])
