"""A policy's JSON, checked when it is read."""

import msgspec

from streaming.consumer.validation import WHOLE_EVENT, invalid_event
from streaming.decisions.policy import CHECKS, DAY_SECONDS, MISSING, OTHERWISE, OWN_FIELDS, Policy
from streaming.errors import DECODE_ERRORS, PolicyError, excerpt

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


def _problems(policy: Policy) -> list[tuple[str, object, str]]:
    """Return what types cannot say: field, value, what is allowed."""
    found: list[tuple[str, object, str]] = []
    checks = ", ".join(policy.checks)
    ids = {OTHERWISE, MISSING}
    for number, rule in enumerate(policy.rules):
        if rule.id in ids:
            found.append((f"rules[{number}].id", rule.id, "an id that no other rule has"))
        ids.add(rule.id)
        for place, condition in enumerate(rule.when):
            field = f"rules[{number}].when[{place}]"
            if condition.check not in policy.checks:
                found.append((f"{field}.check", condition.check, f"one of {checks}"))
            bounds = (condition.at_least, condition.below)
            if (condition.equals is None) == (bounds == (None, None)):
                found.append((field, condition, "equals, or at_least, below or both"))
            elif None not in bounds and bounds[0] >= bounds[1]:  # type: ignore[operator]
                found.append((f"{field}.below", condition.below, "a number above at_least"))
    models = list(policy.checks.values())
    if len(set(models)) < len(models):
        found.append(("checks", policy.checks, "a model of its own for each check"))
    found += [
        (f"carry[{place}]", name, "a name that the decision itself does not use")
        for place, name in enumerate(policy.carry)
        if name in OWN_FIELDS | {policy.item}
    ]
    if policy.item in OWN_FIELDS:
        found.append(("item", policy.item, "a name that the decision itself does not use"))
    if policy.keep_seconds <= policy.deadline_seconds:
        found.append(("keep_days", policy.keep_days, "more than deadline_seconds"))
    return found
