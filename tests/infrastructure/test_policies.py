"""Each permission is needed by a call, each call has its permission, and no resource is any."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.infrastructure.deployment_life import REGION
from tests.infrastructure.emulated_aws import ACCOUNT
from tests.infrastructure.function_calls import (
    TICKS,
    calls_of_encryption,
    calls_of_firehose,
    calls_of_lambda,
)
from tests.infrastructure.policies import (
    Call,
    in_vain,
    not_allowed,
    permissions,
    policies_in,
    too_wide,
)

if TYPE_CHECKING:
    from tests.infrastructure.deployment_life import Life

pytestmark = pytest.mark.rides

ROLE = "module.*.aws_iam_role_policy.function.policy"
ARCHIVE = "module.archive?0].aws_iam_role_policy.archive.policy"
KEY = "module.encryption.aws_kms_key.data.policy"

WILDCARDS = {
    (ROLE, "WriteDeadLetters", "/*"): "an object is named by its content, below a prefix",
    (ROLE, "ReadTheModelBundle", "/*"): "the manifest names the files, below a prefix",
    (ROLE, "KeepDiscardedBatches", "/aws/lambda/*"): "Lambda names the objects, below its prefix",
    (ROLE, "WriteLogs", ":*"): "Lambda names the log streams of the group",
    (ROLE, "FindNetworkInterfaces", "*"): "EC2's Describe actions know no resource",
    (ROLE, "ManageNetworkInterfaces", ":*/*"): "an interface has no id before it is created",
    (ROLE, "SendTraces", "*"): "X-Ray knows no resource",
    (ARCHIVE, "WriteTheArchive", "/*"): "Firehose names the objects, below the prefix",
    (ARCHIVE, "WriteLogs", ":*"): "a delivery stream has a log stream of its own",
    (KEY, "TheAccountsPoliciesDecide", "*"): "the key itself; IAM's policies decide (KMS guide)",
    (KEY, "LogsOfTheFunctions", "*"): "in a key's policy, * is the key itself",
    (KEY, "AlarmsToTheEncryptedTopic", "*"): "in a key's policy, * is the key itself",
}
"""Policy, statement, and how the wildcard ends: the reason."""

OTHER_POLICIES = {
    "Alarms": "CloudWatch and Budgets publish to the topic",
    "AlarmsToTheEncryptedTopic": "they encrypt what they publish (SNS developer guide)",
    "LogsOfTheFunctions": "CloudWatch Logs encrypts log groups (CloudWatch Logs user guide)",
    "TheAccountsPoliciesDecide": "without it, nobody could change the key's policy (KMS guide)",
    "__default_statement_ID": "SNS's own for the topic's owner, until the topic has a policy",
    "": "Lambda, Firehose and EventBridge Scheduler assume their roles",
}
"""Statements of policies that are no role's, which the function's calls cannot show."""


def needed(life: Life, consumer: str) -> set[Call]:
    """Return the function's recorded calls, Lambda's, and those on the key that both imply."""
    (key,) = (v["arn"] for v in life.resources.values() if v["type"] == "aws_kms_key")
    source = life.seen[consumer]["mapping"]["EventSourceArn"]
    events, results = (life.outputs[name]["arn"] for name in ("event_stream", "prediction_stream"))
    lambdas = calls_of_lambda(
        streams=[events, results] if consumer == "decisions" else [events],
        bucket=f"arn:aws:s3:::{life.outputs['dead_letter_bucket']}",
        log_group=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{functions(life)[consumer]['log_group']}",
        fan_out=source if "/consumer/" in source else None,
        interface=f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/eni-0123456789",
    )
    calls = life.handled[consumer].calls | lambdas
    return calls | calls_of_encryption(calls, key)


def functions(life: Life) -> dict[str, Any]:
    """Return the outputs of every function."""
    return {**life.outputs["consumers"], "decisions": life.outputs["decisions"]}


def role(life: Life, consumer: str) -> dict[str, Any]:
    """Return the policy of a consumer's role."""
    module = f'module.consumer["{consumer}"]'
    if consumer == "decisions":
        module = 'module.decisions["decisions"].module.function'
    name = f"{module}.aws_iam_role_policy.function.policy"
    return {name: copy.deepcopy(policies_in(life.resources)[name])}


def statements(policy: dict[str, Any]) -> Any:
    return next(iter(policy.values()))["Statement"]


def test_the_function_makes_calls_of_both_kinds(life: Life) -> None:
    made = {name: {call.action for call in each.calls} for name, each in life.handled.items()}

    assert made == {
        "duration_tip": {"kinesis:PutRecords", "s3:PutObject"},
        "tip": {"kinesis:PutRecords", "s3:PutObject", "s3:GetObject"},
        "decisions": {
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "kinesis:PutRecords",
            "s3:GetObject",
            "s3:PutObject",
        },
    }


@pytest.mark.parametrize("consumer", ["duration_tip", "tip", "decisions"])
def test_each_call_has_its_permission(life: Life, consumer: str) -> None:
    assert not_allowed(permissions(role(life, consumer)), needed(life, consumer)) == []


@pytest.mark.parametrize("consumer", ["duration_tip", "tip", "decisions"])
def test_each_permission_is_needed_by_a_call(life: Life, consumer: str) -> None:
    assert in_vain(permissions(role(life, consumer)), needed(life, consumer)) == []


