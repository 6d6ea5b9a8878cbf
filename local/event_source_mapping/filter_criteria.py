"""FilterCriteria: which records reach the function."""

from collections.abc import Sequence
from typing import Any

import msgspec

from local.event_source_mapping.event_pattern import SETTING, Matcher, compile_pattern
from streaming.consumer.validation import DECODE_ERRORS
from streaming.errors import SettingsError
from streaming.reader.shard_reader import StreamRecord

MOST_FILTERS = 5
"""AWS's default quota of filters for an event source mapping."""

MOST_CHARACTERS = 4096
"""Of a pattern (AWS Lambda API reference, Filter)."""

_MEMBERS = {"data", "partitionKey"}


class FilterCriteria:
    """Matches records against patterns; a record that matches one of them reaches the function.

    A pattern's `data` is matched with the record's data as JSON: data that is not JSON does not
    match (an aggregated record is not JSON; AWS opens it first only with enhanced fan-out). A
    pattern without `data` takes records with any data. `partitionKey` is matched as a string.

    Args:
        patterns: At most five, in JSON; without any, every record matches.

    Raises:
        SettingsError: There are too many, or one is not a pattern.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        if len(patterns) > MOST_FILTERS:
            raise SettingsError(SETTING, len(patterns), f"at most {MOST_FILTERS} filters")
        self._patterns = [_Pattern(_decode(pattern)) for pattern in patterns]

    def matches(self, record: StreamRecord) -> bool:
        """Return whether a record reaches the function."""
        if not self._patterns:
            return True
        content = _JsonData(record.data)
        return any(pattern.matches(record, content) for pattern in self._patterns)


class _JsonData:
    """A record's data, decoded when it is asked for, and once."""

    __slots__ = ("_content", "_data", "_is_json")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._content: Any = None
        self._is_json: bool | None = None

    def matches(self, matcher: Matcher) -> bool:
        if self._is_json is None:
            try:
                self._content = msgspec.json.decode(self._data)
                self._is_json = True
            except DECODE_ERRORS:
                self._is_json = False
        return self._is_json and matcher(self._content)


class _Pattern:
    __slots__ = ("_data", "_metadata")

    def __init__(self, pattern: Any) -> None:
        if not isinstance(pattern, dict) or not pattern or not pattern.keys() <= _MEMBERS:
            raise SettingsError(SETTING, pattern, "an object with data, partitionKey or both")
        data, key = pattern.get("data"), pattern.get("partitionKey")
        self._data = compile_pattern(data) if "data" in pattern else None
        self._metadata = (
            compile_pattern({"partitionKey": key}) if "partitionKey" in pattern else None
        )

    def matches(self, record: StreamRecord, content: _JsonData) -> bool:
        if self._metadata and not self._metadata({"partitionKey": record.partition_key}):
            return False
        return self._data is None or content.matches(self._data)


def _decode(pattern: str) -> Any:
    if len(pattern) > MOST_CHARACTERS:
        raise SettingsError(SETTING, len(pattern), f"at most {MOST_CHARACTERS:,} characters")
    try:
        return msgspec.json.decode(pattern)
    except (*DECODE_ERRORS, UnicodeEncodeError):
        raise SettingsError(SETTING, pattern, "a pattern in JSON") from None
