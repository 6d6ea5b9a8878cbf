"""What `make destroy` keeps: the dead letters, and the key without which nobody can read them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployment.errors import aws_errors

KEPT_MODULES = frozenset({"module.dead_letters", "module.encryption"})
"""In infrastructure/main.tf: the bucket, and the key that encrypts its objects."""

MODULE = re.compile(r"module\.[\w-]+")


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays, also in Terraform's state, where the next deployment finds it; and what does not.

    Attributes:
        targets: The addresses of everything that is deleted: modules, or resources of none.
        buckets: The names of the buckets that stay; there is one, the dead letters'.
        keys: The ARNs of the KMS keys that stay.
    """

    targets: list[str]
    buckets: list[str]
    keys: list[str]


def kept_resources(state: Mapping[str, Any]) -> Kept:
    """Find what stays, and what does not.

    Args:
        state: What `terraform show -json` prints.
    """
    targets: set[str] = set()
    names: dict[str, list[str]] = {"aws_s3_bucket": [], "aws_kms_key": []}
    for each in _resources(state.get("values", {}).get("root_module", {})):
        module = MODULE.match(each["address"])
        place = module[0] if module else each["address"]
        if place not in KEPT_MODULES:
            targets.add(place)
        elif each["type"] in names:
            names[each["type"]].append(each["values"].get("bucket") or each["values"]["arn"])
    return Kept(sorted(targets), sorted(names["aws_s3_bucket"]), sorted(names["aws_kms_key"]))


def count_objects(s3: Any, bucket: str) -> int:
    """Return how many objects a bucket has.

    Raises:
        DeploymentError: It cannot be read.
    """
    with aws_errors(f"the bucket {bucket} cannot be read"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sum(int(page.get("KeyCount", 0)) for page in pages)


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what Terraform has created, in a module and in those that it calls."""
    yield from (each for each in module.get("resources", []) if each["mode"] == "managed")
    for child in module.get("child_modules", []):
        yield from _resources(child)
