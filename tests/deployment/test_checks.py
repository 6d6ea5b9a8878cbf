"""Each finding of `make doctor`, one thing wrong at a time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from deployment.checks import check_concurrency, check_shards, check_tools
from deployment.errors import CommandFailed, ToolMissing
from deployment.live_alias import AliasState
from deployment.stack import DeployedConsumer, stack_of
from deployment.stack_checks import (
    check_alias,
    check_function,
    check_mapping,
    check_stack,
    check_stream,
)
from deployment.terraform_cli import Terraform
from tests.deployment.emulated_account import FUNCTION, IMAGE, Account, outputs
from tests.deployment.fake_commands import FakeCommands
from tests.fakes.kinesis import client_error

CONSUMER = msgspec.convert(outputs()["consumers"]["duration_tip"], DeployedConsumer)
RECOMMENDED = {
    "State": "Enabled",
    "BisectBatchOnFunctionError": True,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "MaximumRetryAttempts": 100,
    "MaximumRecordAgeInSeconds": 43200,
    "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::bucket"}},
    "FunctionArn": CONSUMER.alias_arn,
    "BatchSize": 1000,
    "ParallelizationFactor": 2,
    "LastProcessingResult": "No records processed",
}


class Answering:
    """A client whose every method returns one response, or raises."""

    def __init__(self, response: dict[str, Any] | Exception) -> None:
        self._response = response

    def __getattr__(self, _name: str) -> Any:
        def answer(**_request: Any) -> Any:
            if isinstance(self._response, Exception):
                raise self._response
            return self._response

        return answer


def lines(findings: Any) -> list[str]:
    return [str(finding) for finding in findings]


def test_the_recommended_mapping_is_fine() -> None:
    (line,) = lines(check_mapping("mapping tip", Answering(RECOMMENDED), CONSUMER))
    assert line == (
        "ok       mapping tip: batches of 1000, 2 at a time for each shard, 100 retries, "
        "failures to arn:aws:s3:::bucket"
    )


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"State": "Disabled"}, "State: is Disabled; should be Enabled: enable it"),
        (
            {"BisectBatchOnFunctionError": False},
            "BisectBatchOnFunctionError: is False; should be True: somebody has changed it",
        ),
        ({"FunctionResponseTypes": []}, "should be ['ReportBatchItemFailures']: somebody"),
        ({"MaximumRetryAttempts": -1}, "MaximumRetryAttempts: is -1; should be bounded"),
        ({"MaximumRecordAgeInSeconds": -1}, "MaximumRecordAgeInSeconds: is -1; should be bounded"),
        ({"DestinationConfig": {}}, "on-failure destination: is none; should be a bucket"),
        ({"FunctionArn": "arn:x:function:f"}, f"should be {CONSUMER.alias_arn}"),
        (
            {"LastProcessingResult": "PROBLEM: Function call failed"},
            "last result: is PROBLEM: Function call failed; should be OK: read /aws/lambda/ride-",
        ),
    ],
    ids=str,
)
def test_a_mapping_that_is_not_as_recommended_says_what_to_do(
    changed: dict[str, Any], line: str
) -> None:
    (found,) = lines(check_mapping("mapping tip", Answering({**RECOMMENDED, **changed}), CONSUMER))
    assert found.startswith("wrong    mapping tip, ")
    assert line in found


def test_a_mapping_left_at_awss_defaults_is_wrong_in_each_way() -> None:
    found = list(check_mapping("mapping tip", Answering({"State": "Enabled"}), CONSUMER))
    assert len(found) == 6
    assert {finding.level for finding in found} == {"wrong"}


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_stream_must_be_encrypted(account: Account, *, encrypted: bool) -> None:
    kinesis = account("kinesis")
    kinesis.create_stream(StreamName="events", ShardCount=2)
    if encrypted:
        kinesis.start_stream_encryption(
            StreamName="events", EncryptionType="KMS", KeyId="alias/aws/kinesis"
        )
    found = lines(check_stream("stream events", kinesis, "events"))

    key = "KMS" if encrypted else "NONE"
    assert found[-1] == f"ok       stream events: PROVISIONED, 2 shards, 24 hours, encryption {key}"
    assert ("wrong    stream events, encryption: is NONE; should be KMS" in found[0]) != encrypted


def test_a_stream_that_is_gone_is_a_finding_and_no_traceback(account: Account) -> None:
    (line,) = lines(check_stream("stream events", account("kinesis"), "events"))
    assert line.startswith("unknown  stream events: cannot be read (ResourceNotFoundException (De")


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (AliasState("2"), "ok       alias tip: version 2"),
        (AliasState("1"), "ok       alias tip: version 1, and 2 is the newest"),
        (
            AliasState("1", {"2": 0.5}),
            (
                "wrong    alias tip: is between two versions (version 1, 50% on version 2); should "
                "be at one, unless a deployment is running: `make rollback` goes back to the older"
            ),
        ),
    ],
)
def test_an_alias_that_was_left_in_the_middle_is_found(
    account: Account, state: AliasState, line: str
) -> None:
    account.create_function()
    account.alias().write(state, replaces=account.alias().read())
    assert lines(check_alias("alias tip", account.functions, CONSUMER)) == [line]


def test_an_alias_that_does_not_exist_is_wrong(account: Account) -> None:
    (finding,) = check_alias("alias tip", account.functions, CONSUMER)
    assert finding.level == "wrong"


def test_a_decision_service_is_checked_with_both_mappings_and_its_stream() -> None:
    service = {**outputs()["consumers"]["duration_tip"], "openings_mapping_uuid": "another"}
    stack = stack_of(outputs(decisions=service, decision_stream={"name": "decisions"}))
    refused = Answering(client_error("AccessDeniedException", "any", status=400))

    assert stack is not None
    subjects = [finding.subject for finding in check_stack(lambda _: refused, stack)]

    assert [each for each in subjects if "decisions" in each] == [
        "stream decisions",
        "function decisions",
        "alias decisions",
        "mapping decisions",
        "mapping decisions of events",
    ]


def concurrency_findings(
    *,
    total: int = 1000,
    free: int = 900,
    reserved: int | None = None,
    wanted: int = 0,
    decisions: Any = None,
) -> list[str]:
    """Return the findings for two shards, of each of which five batches are processed at a time."""
    answer = {
        "AccountLimit": {"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": free},
        "StreamDescriptionSummary": {"OpenShardCount": 2},
        "ParallelizationFactor": 5,
        **({} if reserved is None else {"ReservedConcurrentExecutions": reserved}),
    }
    stack = stack_of(outputs(decisions=decisions))
    return lines(
        check_concurrency("Lambda concurrency", lambda _: Answering(answer), stack, wanted)
    )


def test_lambdas_concurrency_must_suffice() -> None:
    assert concurrency_findings() == [
        "ok       Lambda concurrency: 900 unreserved of 1000, 10 needed"
    ]
    found, *_ = concurrency_findings(free=9)
    assert found.startswith(
        "wrong    Lambda concurrency: is 9 unreserved of 1000; should be at least 10, one for each "
        "shard and parallelization factor: raise the quota at https://console."
    )


def test_a_decision_service_needs_concurrency_for_both_of_its_streams() -> None:
    service = {**outputs()["consumers"]["duration_tip"], "openings_mapping_uuid": "another"}

    found, *_ = concurrency_findings(decisions=service)

    assert found == "ok       Lambda concurrency: 900 unreserved of 1000, 30 needed"


def test_a_function_with_reserved_concurrency_needs_none_of_the_rest() -> None:
    found, *_ = concurrency_findings(free=100, reserved=900)
    assert found == "ok       Lambda concurrency: 100 unreserved of 1000, 1 needed"


@pytest.mark.parametrize("total", [10, 100])
def test_a_new_accounts_concurrency_allows_no_reservation(total: int) -> None:
    found = concurrency_findings(total=total, free=total)
    assert found[1] == (
        "ok       reserved_concurrency: none is possible, as Lambda keeps 100 unreserved"
    )


@pytest.mark.parametrize(
    ("free", "reserved", "wanted", "most"),
    [(1000, None, 901, 900), (500, 200, 601, 600), (90, None, 1, 0)],
    ids=["before a deployment", "some are reserved already", "none is possible"],
)
def test_the_settings_reserved_concurrency_must_be_possible(
    free: int, reserved: int | None, wanted: int, most: int
) -> None:
    *_, found = concurrency_findings(free=free, reserved=reserved, wanted=wanted)
    assert found.startswith(
        f"wrong    reserved_concurrency: is {wanted}; should be at most {most}, as Lambda keeps "
        "100 unreserved: raise the quota at https://console."
    )
    found, *more = concurrency_findings(free=free, reserved=reserved, wanted=most)
    assert found.startswith("ok ")
    assert not [line for line in more if line.startswith("wrong")]


def test_kinesiss_quotas_must_leave_room() -> None:
    limits = {
        "ShardLimit": 20,
        "OpenShardCount": 20,
        "OnDemandStreamCount": 1,
        "OnDemandStreamCountLimit": 50,
    }
    wrong, fine = lines(check_shards("Kinesis", Answering(limits)))
    assert wrong.startswith(
        "wrong    Kinesis, shards: is 20 of 20; should be below 20 for a new st"
    )
    assert fine == "ok       Kinesis, on-demand streams: 1 of 50"


def test_a_quota_that_may_not_be_read_is_unknown() -> None:
    refused = client_error("AccessDeniedException", "describe_limits", status=403)
    (finding,) = check_shards("Kinesis", Answering(refused))
    assert finding.level == "unknown"
    assert "AccessDeniedException" in str(finding)


class Built:
    """ECR's answers about an image of one architecture."""

    def batch_get_image(self, **_request: Any) -> Any:
        return {"images": [{"imageManifest": '{"config": {"digest": "sha256:1"}}'}]}

    def get_download_url_for_layer(self, **_request: Any) -> Any:
        return {"downloadUrl": "https://layers"}