def of_the_archive(life: Life) -> tuple[dict[str, Any], set[Call]]:
    """Return the policy of Firehose's role, and what Firehose calls."""
    name = "module.archive[0].aws_iam_role_policy.archive.policy"
    (key,) = (v["arn"] for v in life.resources.values() if v["type"] == "aws_kms_key")
    glue = f"arn:aws:glue:{REGION}:{ACCOUNT}:"
    database = life.outputs["archive"]["database"]
    tables = [f"table/{database}/{table}" for table in life.outputs["archive"]["tables"]]
    group = life.outputs["archive"]["log_group"]
    calls = calls_of_firehose(
        (life.outputs[stream]["arn"] for stream in ("event_stream", "prediction_stream")),
        "arn:aws:s3:::lake/rides",
        (glue + each for each in ("catalog", f"database/{database}", *tables)),
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:ride_events",
    )
    return {name: copy.deepcopy(policies_in(life.resources)[name])}, (
        calls | calls_of_encryption(calls, key)
    )


def test_firehose_may_do_what_it_does_and_nothing_else(life: Life) -> None:
    policy, calls = of_the_archive(life)

    assert not_allowed(permissions(policy), calls) == []
    assert in_vain(permissions(policy), calls) == []


def test_each_action_that_is_taken_from_firehose_is_found(life: Life) -> None:
    for number, statement in enumerate(statements(of_the_archive(life)[0])):
        for action in statement["Action"]:
            policy, calls = of_the_archive(life)
            statements(policy)[number]["Action"].remove(action)

            assert any(
                found.startswith(f"{action} on ")
                for found in not_allowed(permissions(policy), calls)
            ), action


def test_firehose_writes_nothing_beside_the_archive(life: Life) -> None:
    policy, _ = of_the_archive(life)
    beside = {
        Call("s3:PutObject", "arn:aws:s3:::lake/ridesharing/a", "nobody"),
        Call("s3:PutObject", "arn:aws:s3:::lake/other/a", "nobody"),
        Call("kinesis:PutRecords", life.outputs["event_stream"]["arn"], "nobody"),
    }

    assert len(not_allowed(permissions(policy), beside)) == len(beside)


def test_no_resource_is_a_wildcard_but_the_exceptions(life: Life) -> None:
    allowed = list(permissions(policies_in(life.resources)))

    assert too_wide(allowed, WILDCARDS) == []
    for exception, reason in WILDCARDS.items():
        others = {each: why for each, why in WILDCARDS.items() if each != exception}
        assert too_wide(allowed, others), f"nothing needs the exception any more: {reason}"


def test_every_other_policy_is_known(life: Life) -> None:
    others = [
        each
        for each in permissions(policies_in(life.resources))
        if "aws_iam_role_policy" not in each.policy
    ]

    assert {each.sid for each in others} == OTHER_POLICIES.keys()


def test_services_may_only_be_told_of_this_account(life: Life) -> None:
    for name, policy in policies_in(life.resources).items():
        for statement in policy["Statement"]:
            services = statement.get("Principal") != "*" and "Service" in statement.get(
                "Principal", {}
            )
            if services and "assume_role" not in name:
                assert ACCOUNT in str(statement["Condition"]), f"{name}: {statement['Sid']}"


def test_an_action_that_is_added_is_found(life: Life) -> None:
    policy = role(life, "tip")
    statements(policy)[0]["Action"].append("kinesis:PutRecord")

    (found,) = in_vain(permissions(policy), needed(life, "tip"))

    assert "PublishPredictions: kinesis:PutRecord on arn:aws:kinesis" in found


@pytest.mark.parametrize("consumer", ["tip", "decisions"])
def test_each_action_that_is_removed_is_found(life: Life, consumer: str) -> None:
    for number, statement in enumerate(statements(role(life, consumer))):
        for action in statement["Action"]:
            policy = role(life, consumer)
            statements(policy)[number]["Action"].remove(action)

            assert any(
                found.startswith(f"{action} on ")
                for found in not_allowed(permissions(policy), needed(life, consumer))
            ), action


def test_a_resource_that_becomes_a_wildcard_is_found(life: Life) -> None:
    policy = role(life, "tip")
    statements(policy)[0]["Resource"] = "*"

    (found,) = too_wide(permissions(policy), WILDCARDS)

    assert "PublishPredictions: kinesis:PutRecords on *" in found


def test_another_consumers_dead_letters_are_out_of_reach(life: Life) -> None:
    theirs = {call for call in life.handled["tip"].calls if call.action == "s3:PutObject"}

    assert len(not_allowed(permissions(role(life, "duration_tip")), theirs)) == len(theirs)


def test_the_schedule_may_invoke_the_alias_and_nothing_else(life: Life) -> None:
    name = 'module.decisions["decisions"].aws_iam_role_policy.tick.policy'
    policy = {name: policies_in(life.resources)[name]}
    alias = life.outputs["decisions"]["alias_arn"]

    assert [(each.action, each.resource) for each in permissions(policy)] == [
        ("lambda:InvokeFunction", alias)
    ]
    assert not_allowed(permissions(policy), {Call("lambda:InvokeFunction", alias, TICKS)}) == []
    assert life.seen["schedule"]["Target"]["Arn"] == alias


def test_other_items_policies_and_streams_are_out_of_reach(life: Life) -> None:
    table = life.seen["table"]["TableArn"]
    others = {
        Call("dynamodb:GetItem", f"{table}-of-another", "nobody"),
        Call("dynamodb:Scan", table, "nobody"),
        Call("dynamodb:DeleteItem", table, "nobody"),
        Call("dynamodb:Query", f"{table}/index/another", "nobody"),
        Call("s3:GetObject", "arn:aws:s3:::policies/rides/quotes.json.old", "nobody"),
        Call("kinesis:PutRecords", life.outputs["prediction_stream"]["arn"], "nobody"),
    }

    assert len(not_allowed(permissions(role(life, "decisions")), others)) == len(others)
