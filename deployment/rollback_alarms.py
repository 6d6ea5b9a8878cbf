"""The alarms that put a deployment back."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployment.errors import DeploymentError
from streaming.aws_errors import describe_error

NAMES_PER_CALL = 100
"""Alarm names in one call of DescribeAlarms (its API reference)."""


class RollbackAlarms:
    """Some alarms.

    Args:
        client: A boto3 CloudWatch client.
        names: Their names.
    """

    def __init__(self, client: Any, names: Iterable[str]) -> None:
        self.names = sorted(set(names))
        self._client = client

    def raised(self) -> list[str]:
        """Return those in ALARM; INSUFFICIENT_DATA is none.

        Raises:
            DeploymentError: One does not exist, so that it would never be raised; or CloudWatch
                does not respond.
        """
        states: dict[str, str] = {}
        names = iter(self.names)
        while chunk := list(islice(names, NAMES_PER_CALL)):
            try:
                response = self._client.describe_alarms(
                    AlarmNames=chunk,
                    AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                    MaxRecords=NAMES_PER_CALL,
                )
            except (BotoCoreError, ClientError) as error:
                raise DeploymentError(
                    f"the alarms cannot be read: {describe_error(error)}"
                ) from error
            for kind in ("MetricAlarms", "CompositeAlarms"):
                found = response.get(kind, [])
                states |= {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}
        absent = [name for name in self.names if name not in states]
        if absent:
            raise DeploymentError(
                f"no such alarm: {', '.join(absent)}; apply infrastructure/ first"
            )
        return [name for name in self.names if states[name] == "ALARM"]