def function_findings(architecture: str, **changed: Any) -> list[str]:
    configuration = {"State": "Active", "Architectures": ["arm64"], "MemorySize": 512, **changed}
    function = {"Configuration": configuration, "Code": {"ImageUri": IMAGE}}
    clients = {"lambda": Answering(function), "ecr": Built()}
    built = b'{"architecture": "%s"}' % architecture.encode()
    return lines(
        check_function("function tip", clients.__getitem__, CONSUMER, download=lambda _: built)
    )


def test_an_image_must_be_built_for_its_functions_architecture() -> None:
    assert function_findings("arm64") == ["ok       function tip: arm64, as its image is, 512 MB"]
    assert function_findings("amd64") == [
        (
            "wrong    function tip, image: is built for x86_64; should be arm64: "
            "make deploy ARCHITECTURE=arm64"
        )
    ]


def test_a_function_that_failed_says_why() -> None:
    first, _ = function_findings("arm64", State="Failed", StateReason="image deleted")
    assert first == (
        "wrong    function tip: is Failed (image deleted); should be Active: "
        "run `make deploy` again"
    )


def test_a_function_whose_image_is_not_in_the_repository_is_unknown(account: Account) -> None:
    account.create_function()
    (finding,) = check_function("function tip", account, CONSUMER, download=lambda _: b"")
    assert finding.level == "unknown"
    assert FUNCTION not in finding.text
    assert "RepositoryNotFoundException" in finding.text


