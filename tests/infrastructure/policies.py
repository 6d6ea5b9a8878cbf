"""What policies allow, beside what is called: too wide, allowed in vain, or not allowed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """A call that needs a permission.

    Attributes:
        action: IAM's name of it, such as `kinesis:PutRecords`.
        resource: The ARN that it is about.
        source: Who calls: the function's code, or where AWS documents that Lambda does.
        via: The service that calls in its caller's name, as `kms:ViaService` has it, if one does.
    """

    action: str
    resource: str
    source: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class Permission:
    """One action on one resource that a statement allows.

    Attributes:
        policy: The policy's address in Terraform.
        sid: The statement's name.
        action: An action or a pattern of them.
        resource: An ARN or a pattern of them.
        via: The services by which alone it may be used; none: also directly.
    """

    policy: str
    sid: str
    action: str
    resource: str
    via: tuple[str, ...] = ()

    def allows(self, call: Call) -> bool:
        """Return whether the permission is enough for a call."""
        by_the_service = not self.via or call.via in self.via
        named = fnmatchcase(call.action, self.action) and fnmatchcase(call.resource, self.resource)
        return named and by_the_service

    def __str__(self) -> str:
        return f"{self.policy} {self.sid}: {self.action} on {self.resource}"


def policies_in(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return every policy document in a state: each text that is JSON with statements."""
    found = {}
    for address, values in resources.items():
        for name, value in values.items():
            if isinstance(value, str) and '"Statement"' in value:
                found[f"{address}.{name}"] = json.loads(value)
    return found


def permissions(policies: Mapping[str, Any]) -> Iterator[Permission]:
    """Take the statements that allow something apart."""
    for name, policy in policies.items():
        for statement in policy["Statement"]:
            if statement["Effect"] == "Allow":
                equals = statement.get("Condition", {}).get("StringEquals", {})
                via = tuple(_listed(equals.get("kms:ViaService", [])))
                for action in _listed(statement["Action"]):
                    for resource in _listed(statement.get("Resource", "the role itself")):
                        yield Permission(name, statement.get("Sid", ""), action, resource, via)


def too_wide(
    allowed: Iterable[Permission], exceptions: Mapping[tuple[str, str, str], str]
) -> list[str]:
    """Return the permissions with a wildcard, but for exceptions (policy, sid, wildcard)."""
    return [
        str(each)
        for each in allowed
        for text in (each.action, each.resource)
        if ("*" in text or "?" in text)
        and not any(
            fnmatchcase(each.policy, policy) and sid == each.sid and text.endswith(wildcard)
            for policy, sid, wildcard in exceptions
        )
    ]


def in_vain(allowed: Iterable[Permission], calls: Iterable[Call]) -> list[str]:
    """Return the permissions that no call needs."""
    needed = list(calls)
    return [str(each) for each in allowed if not any(each.allows(call) for call in needed)]


def not_allowed(allowed: Iterable[Permission], calls: Iterable[Call]) -> list[str]:
    """Return the calls that no permission allows."""
    given = list(allowed)
    return [
        f"{call.action} on {call.resource} ({call.source})"
        for call in sorted(calls)
        if not any(permission.allows(call) for permission in given)
    ]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
