"""An account in moto, with what Terraform leaves there and what moto lacks of AWS."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from functools import cache
from typing import Any

import boto3

from deployment.live_alias import LiveAlias
from tests.fakes.kinesis import client_error

ACCOUNT = "123456789012"  # moto's
REGION = "us-east-1"
DIGEST = "sha256:" + "1" * 64
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/ride-predictions@{DIGEST}"
FUNCTION = "ride-predictions-duration_tip"
BUCKET = f"ride-predictions-dead-letters-{ACCOUNT}-{REGION}"


@cache
def client_of(service: str) -> Any:
    """Return a client; making one takes longer than most tests."""
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


class RevisedLambda:
    """moto's Lambda with a revision for each write of an alias, which moto ignores.

    Attributes:
        failures: Errors of the next calls of UpdateAlias, each after the alias was written or not.
        writes: What UpdateAlias was called with, in order.
        stale_reads: How many of the next calls of GetAlias see what was before the last write.
    """

    def __init__(self, client: Any) -> None:
        self.failures: list[tuple[Exception, bool]] = []
        self.writes: list[dict[str, Any]] = []
        self.stale_reads = 0
        self._before_last_write: dict[tuple[str, str], dict[str, Any]] = {}
        self._client = client
        self._revisions: defaultdict[tuple[str, str], str] = defaultdict(lambda: str(uuid.uuid4()))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_alias(self, *, FunctionName: str, Name: str) -> dict[str, Any]:
        place = FunctionName, Name
        if self.stale_reads and place in self._before_last_write:
            self.stale_reads -= 1
            return self._before_last_write[place]
        response = self._client.get_alias(FunctionName=FunctionName, Name=Name)
        return {**response, "RevisionId": self._revisions[place]}

    def update_alias(
        self, *, FunctionName: str, Name: str, RevisionId: str | None = None, **changes: Any
    ) -> dict[str, Any]:
        place = FunctionName, Name
        self.writes.append(changes)
        error, written = self.failures.pop(0) if self.failures else (None, True)
        if written:
            if RevisionId not in (None, self._revisions[place]):
                raise client_error("PreconditionFailedException", "update_alias", status=412)
            now = self._client.get_alias(FunctionName=FunctionName, Name=Name)
            self._before_last_write[place] = {**now, "RevisionId": self._revisions[place]}
            self._client.update_alias(FunctionName=FunctionName, Name=Name, **changes)
            self._revisions[place] = str(uuid.uuid4())
        if error is not None:
            raise error
        return self.get_alias(FunctionName=FunctionName, Name=Name)


class Account:
    """Clients for moto's account, one of each service.

    To be used within `mock_aws`.
    """

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        if service not in self._clients:
            client = client_of(service)
            self._clients[service] = RevisedLambda(client) if service == "lambda" else client
        return self._clients[service]

    @property
    def functions(self) -> RevisedLambda:
        client: RevisedLambda = self("lambda")
        return client

    def create_function(self, name: str = FUNCTION, *, versions: int = 2, live: int = 1) -> None:
        """Create a function with versions 1, 2, ... and the alias live at one of them."""
        self.functions.create_function(
            FunctionName=name,
            Role=self._role(name),
            PackageType="Image",
            Code={"ImageUri": IMAGE},
            Architectures=["arm64"],
            MemorySize=512,
        )
        for number in range(versions):
            self.functions.update_function_configuration(FunctionName=name, Timeout=number + 30)
            self.functions.publish_version(FunctionName=name)
        self.functions.create_alias(
            FunctionName=name, Name="live", FunctionVersion=str(live), Description="created"
        )

    def _role(self, name: str) -> str:
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = self("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
        return str(role["Arn"])

    def alias(self, name: str = FUNCTION) -> LiveAlias:
        return LiveAlias(self.functions, name)

    def create_alarm(self, name: str) -> None:
        self("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/Lambda",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
        )

    def set_alarm(self, name: str, state: str = "ALARM") -> None:
        self("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")


def outputs(**changed: Any) -> dict[str, Any]:
    """Return the values of Terraform's outputs for one consumer."""
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream"
    return {
        "account_id": ACCOUNT,
        "region": REGION,
        "event_stream": {"name": "events", "arn": f"{stream}/events"},
        "prediction_stream": {"name": "predictions", "arn": f"{stream}/predictions"},
        "repository_url": IMAGE.partition("@")[0],
        "dead_letter_bucket": BUCKET,
        "alarm_topic_arn": f"arn:aws:sns:{REGION}:{ACCOUNT}:ride-predictions",
        "dashboard_name": f"ride-predictions-{REGION}",
        "architecture": "arm64",
        "consumers": {
            "duration_tip": {
                "function_name": FUNCTION,
                "alias": "live",
                "alias_arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}:live",
                "version": "2",
                "mapping_uuid": "6a1b6c1e-0000-4000-8000-000000000000",
                "log_group": f"/aws/lambda/{FUNCTION}",
                "alarms": ["errors", "throttles"],
                "rollback_alarms": ["errors"],
            }
        },
        **changed,
    }


def output_json(values: dict[str, Any]) -> str:
    """Return what `terraform output -json` prints for values."""
    return json.dumps(
        {name: {"sensitive": False, "type": "dynamic", "value": v} for name, v in values.items()}
    )