def test_the_tools_of_a_machine_that_has_all_are_fine() -> None:
    commands = FakeCommands()
    found = list(check_tools(commands, Terraform(commands), "arm64"))
    assert {finding.level for finding in found} == {"ok"}
    assert [finding.subject for finding in found] == ["terraform", "git", "docker"]


@pytest.mark.parametrize(
    ("tool", "subject"),
    [("terraform version", "terraform"), ("git --version", "git"), ("docker version", "docker")],
)
def test_a_missing_tool_is_wrong_and_the_others_are_still_checked(tool: str, subject: str) -> None:
    commands = FakeCommands()
    commands.outputs[tool] = ToolMissing(f"{subject} is needed and not installed; it is at https:")

    found = list(check_tools(commands, Terraform(commands), "arm64"))

    assert [each.subject for each in found if each.level == "wrong"] == [subject]
    assert len(found) == 3


@pytest.mark.parametrize(("architecture", "level"), [("arm64", "ok"), ("x86_64", "wrong")])
def test_missing_buildx_is_wrong_only_for_another_architecture(
    architecture: str, level: str
) -> None:
    commands = FakeCommands()
    commands.outputs["docker buildx version"] = CommandFailed("unknown command")
    *_, finding = check_tools(commands, Terraform(commands), architecture)
    assert (finding.subject, finding.level) == ("docker", level)
    assert level == "ok" or "buildx" in finding.text
