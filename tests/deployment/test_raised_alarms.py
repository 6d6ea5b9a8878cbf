"""Which alarms are raised, however many are watched."""

from typing import Any

from deployment.traffic_shift import raised_alarms
from tests.deployment.emulated_account import Account


def test_more_alarms_than_one_call_takes_are_all_read(account: Account) -> None:
    names = [f"alarm-{number:03}" for number in range(150)]
    for name in names:
        account.create_alarm(name)
    account.set_alarm("alarm-149")
    account.set_alarm("alarm-003", "INSUFFICIENT_DATA")

    assert raised_alarms(account("cloudwatch"), names) == ["alarm-149"]


def test_every_alarm_of_a_call_is_in_its_first_page() -> None:
    class PagedCloudWatch:
        def describe_alarms(self, *, AlarmNames: list[str], MaxRecords: int = 50, **_: Any) -> Any:
            found = [{"AlarmName": name, "StateValue": "OK"} for name in AlarmNames]
            return {"MetricAlarms": found[:MaxRecords], "NextToken": "more"}

    assert raised_alarms(PagedCloudWatch(), [f"alarm-{n}" for n in range(120)]) == []
