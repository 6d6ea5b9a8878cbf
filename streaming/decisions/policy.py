"""A policy: which checks an item needs, and what their results lead to. It is data, not code."""

from collections.abc import Mapping
from itertools import chain
from typing import Annotated, Any, NamedTuple

import msgspec

CHECKS = 16
"""The most checks of a policy; with `RESULT_BYTES` it keeps an item below DynamoDB's 400 KB."""

KEPT_RESULTS = 24
"""The most results of an item: those of the policy, and of checks that only other policies name."""

DAY_SECONDS = 86_400

Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_.-]{1,64}\Z")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]

OTHERWISE, MISSING = "otherwise", "missing"
"""The rule ids of the two outcomes that no rule leads to."""

OWN_FIELDS = frozenset(
    {"decision", "outcome", "rule", "reason", "because", "missing", "revises", "checks"}
)
"""The fields of a decision that the policy does not name."""


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule asks of one check's prediction; every bound that is set must hold.

    Attributes:
        check: The check.
        field: The field of its `prediction`.
        at_least: The lowest number that fulfils the condition.
        below: The lowest number that does not.
        equals: The text, whole number or truth value that fulfils it.
    """

    check: Name
    field: Name
    at_least: float | None = None
    below: float | None = None
    equals: str | bool | int | None = None

    def applies_to(self, value: Any) -> bool:
        """Return whether a value is of the type that the condition compares."""
        if self.equals is not None:
            return type(value) is type(self.equals)
        return type(value) in (int, float)

    @property
    def allowed(self) -> str:
        """The values that the condition applies to, in words."""
        if self.equals is None:
            return "a number"
        return {str: "a string", bool: "true or false", int: "an integer"}[type(self.equals)]

    def compares_like(self, other: "Condition") -> bool:
        """Return whether a value can be of the types that both compare."""
        return self.applies_to(0 if other.equals is None else other.equals)

    def holds(self, value: Any) -> bool:
        """Return whether a value to which the condition applies fulfils it."""
        if self.equals is not None:
            return bool(value == self.equals)
        enough = self.at_least is None or value >= self.at_least
        return enough and (self.below is None or value < self.below)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule.

    Attributes:
        id: What people cite.
        outcome: What it leads to, such as `reject`.
        reason: Why, for the person whom the decision concerns.
        when: Conditions that must all hold.
        early: Whether it decides before all results are in.
    """

    id: Name
    outcome: Name
    reason: Text
    when: Annotated[tuple[Condition, ...], msgspec.Meta(min_length=1, max_length=CHECKS)]
    early: bool = False


class Fallback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An outcome where no rule holds."""

    outcome: Name
    reason: Text


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Events that announce an item before any result of it.

    Attributes:
        event_type: Their `event_type`.
        item: Their field that names the item.
    """

    event_type: Name
    item: Name


class Verdict(NamedTuple):
    """What a policy says of some results.

    Attributes:
        outcome: The outcome.
        rule: The id of the rule that led to it.
        reason: The rule's reason.
        because: `complete`, `early` or `time_up`.
        missing: The checks without a usable result.
    """

    outcome: str
    rule: str
    reason: str
    because: str
    missing: tuple[str, ...]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy.

    Attributes:
        name: The value of `model` in a decision's record.
        version: The value of `version`, which only grows.
        event_type: The value of `event_type`.
        item: The field of `prediction` that names the item, in results and in decisions.
        checks: The checks that are expected, each with the `model` of its results.
        rules: The first one that holds decides.
        otherwise: The outcome if all results are in and no rule holds.
        when_missing: The outcome if time is up, results are missing and no rule holds.
        deadline_seconds: How long an item waits for its results.
        keep_days: How long an item is kept after its last change.
        carry: Fields of `prediction` that are copied to the decision, such as the user's id.
        opens: Events that open an item; None: its first result does.
    """

    name: Name
    version: Annotated[int, msgspec.Meta(ge=1)]
    event_type: Name
    item: Name
    checks: Annotated[dict[Name, Name], msgspec.Meta(min_length=1, max_length=CHECKS)]
    rules: tuple[Rule, ...]
    otherwise: Fallback
    when_missing: Fallback
    deadline_seconds: Annotated[int, msgspec.Meta(ge=1, le=7 * DAY_SECONDS)]
    keep_days: Annotated[int, msgspec.Meta(ge=1, le=400)] = 30
    carry: Annotated[tuple[Name, ...], msgspec.Meta(max_length=8)] = ()
    opens: Opening | None = None

    @property
    def keep_seconds(self) -> int:
        """`keep_days` in seconds."""
        return self.keep_days * DAY_SECONDS

    def evaluate(
        self, predictions: Mapping[str, Mapping[str, Any]], *, time_up: bool
    ) -> Verdict | None:
        """Return what the policy says of some results; None: it waits for more.

        Args:
            predictions: The `prediction` of each check that has a result.
            time_up: Whether to wait no longer.
        """
        usable = {
            check: found
            for check, found in predictions.items()
            if check in self.checks and self.unusable_field(check, found) is None
        }
        missing = tuple(sorted(self.checks.keys() - usable.keys()))
        because = "time_up" if time_up else "early"
        for rule in self.rules:
            if (rule.early or time_up or not missing) and all(
                each.check in usable and each.holds(usable[each.check][each.field])
                for each in rule.when
            ):
                because = because if missing else "complete"
                return Verdict(rule.outcome, rule.id, rule.reason, because, missing)
        if not missing:
            return Verdict(self.otherwise.outcome, OTHERWISE, self.otherwise.reason, "complete", ())
        if not time_up:
            return None
        reason = f"{self.when_missing.reason} (missing: {', '.join(missing)})"
        return Verdict(self.when_missing.outcome, MISSING, reason, because, missing)

    def unusable_field(self, check: str, prediction: Mapping[str, Any]) -> Condition | None:
        """Return a condition that a check's prediction has no value for; None: it has all."""
        for condition in chain.from_iterable(rule.when for rule in self.rules):
            if condition.check == check and not condition.applies_to(
                prediction.get(condition.field)
            ):
                return condition
        return None
