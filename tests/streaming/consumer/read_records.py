"""User records of an event, what they contain, and why they cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from streaming.consumer.records import UserRecord, user_records
from streaming.errors import CorruptRecord
from tests.lambda_events import event, record

NOW = 1_800_000_000.0


def contents(*data: bytes) -> list[bytes]:
    return [user_record.content() for user_record in user_records(event(*data)["Records"], NOW)]


def first(records: list[Any]) -> UserRecord:
    return next(user_records(records, NOW))


def decode_error(data: bytes) -> str:
    (user_record,) = user_records([record(data)], NOW)
    with pytest.raises(CorruptRecord) as raised:
        user_record.content()
    assert user_record.data == data
    return str(raised.value)
