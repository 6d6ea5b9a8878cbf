"""What a decision service is built from: its settings, and a policy from a file or from S3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
import pytest

from streaming.decisions.decision_service import DecisionService, build_service, read_policy
from streaming.errors import PolicyError, SettingsError
from tests.streaming.decisions.decision_fixtures import POLICY, policy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "policy.json").write_text(json.dumps(POLICY))
    return {
        "DECISION_POLICY": str(tmp_path / "policy.json"),
        "DECISION_TABLE": "decisions",
        "PREDICTIONS_STREAM_NAME": "decided",
    }


def test_a_service_is_built_from_three_settings(environment: dict[str, str]) -> None:
    assert isinstance(build_service(environment), DecisionService)


@pytest.mark.parametrize("name", ["DECISION_POLICY", "DECISION_TABLE", "PREDICTIONS_STREAM_NAME"])
def test_a_setting_that_is_missing_is_named(environment: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is not set"):
        build_service({**environment, name: ""})


@pytest.mark.parametrize("location", ["http://host/policy.json", "s3://policy.json"])
def test_a_policy_is_not_read_from_elsewhere(environment: dict[str, str], location: str) -> None:
    with pytest.raises(SettingsError, match=r"^DECISION_POLICY is "):
        build_service({**environment, "DECISION_POLICY": location})


def test_without_a_policy_that_can_be_used_no_service_is_built(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "policy.json").write_text(json.dumps({**POLICY, "version": 0}))
    with pytest.raises(PolicyError, match="version is 0; allowed: a whole number from 1"):
        build_service(environment)

    (tmp_path / "policy.json").unlink()
    with pytest.raises(PolicyError, match=r"policy\.json"):
        build_service(environment)


@pytest.mark.usefixtures("world")
def test_a_policy_is_read_from_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="policies")
    s3.put_object(Bucket="policies", Key="rides/1.json", Body=json.dumps(POLICY).encode())
    s3.put_object(Bucket="policies", Key="2.json", Body=b"{")

    assert read_policy("s3://policies/rides/1.json") == policy()
    with pytest.raises(PolicyError, match=r"policies/2\.json: its content is b'\{'; allowed:"):
        read_policy("s3://policies/2.json")
    for missing in ("s3://policies/rides/3.json", "s3://no-bucket/3.json"):
        with pytest.raises(PolicyError, match=f"the policy {missing}: .*NoSuch"):
            read_policy(missing)
