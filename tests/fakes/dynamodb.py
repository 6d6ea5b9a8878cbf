"""A DynamoDB table in memory: what a decision service calls, a hundred times as fast as moto's."""

from __future__ import annotations

import copy
from typing import Any

from botocore.exceptions import ClientError

ABSENT, SAME = "attribute_not_exists(tag)", "tag = :tag"


class FakeTable:
    """A client of one table; its conditions are the two that a decision service writes with."""

    def __init__(self) -> None:
        self._items: dict[str, Any] = {}

    def get_item(self, *, TableName: str, Key: Any, ConsistentRead: bool) -> Any:
        assert TableName
        assert ConsistentRead
        found = self._items.get(Key["item"]["S"])
        return {} if found is None else {"Item": copy.deepcopy(found)}

    def put_item(
        self,
        *,
        TableName: str,
        Item: Any,
        ConditionExpression: str,
        ExpressionAttributeValues: Any = None,
    ) -> Any:
        assert TableName
        assert ConditionExpression in (ABSENT, SAME)
        present = self._items.get(Item["item"]["S"], {}).get("tag")
        values = ExpressionAttributeValues or {":tag": None}
        assert (ConditionExpression == ABSENT) == (values[":tag"] is None)
        if present != values[":tag"]:
            code = "ConditionalCheckFailedException"
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "PutItem")
        self._items[Item["item"]["S"]] = copy.deepcopy(Item)
        return {}

    def query(self, *, ExpressionAttributeValues: Any, **_: Any) -> Any:
        bucket, now = (ExpressionAttributeValues[name] for name in (":bucket", ":now"))
        due = [
            found
            for found in self._items.values()
            if found.get("due_bucket") == bucket and float(found["due_at"]["N"]) <= float(now["N"])
        ]
        keys = ("item", "due_bucket", "due_at")
        due.sort(key=lambda found: float(found["due_at"]["N"]))
        return {"Items": [{key: found[key] for key in keys} for found in due]}

    def scan(self, **_: Any) -> Any:
        return {"Items": copy.deepcopy(list(self._items.values()))}

    def delete_item(self, *, TableName: str, Key: Any) -> None:
        assert TableName
        del self._items[Key["item"]["S"]]
