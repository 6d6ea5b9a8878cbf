"""A decision service on moto's DynamoDB, a stream in memory, and faults at every call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from streaming import Consumer, Publisher, Telemetry
from streaming.consumer.interface import PredictionRecord
from streaming.decisions.check_results import Arrival, Results
from streaming.decisions.decider import Decider
from streaming.decisions.decision_service import DecisionService
from streaming.decisions.decision_table import TABLE, TTL, DecisionTable
from streaming.decisions.policy_file import decode_policy
from streaming.retries import Retries
from tests.fakes.clock import EPOCH, Clock
from tests.lambda_events import event

if TYPE_CHECKING:
    from streaming.consumer.settings import LogLevel
    from streaming.decisions.policy import Policy

START = EPOCH.timestamp()
NAME = "decisions"
DEADLINE = 60

POLICY: dict[str, Any] = {
    "name": "moderation_policy",
    "version": 3,
    "event_type": "upload_decided",
    "item": "upload_id",
    "carry": ["uploader"],
    "opens": {"event_type": "uploaded", "item": "upload_id"},
    "checks": {"copyright": "copyright_model", "language": "language_model"},
    "rules": [
        {
            "id": "C1",
            "outcome": "reject",
            "reason": "It is a copy of a registered work.",
            "when": [{"check": "copyright", "field": "similarity", "at_least": 0.8}],
            "early": True,
        },
        {
            "id": "L1",
            "outcome": "reject",
            "reason": "It abuses somebody.",
            "when": [{"check": "language", "field": "abusive", "at_least": 0.9}],
        },
        {
            "id": "L2",
            "outcome": "review",
            "reason": "It may abuse somebody.",
            "when": [{"check": "language", "field": "abusive", "at_least": 0.5, "below": 0.9}],
        },
    ],
    "otherwise": {"outcome": "approve", "reason": "Nothing speaks against it."},
    "when_missing": {"outcome": "review", "reason": "Not every check has answered."},
    "deadline_seconds": DEADLINE,
    "keep_days": 30,
}


def policy(**changes: Any) -> Policy:
    return decode_policy(json.dumps({**POLICY, **changes}).encode(), "test")


def result(
    check: str, item: int | str, value: float, *, number: int = 1, version: str = "1", **more: Any
) -> bytes:
    """Return a record of a check's output stream."""
    field = "similarity" if check == "copyright" else "abusive"
    return msgspec.json.encode(
        {
            "event_type": "checked",
            "event_id": f"shardId-000000000000:{number}",
            "model": f"{check}_model",
            "version": version,
            "prediction": {"upload_id": item, "uploader": f"of {item}", field: value},
            "arrived_at": "2025-03-01T13:15:00.000Z",
            **more,
        }
    )


def opening(item: int | str) -> bytes:
    return json.dumps(
        {"event_type": "uploaded", "upload_id": item, "uploader": f"of {item}"}
    ).encode()


def arrival(data: bytes, of: Policy | None = None) -> Arrival:
    found = Results(of or policy(), lambda: START).decode(data, START)
    assert found is not None
    return found


class Lost(BaseException):
    """The function is gone: nothing of it catches this."""


Fault = Callable[[str, Callable[[], Any]], Any]
"""Called with the operation and the call itself; makes it or does not."""


class Calls:
    """Passes on calls of clients, of which a test may have some fail.

    Attributes:
        made: The operations so far.
        fault: What is done in place of a call; None: the call.
    """

    def __init__(self, fault: Fault | None = None) -> None:
        self.made: list[str] = []
        self.fault = fault

    def around(self, client: Any) -> Any:
        return _Client(client, self)

    def call(self, operation: str, make: Callable[[], Any]) -> Any:
        self.made.append(operation)
        return make() if self.fault is None else self.fault(operation, make)


class _Client:
    def __init__(self, client: Any, calls: Calls) -> None:
        self._client = client
        self._calls = calls

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._client, operation)
        return lambda **parameters: self._calls.call(operation, lambda: method(**parameters))


class DecisionStream:
    """A Kinesis client that keeps what is put."""

    def __init__(self) -> None:
        self.records: list[PredictionRecord] = []

    def put_records(self, *, StreamName: str, Records: Sequence[Any]) -> Mapping[str, Any]:
        assert StreamName == NAME
        self.records += [
            msgspec.json.decode(record["Data"], type=PredictionRecord) for record in Records
        ]
        placed = [{"SequenceNumber": "1", "ShardId": "s"} for _ in Records]
        return {"FailedRecordCount": 0, "Records": placed}

    def decisions(self, item: int | str) -> list[dict[str, Any]]:
        """Return an item's decisions, each once, in the order in which each appeared first."""
        unique = {record.event_id: record.prediction for record in self.records}
        return [found for found in unique.values() if found["upload_id"] == item]

    def outcomes(self, item: int | str) -> list[str]:
        return [found["outcome"] for found in self.decisions(item)]


class World:
    """What outlives a function: the table, the stream and time."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.stream = DecisionStream()
        self.clock = Clock()
        self.dead_letters: list[bytes] = []

    def now(self) -> float:
        return START + self.clock.now()

    def table(self, calls: Calls | None = None) -> DecisionTable:
        client = self.client if calls is None else calls.around(self.client)
        return DecisionTable(client, NAME, self.now)

    def decider(
        self, calls: Calls | None = None, of: Policy | None = None, workers: int = 1
    ) -> Decider:
        client: Any = self.stream if calls is None else calls.around(self.stream)
        clock = self.clock
        publisher = Publisher(client, NAME, clock=clock.now, sleep=clock.sleep, jitter=lambda: 0.5)
        return Decider(
            of or policy(),
            self.table(calls),
            publisher,
            now=self.now,
            workers=workers,
            retries=self.retries(),
        )

    def service(
        self,
        calls: Calls | None = None,
        of: Policy | None = None,
        workers: int = 1,
        level: LogLevel = "CRITICAL",
    ) -> DecisionService:
        """Return a function with nothing in memory, as after a cold start."""
        found = of or policy()
        decider = self.decider(calls, found, workers)
        telemetry = Telemetry("decisions", "Decisions", level)
        consumer = Consumer(
            Results(found, self.now),
            publisher=decider,
            dead_letters=_DeadLetters(self.dead_letters),
            telemetry=telemetry,
            now=self.now,
            retries=self.retries(),
        )
        return DecisionService(
            consumer, decider, self.table(calls), telemetry, now=self.now, clock=self.clock.now
        )

    def retries(self) -> Retries:
        return Retries(self.clock.now, self.clock.sleep, lambda: 0.5)

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.scan(TableName=NAME)["Items"]
        return found


def put(world: World, *data: bytes, **how: Any) -> None:
    """Have a function without anything in memory handle a batch, of which nothing fails."""
    response = world.service(**how).handle(event(*data))
    assert response == {"batchItemFailures": []}


class _DeadLetters:
    def __init__(self, written: list[bytes]) -> None:
        self._written = written

    def put(self, _name: str, content: bytes) -> None:
        self._written.append(content)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


SCHEDULED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2025-03-01T13:16:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/decisions"],
    "detail": {},
}
"""What an EventBridge rule sends every minute."""


@contextmanager
def open_world() -> Iterator[World]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(TableName=NAME, **TABLE)
        client.update_time_to_live(TableName=NAME, TimeToLiveSpecification=TTL)
        yield World(client)


def throttled(operation: str) -> ClientError:
    code = "ProvisionedThroughputExceededException"
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(response, operation)


def timed_out() -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")
