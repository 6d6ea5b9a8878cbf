"""A policy's JSON, checked when it is read."""

from collections.abc import Iterator

import msgspec

from streaming.consumer.validation import WHOLE_EVENT, invalid_event
from streaming.decisions.policy import (
    CHECKS,
    DAY_SECONDS,
    MISSING,
    OTHERWISE,
    OWN_FIELDS,
    Condition,
    Policy,
)
from streaming.errors import DECODE_ERRORS, PolicyError, excerpt

Problem = tuple[str, object, str]
"""A field, its value, and what is allowed."""

NAME = "1 to 64 letters, digits, and any of _.-"
ALLOWED = {
    WHOLE_EVENT: "a JSON object",
    "name": NAME,
    "version": "a whole number from 1; a newer policy has a higher one",
    "event_type": NAME,
    "item": NAME,
    "checks": f"1 to {CHECKS} checks: the model of each by its name",
    "rules": "a list of rules",
    "deadline_seconds": f"a whole number from 1 to {7 * DAY_SECONDS}",
    "keep_days": "a whole number from 1 to 400",
}


def decode_policy(content: bytes, location: str) -> Policy:
    """Decode and check a policy.

    Args:
        content: JSON.
        location: Where it lies, for the error.

    Raises:
        PolicyError: It is not a policy; the error names the field, its value and what is allowed.
    """
    try:
        policy = msgspec.json.decode(content, type=Policy)
    except DECODE_ERRORS as error:
        problem = str(invalid_event(content, error, ALLOWED))
        if "unknown field" in str(error):
            problem = str(error)
        if problem.startswith(f"{WHOLE_EVENT} is "):
            problem = problem.replace(WHOLE_EVENT, "its content", 1)
        raise PolicyError(f"the policy {location}: {problem}") from error
    for field, value, allowed in _problems(policy):
        raise PolicyError(f"the policy {location}: {field} is {excerpt(value)}; allowed: {allowed}")
    return policy


def _problems(policy: Policy) -> Iterator[Problem]:
    """Yield what types cannot say."""
    yield from _rule_problems(policy)
    models = list(policy.checks.values())
    if len(set(models)) < len(models):
        yield "checks", policy.checks, "a model of its own for each check"
    own = "a name that the decision itself does not use"
    for place, name in enumerate(policy.carry):
        if name in OWN_FIELDS | {policy.item}:
            yield f"carry[{place}]", name, own
    if policy.item in OWN_FIELDS:
        yield "item", policy.item, own
    if policy.keep_seconds <= policy.deadline_seconds:
        yield "keep_days", policy.keep_days, "more than deadline_seconds"


def _rule_problems(policy: Policy) -> Iterator[Problem]:
    ids = {OTHERWISE, MISSING}
    first: dict[tuple[str, str], Condition] = {}
    for number, rule in enumerate(policy.rules):
        if rule.id in ids:
            yield f"rules[{number}].id", rule.id, "an id that no other rule has"
        ids.add(rule.id)
        for place, condition in enumerate(rule.when):
            field = f"rules[{number}].when[{place}]"
            if condition.check not in policy.checks:
                yield f"{field}.check", condition.check, f"one of {', '.join(policy.checks)}"
            bounds = (condition.at_least, condition.below)
            if (condition.equals is None) == (bounds == (None, None)):
                yield field, condition, "equals, or at_least, below or both"
            elif None not in bounds and bounds[0] >= bounds[1]:  # type: ignore[operator]
                yield f"{field}.below", condition.below, "a number above at_least"
            # No result could have a value for both: all of them would be dead-lettered.
            former = first.setdefault((condition.check, condition.field), condition)
            if not condition.compares_like(former):
                allowed = "a field that no other rule compares with another type"
                yield f"{field}.field", condition.field, allowed
