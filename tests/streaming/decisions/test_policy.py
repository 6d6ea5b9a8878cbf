"""A policy's rules, and what is said of a policy that breaks one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming.decisions.policy import CHECKS, Policy, Verdict
from streaming.decisions.policy_file import decode_policy
from streaming.errors import PolicyError
from tests.streaming.decisions.decision_fixtures import POLICY, policy

SIMILAR: dict[str, Any] = {"similarity": 0.9}
CIVIL: dict[str, Any] = {"abusive": 0.1}


def evaluate(of: Policy, time_up: bool = False, **found: dict[str, Any]) -> Verdict | None:  # noqa: FBT001, FBT002
    return of.evaluate(found, time_up=time_up)


def test_the_first_rule_that_holds_decides() -> None:
    verdict = evaluate(policy(), copyright=SIMILAR, language={"abusive": 0.95})

    assert verdict is not None
    assert (verdict.rule, verdict.because, verdict.missing) == ("C1", "complete", ())


@pytest.mark.parametrize(
    ("abusive", "rule"), [(0.49, "otherwise"), (0.5, "L2"), (0.899, "L2"), (0.9, "L1")]
)
def test_at_least_includes_its_bound_and_below_does_not(abusive: float, rule: str) -> None:
    verdict = evaluate(policy(), copyright={"similarity": 0}, language={"abusive": abusive})

    assert verdict is not None
    assert verdict.rule == rule


def test_only_an_early_rule_decides_while_results_are_missing() -> None:
    assert evaluate(policy(), language={"abusive": 0.95}) is None
    assert evaluate(policy(), copyright={"similarity": 0.1}) is None
    early = evaluate(policy(), copyright=SIMILAR)
    assert early is not None
    assert (early.rule, early.because, early.missing) == ("C1", "early", ("language",))


def test_when_time_is_up_missing_results_are_named() -> None:
    verdict = evaluate(policy(), time_up=True)

    assert verdict is not None
    assert verdict.reason.endswith("(missing: copyright, language)")


@pytest.mark.parametrize("unusable", [{}, {"similarity": None}, {"similarity": "0.9"}, {"a": 1}])
def test_a_result_without_the_value_that_a_rule_reads_counts_as_missing(
    unusable: dict[str, Any],
) -> None:
    verdict = evaluate(policy(), time_up=True, copyright=unusable, language=CIVIL)

    assert verdict is not None
    assert verdict.missing == ("copyright",)


def test_equals_compares_type_and_value() -> None:
    when = [{"check": "language", "field": "abusive", "equals": 1}]
    rule = {"id": "E", "outcome": "reject", "reason": "It is.", "when": when}
    of = policy(checks={"language": "language_model"}, rules=[rule])

    for value, expected in ((1, "E"), (2, "otherwise"), (True, "missing"), (1.0, "missing")):
        verdict = evaluate(of, time_up=True, language={"abusive": value})
        assert verdict is not None
        assert verdict.rule == expected


def test_a_whole_number_may_be_compared_in_both_ways() -> None:
    rules = [
        rule(id=name, when=[{"check": "language", "field": "abusive", **how}])
        for name, how in (("E", {"equals": 1}), ("N", {"at_least": 3}))
    ]
    for of in (policy(rules=rules), policy(rules=rules[::-1])):
        verdict = evaluate(of, time_up=True, language={"abusive": 3})
        assert verdict is not None
        assert verdict.rule == "N"


def test_a_check_that_the_policy_no_longer_expects_is_ignored() -> None:
    of = policy(checks={"language": "language_model"}, rules=[])

    verdict = evaluate(of, copyright=SIMILAR, language=CIVIL)

    assert verdict is not None
    assert verdict.outcome == "approve"


def rule(**changes: Any) -> dict[str, Any]:
    return {**POLICY["rules"][0], **changes}


def condition(**changes: Any) -> list[dict[str, Any]]:
    return [rule(when=[{"check": "copyright", "field": "similarity", **changes}])]


OF_LETTERS = {"check": "copyright", "field": "similarity", "equals": "high"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a b"}, 'name is "a b"; allowed: 1 to 64 letters'),
        ({"version": "3"}, 'version is "3"; allowed: a whole number'),
        ({"version": 0}, "version is 0; allowed: a whole number from 1"),
        ({"deadline_seconds": 0}, "deadline_seconds is 0; allowed: a whole number from 1 to 604"),
        ({"keep_days": 500}, "keep_days is 500; allowed: a whole number from 1 to 400"),
        ({"checks": {}}, "checks is {}; allowed: 1 to 16 checks"),
        ({"checks": {str(n): str(n) for n in range(CHECKS + 1)}}, "allowed: 1 to 16 checks"),
        ({"checks": {"copyright": "m", "language": "m"}}, "allowed: a model of its own for each"),
        ({"rules": [rule(), rule()]}, "rules[1].id is 'C1'; allowed: an id that no other rule has"),
        ({"rules": [rule(id="missing")]}, "rules[0].id is 'missing'; allowed: an id"),
        ({"rules": [rule(when=[])]}, "rules[0].when is []; allowed: Expected `array` of length"),
        ({"rules": condition(check="cpy", below=1)}, "when[0].check is 'cpy'; allowed: one of c"),
        ({"rules": condition()}, "allowed: equals, or at_least, below or both"),
        ({"rules": condition(equals=1, below=1)}, "allowed: equals, or at_least, below or both"),
        ({"rules": condition(at_least=2, below=2)}, "below is 2.0; allowed: a number above at_l"),
        (
            {"rules": [*condition(below=1), rule(id="E", when=[OF_LETTERS])]},
            "rules[1].when[0].field is 'similarity'; allowed: a field that no other rule compares",
        ),
        ({"rules": condition(at_leest=2)}, "unknown field `at_leest` - at `$.rules[0].when[0]`"),
        ({"item": "reason"}, "item is 'reason'; allowed: a name that the decision itself"),
        ({"carry": ["rule"]}, "carry[0] is 'rule'; allowed: a name that the decision itself"),
        ({"carry": ["upload_id"]}, "carry[0] is 'upload_id'; allowed: a name"),
        ({"deadline_seconds": 86_400, "keep_days": 1}, "keep_days is 1; allowed: more than dead"),
        ({"otherwise": None}, "otherwise is null; allowed: Expected `object`, got `null`"),
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused_in_one_line(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        policy(**changes)

    text = str(refused.value)
    assert text.startswith("the policy test: ")
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{", b"[" * 10_000])
def test_what_is_no_policy_is_refused(content: bytes) -> None:
    with pytest.raises(
        PolicyError, match=r"^the policy test: its content is .*; allowed: a JSON obj"
    ):
        decode_policy(content, "test")


@pytest.mark.parametrize("field", POLICY.keys() - {"carry", "opens", "keep_days"})
def test_a_missing_field_is_named(field: str) -> None:
    content = {name: value for name, value in POLICY.items() if name != field}

    with pytest.raises(PolicyError, match=f"{field} is missing; allowed: "):
        decode_policy(json.dumps(content).encode(), "test")
