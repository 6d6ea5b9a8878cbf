"""The states of items in a DynamoDB table.

Each item is one item of the table. `state` is JSON; `tag` changes at every write, which is
conditional on the tag that was read. `due_bucket` and `due_at` are present only while the schedule
has to look at the item, so that the index over them is sparse; `expires_at`, DynamoDB's TTL, only
while it has not to, so that what is undecided or unpublished never expires.
"""

import uuid
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import msgspec

from streaming.aws_errors import describe_error
from streaming.decisions.check_results import Item
from streaming.decisions.item_state import ItemState
from streaming.errors import DECODE_ERRORS, TableConflict, TableError, TableUnavailable
from streaming.retries import error_code, is_transient

DUE_INDEX = "due"
BUCKETS = 8
"""Partition keys of the index: each takes 1,000 write units a second (DynamoDB developer guide,
Best practices for designing partition keys)."""

TABLE: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "item", "KeyType": "HASH"}],
    "AttributeDefinitions": [
        {"AttributeName": "item", "AttributeType": "S"},
        {"AttributeName": "due_bucket", "AttributeType": "S"},
        {"AttributeName": "due_at", "AttributeType": "N"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": DUE_INDEX,
            "KeySchema": [
                {"AttributeName": "due_bucket", "KeyType": "HASH"},
                {"AttributeName": "due_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
"""The parameters of CreateTable, besides the name."""

TTL = {"Enabled": True, "AttributeName": "expires_at"}
"""The parameter of UpdateTimeToLive."""


class Stored(NamedTuple):
    """An item as it was read or written.

    Attributes:
        state: Its state; None: there is none, or it has expired.
        tag: The tag of what is in the table; None: there is nothing.
    """

    state: ItemState | None
    tag: str | None


class Due(NamedTuple):
    """An item that is due.

    Attributes:
        item: The item.
        since: Seconds since the epoch.
    """

    item: Item
    since: float


class DecisionTable:
    """Reads and writes items.

    Args:
        client: A boto3 DynamoDB client without retries of its own.
        name: The table.
        now: Seconds since the epoch.
        new_tag: Returns a text that it never returned before.
    """

    def __init__(
        self,
        client: Any,
        name: str,
        now: Callable[[], float],
        new_tag: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._client = client
        self._name = name
        self._now = now
        self._new_tag = new_tag

    def read(self, item: Item) -> Stored:
        """Read an item, as it was written last.

        Raises:
            TableUnavailable: Throttled or unreachable.
            TableError: The table or the item cannot be read.
        """
        response = self._call("get_item", Key=_key(item), ConsistentRead=True)
        return self._stored(response.get("Item"))

    def write(self, state: ItemState, tag: str | None, keep_seconds: float) -> Stored:
        """Write an item if nobody has written it since it was read.

        Args:
            state: What to write.
            tag: From the read.
            keep_seconds: How long an item is kept that is not due.

        Raises:
            TableConflict: Somebody has, perhaps an earlier attempt whose response was lost.
            TableUnavailable: Throttled or unreachable; it may have been written.
            TableError: It cannot be written.
        """
        new_tag = self._new_tag()
        attributes: dict[str, Any] = {
            **_key(state.item),
            "state": {"S": msgspec.json.encode(state).decode()},
            "tag": {"S": new_tag},
        }
        if state.due_at is None:
            attributes["expires_at"] = {"N": str(int(self._now() + keep_seconds))}
        else:
            attributes["due_bucket"] = {"S": bucket(state.item)}
            attributes["due_at"] = {"N": f"{state.due_at:.3f}"}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(tag)"}
        if tag is not None:
            condition = {
                "ConditionExpression": "tag = :tag",
                "ExpressionAttributeValues": {":tag": {"S": tag}},
            }
        self._call("put_item", Item=attributes, **condition)
        return Stored(state, new_tag)

    def due(self, unreadable: Callable[[str], object]) -> Iterator[list[Due]]:
        """Yield the items that are due, a page at a time; the longest due of a bucket first.

        The index lags behind the table a little (it is eventually consistent).

        Args:
            unreadable: Is told each key that is no item's: somebody has put it there by hand.

        Raises:
            TableError: As for `read`.
        """
        # Each minute from another bucket on: what takes all the time comes last in turn.
        first = int(self._now() // 60)
        for number in range(first, first + BUCKETS):
            query: dict[str, Any] = {
                "IndexName": DUE_INDEX,
                "KeyConditionExpression": "due_bucket = :bucket AND due_at <= :now",
                "ExpressionAttributeValues": {
                    ":bucket": {"S": str(number % BUCKETS)},
                    ":now": {"N": f"{self._now():.3f}"},
                },
            }
            for page in self._pages("query", query):
                found = []
                for attributes in page:
                    key = attributes["item"]["S"]
                    item = _item_of(key)
                    if item is None:
                        unreadable(key)
                    else:
                        found.append(Due(item, float(attributes["due_at"]["N"])))
                yield found

    def states(
        self,
        unreadable: Callable[[str], object],
        attempt: Callable[[Callable[[], Any]], Any] = lambda call: call(),
    ) -> Iterator[ItemState]:
        """Yield the state of every item, in no order.

        Args:
            unreadable: Is told each key whose item is not a state: somebody has put or damaged it.
            attempt: Makes a call, and perhaps repeats it.

        Raises:
            TableUnavailable: Throttled or unreachable.
            TableError: The table cannot be read.
        """
        for page in self._pages("scan", {"ConsistentRead": True}, attempt):
            for attributes in page:
                try:
                    state = self._stored(attributes).state
                except TableError:
                    unreadable(attributes["item"]["S"])
                    continue
                if state is not None:
                    yield state

    def _pages(
        self,
        operation: str,
        parameters: dict[str, Any],
        attempt: Callable[[Callable[[], Any]], Any] = lambda call: call(),
    ) -> Iterator[list[Any]]:
        start: dict[str, Any] = {}
        while True:
            response = attempt(partial(self._call, operation, **parameters, **start))
            yield response["Items"]
            if not (last := response.get("LastEvaluatedKey")):
                return
            start = {"ExclusiveStartKey": last}

    def _stored(self, attributes: Any) -> Stored:
        if attributes is None:
            return Stored(None, None)
        try:
            tag = attributes["tag"]["S"]
            expires_at = attributes.get("expires_at")
            # DynamoDB deletes within days of the time, and returns the item until then.
            if expires_at is not None and float(expires_at["N"]) <= self._now():
                return Stored(None, tag)
            return Stored(msgspec.json.decode(attributes["state"]["S"], type=ItemState), tag)
        except (*DECODE_ERRORS, KeyError, TypeError, ValueError) as error:
            kind = type(error).__name__
            raise TableError(f"an item of the table {self._name} is not a state: {kind}") from error

    def _call(self, operation: str, **parameters: Any) -> Any:
        try:
            return getattr(self._client, operation)(TableName=self._name, **parameters)
        except MemoryError:
            raise
        except Exception as error:  # botocore's parser raises anything on a malformed response
            described = f"the table {self._name}: {describe_error(error)}"
            if error_code(error) == "ConditionalCheckFailedException":
                raise TableConflict(described) from error
            raise (TableUnavailable if is_transient(error) else TableError)(described) from error


def bucket(item: Item) -> str:
    """Return which partition of the index holds an item while it has to be looked at."""
    return str(zlib.crc32(msgspec.json.encode(item)) % BUCKETS)


def _key(item: Item) -> dict[str, Any]:
    # As JSON, so that 256 and "256" are two items.
    return {"item": {"S": msgspec.json.encode(item).decode()}}


def _item_of(key: str) -> Item | None:
    """Return the item of a key; None: no item has it."""
    try:
        item: Item = msgspec.json.decode(key, type=Item)
    except DECODE_ERRORS:
        return None
    # Written in another way, it would be another item's key.
    return item if _key(item)["item"]["S"] == key else None
