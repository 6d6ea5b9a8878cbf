"""The function of a decision service: batches from streams, and the schedule's events."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from streaming.clients import NO_RETRIES, aws_client, kinesis_client
from streaming.consumer.consumer import DEFAULT_BUDGET_SECONDS, RESPONSE_SECONDS, Consumer
from streaming.consumer.settings import Settings
from streaming.consumer.telemetry import Telemetry
from streaming.decisions.check_results import Arrival, Item, Results
from streaming.decisions.decider import Decider
from streaming.decisions.decision_table import DecisionTable, Due
from streaming.decisions.policy import Policy
from streaming.decisions.policy_file import decode_policy
from streaming.errors import (
    PolicyError,
    SettingsError,
    StorageError,
    StreamingError,
    TableUnavailable,
    excerpt,
)
from streaming.publisher import Publisher
from streaming.storage import FolderStorage, Storage, open_storage

SCHEDULED = "Scheduled Event"
"""The `detail-type` of what an EventBridge rule or EventBridge Scheduler sends by default."""

CALL_SECONDS = 7.0
"""The longest that a call to AWS may take."""

LIMITS: dict[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 5,
    "retries": NO_RETRIES,
    "call_seconds": CALL_SECONDS,
}

DUE_ITEMS = 100
"""Items that a sweep brings up to date at a time."""


class DecisionService:
    """Handles every invocation of the function.

    Args:
        consumer: Handles batches; its sink is the decider.
        decider: Brings items up to date.
        table: Knows which items are due.
        telemetry: Logs each sweep.
        now: Seconds since the epoch.
        clock: Monotonic seconds, as the decider's.
    """

    def __init__(
        self,
        consumer: Consumer[Arrival],
        decider: Decider,
        table: DecisionTable,
        telemetry: Telemetry,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self._decider = decider
        self._table = table
        self._telemetry = telemetry
        self._now = now
        self._clock = clock

    def handle(self, event: Any, context: Any = None) -> dict[str, Any]:
        """Process a batch, see `Consumer.handle`, or a scheduled event, see `sweep`."""
        if isinstance(event, dict) and event.get("detail-type") == SCHEDULED:
            return {"due": self.sweep(context)}
        return self._consumer.handle(event, context)

    def sweep(self, context: Any = None) -> int:
        """Bring items that are due up to date: time is up, or a decision was not published.

        Once the table was read, a line of the log says how many items were due, and for how long.
        What somebody has put into the table by hand under a key that is no item's is passed over.

        Args:
            context: Lambda's context object. What is not reached in time is left to the next tick.

        Returns:
            How many items were brought up to date.

        Raises:
            TableUnavailable: Some were not; the others were.
            TableError: The table cannot be read.
        """
        remaining = DEFAULT_BUDGET_SECONDS
        if context is not None:
            remaining = float(context.get_remaining_time_in_millis()) / 1000
        deadline = self._clock() + max(remaining - CALL_SECONDS - RESPONSE_SECONDS, remaining / 2)
        done, overdue, failures = 0, 0.0, dict[Item, StreamingError]()
        unreadable: list[str] = []
        for found in self._due_items(unreadable.append):
            overdue = max(overdue, *(self._now() - each.since for each in found))
            if self._clock() >= deadline:
                break
            items = [each.item for each in found]
            failed = self._decider.settle(dict.fromkeys(items, ()), deadline)
            done += len(items) - len(failed)
            failures |= failed
        fields = {
            "settled": done,
            "failed": len(failures),
            "unreadable": len(unreadable),
            "overdue_seconds": round(overdue, 3),
        }
        self._telemetry.information("tick", fields)
        if unreadable:
            shown = f"{len(unreadable)} due, such as {excerpt(unreadable[0])}"
            self._telemetry.warning(
                f"keys in the table that are no item's are passed over: {shown}"
            )
        if failures:
            reason = next(iter(failures.values()))
            total = done + len(failures)
            raise TableUnavailable(f"{len(failures)} of {total} due items failed: {reason}")
        return done

    def _due_items(self, unreadable: Callable[[str], object]) -> Iterator[list[Due]]:
        for page in self._table.due(unreadable):
            for start in range(0, len(page), DUE_ITEMS):
                yield page[start : start + DUE_ITEMS]


def build_service(
    environment: Mapping[str, str], wrap: Callable[[Any], Any] = lambda client: client
) -> DecisionService:
    """Build the service that environment variables describe.

    `DECISION_POLICY` is the policy's file, or `s3://bucket/key`; `DECISION_TABLE` is the table, and
    `PREDICTIONS_STREAM_NAME` the stream of the decisions. The others are the consumer's.

    Args:
        environment: Such as `os.environ`.
        wrap: Returns what is used in place of a client of DynamoDB or Kinesis.

    Raises:
        SettingsError: A variable is missing, or has a value that is not allowed.
        PolicyError: The policy cannot be read, or breaks a rule.
    """
    settings = Settings.from_environment(environment)
    location = _required(environment, "DECISION_POLICY", "a file, or s3://bucket/key")
    name = _required(environment, "DECISION_TABLE", "a DynamoDB table")
    stream = _required(environment, "PREDICTIONS_STREAM_NAME", "the stream of the decisions")
    policy = read_policy(location)
    table = DecisionTable(wrap(aws_client("dynamodb", **LIMITS)), name, time.time)
    client = wrap(kinesis_client(settings.kinesis_endpoint_url, **LIMITS))
    decider = Decider(policy, table, Publisher(client, stream))
    dead_letters = None
    if settings.dead_letters:
        dead_letters = open_storage("DEAD_LETTERS", settings.dead_letters, _s3_client)
    telemetry = Telemetry(policy.name, Results.metrics_namespace, settings.log_level)
    consumer = Consumer(
        Results(policy),
        publisher=decider,
        dead_letters=dead_letters,
        telemetry=telemetry,
        call_seconds=CALL_SECONDS,
    )
    return DecisionService(consumer, decider, table, telemetry)


def read_policy(location: str, setting: str = "DECISION_POLICY") -> Policy:
    """Read a policy.

    Args:
        location: A file, or `s3://bucket/key`.
        setting: The setting that holds the location, for the error.

    Raises:
        PolicyError: It cannot be read, or breaks a rule.
        SettingsError: The location is any other URL.
    """
    folder, _, name = location.rpartition("/")
    storage: Storage
    if "://" in location:
        storage = open_storage(setting, folder, _s3_client)
    else:
        storage = FolderStorage(Path(location).parent)
    try:
        return decode_policy(storage.read(name), location)
    except StorageError as error:
        raise PolicyError(f"the policy {location}: {error}") from error


def _s3_client() -> Any:
    return aws_client("s3", **LIMITS)


def _required(environment: Mapping[str, str], name: str, allowed: str) -> str:
    if not (value := environment.get(name)):
        raise SettingsError(name, None, allowed)
    return value
