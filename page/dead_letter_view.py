"""What is shown of dead letters: no more than the function logs of them.

The log has a poison record's event id, the type of its error and a reason without any value from
the record. A dead-letter record also has its data, and a message with the offending value: neither
may reach a browser. See `streaming.errors.Poison.reason`.
"""

import base64
import re
import threading
from collections import Counter, deque
from typing import Any

import msgspec

from streaming import DECODE_ERRORS, DeadLetterRecord

SHOWN = 4
KINDS = 50
PREVIEW_BYTES = 16 * 1024
TYPE_LIMIT = 80
OTHER = "other reasons"

MESSAGE_LIMIT = 1000
"""A message of this length was cut: where its value ends cannot be told."""

VALUE_FREE = frozenset({"NotFinished", "PredictionTooLarge"})
"""Errors whose whole message is logged, since it is the reason."""

RAISED = re.compile(r"([A-Za-z_]\w{0,60}): ")
DISCARDED = re.compile(
    r"(?:function error|batch item failure): discarded by Lambda after \d+ invocations"
)
GZIP = b"\x1f\x8b"

NAMES = frozenset(
    {
        *("event_type", "ride_id", "ride", "PULocationID", "DOLocationID", "trip_distance"),
        *("pickup_datetime", "passenger_count", "payment_type", "dropoff_datetime", "tip_amount"),
    }
)
"""The contract's field names. Another name may be anything: a producer chose it."""


class DeadLetters:
    """The last dead letters, and how many there were of each reason; several threads may use it."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()
        self._reasons: Counter[str] = Counter()
        self._last: deque[dict[str, Any]] = deque(maxlen=SHOWN)

    def add(self, record: DeadLetterRecord) -> None:
        """Add a dead-letter record, or one that the event source mapping discarded."""
        reason = logged_reason(record)
        shown = {
            "event_id": record.event_id,
            "stream": record.stream,
            "arrived": record.arrived_at,
            "reason": reason,
            "preview": preview(base64.b64decode(record.data)),
        }
        with self._lock:
            self.count += 1
            is_room = reason in self._reasons or len(self._reasons) < KINDS
            self._reasons[reason if is_room else OTHER] += 1
            self._last.append(shown)

    def shown(self) -> dict[str, Any]:
        """Return the counts by reason, the most frequent first, and the last dead letters."""
        with self._lock:
            return {"reasons": self._reasons.most_common(), "last": [*reversed(self._last)]}


def logged_reason(record: DeadLetterRecord) -> str:
    """Return why a record failed, without any value from it."""
    kind, message = record.error_type[:TYPE_LIMIT], record.error_message
    if kind in VALUE_FREE or DISCARDED.fullmatch(message):
        return f"{kind}: {message[:MESSAGE_LIMIT]}"
    if len(message) >= MESSAGE_LIMIT:
        return kind
    field, is_found, rest = message.partition(" is ")
    _, is_allowed, allowed = rest.rpartition("; allowed: ")
    if kind == "InvalidEvent" and is_found and is_allowed:
        return f"{kind}: {field} is not {allowed}"
    raised = RAISED.match(message)
    if kind == "PredictionFailed" and raised:
        return f"{kind}: {raised[1]}"
    return kind


def preview(data: bytes) -> str:
    """Return what a record's data looks like: its size and its structure, and no value of it."""
    size = f"{len(data):,} bytes"
    if data.startswith(GZIP):
        return f"{size}, gzip"
    if len(data) > PREVIEW_BYTES:
        return size
    try:
        return f"{size}, JSON: {_structure(msgspec.json.decode(data))}"
    except DECODE_ERRORS:
        return f"{size}, not JSON"


def _structure(value: Any, depth: int = 0) -> str:
    match value:
        case dict():
            known = [name for name in value if name in NAMES] if depth < 2 else []  # noqa: PLR2004
            parts = [f"{name}: {_structure(value[name], depth + 1)}" for name in known]
            if len(known) < len(value):
                parts.append(f"{len(value) - len(known)} of other names")
            return f"{{{', '.join(parts)}}}"
        case list():
            return f"[{len(value)}]"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
    return "null"
