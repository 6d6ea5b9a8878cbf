"""What `make destroy` keeps: the dead letters, and the key without which nobody can read them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployment.errors import DeploymentError
from streaming.aws_errors import describe_error

BUCKET = "aws_s3_bucket"
KEYS = frozenset({"aws_kms_key", "aws_kms_alias", "aws_kms_key_policy"})


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays, and what does not.

    Attributes:
        addresses: The addresses in Terraform's state of what stays. It also stays in the state, so
            that the next deployment finds it there.
        targets: The addresses of everything else: modules, or resources of a module that stays in
            part.
        buckets: The names of the buckets; there is one, the dead letters'.
        keys: The ARNs of the KMS keys that encrypt their objects.
    """

    addresses: list[str]
    targets: list[str]
    buckets: list[str]
    keys: list[str]


def kept_resources(state: Mapping[str, Any]) -> Kept:
    """Find every bucket, its settings and its key in Terraform's state.

    Args:
        state: What `terraform show -json` prints.
    """
    resources = managed_resources(state)
    of_buckets = [each for each in resources if each["type"].startswith(BUCKET)]
    named = set(_key_names(of_buckets))
    keys = [
        each
        for each in resources
        if each["type"] == "aws_kms_key"
        and named & {each["values"].get("arn"), each["values"].get("key_id")}
    ]
    ids = {each["values"].get("key_id") for each in keys}
    arns = {each["values"].get("arn") for each in keys}
    of_keys = [
        each
        for each in resources
        if each["type"] in KEYS
        and (ids | arns)
        & {each["values"].get(name) for name in ("key_id", "target_key_id", "target_key_arn")}
    ]
    addresses = {each["address"] for each in (*of_buckets, *of_keys)}
    return Kept(
        addresses=sorted(addresses),
        targets=_targets([each["address"] for each in resources], addresses),
        buckets=sorted(each["values"]["bucket"] for each in of_buckets if each["type"] == BUCKET),
        keys=sorted(str(arn) for arn in arns),
    )


def managed_resources(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the resources in a state that Terraform has created."""
    module = state.get("values", {}).get("root_module", {})
    return [each for each in _resources(module) if each.get("mode") == "managed"]


def image_in(state: Mapping[str, Any]) -> str | None:
    """Return the image of a function in a state; Terraform asks for one even to delete it."""
    images = [each["values"].get("image_uri") for each in managed_resources(state)]
    return next((str(image) for image in images if image), None)


def count_objects(s3: Any, bucket: str) -> int:
    """Return how many objects a bucket has.

    Raises:
        DeploymentError: It cannot be read.
    """
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sum(int(page.get("KeyCount", 0)) for page in pages)
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(
            f"the bucket {bucket} cannot be read: {describe_error(error)}"
        ) from error


def _targets(all_addresses: list[str], kept: set[str]) -> list[str]:
    modules_in_part = {_module(address) for address in kept}
    return sorted(
        {
            address if _module(address) in modules_in_part else _module(address) or address
            for address in all_addresses
            if address not in kept
        }
    )


def _module(address: str) -> str | None:
    """Return the root's module that an address is in, without its key; None: none."""
    found = re.match(r"module\.[\w-]+", address)
    return found[0] if found else None


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _key_names(of_buckets: list[Mapping[str, Any]]) -> Iterator[str]:
    for each in of_buckets:
        if each["type"] == "aws_s3_bucket_server_side_encryption_configuration":
            for rule in each["values"].get("rule", []):
                for default in rule.get("apply_server_side_encryption_by_default", []):
                    yield default.get("kms_master_key_id")
