"""The fuzz target of the decision service: a check's record, joined with a state and stored."""

from pathlib import Path

import msgspec

from streaming.decisions.check_results import Results
from streaming.decisions.item_state import ItemState, advance
from streaming.decisions.policy_file import decode_policy
from streaming.errors import InvalidEvent
from streaming.publisher import PARTITION_KEY_CHARACTERS

FILE = Path(__file__).parents[2] / "examples" / "moderation" / "policy.json"
POLICY = decode_policy(FILE.read_bytes(), str(FILE))
NOW = 1_740_834_900.0
RESULTS = Results(POLICY, lambda: NOW)

MESSAGE_LIMIT = 400
"""Bytes of an error message, whatever the size of the record."""

STATE_LIMIT = 32 * 1024
"""Bytes of a state with one result, which DynamoDB must take with 16 of them."""

RECORD = (
    b'{"event_type": "upload_checked", "event_id": "shardId-000000000000:1", '
    b'"model": "language_model", "version": "1", '
    b'"prediction": {"upload_id": "u1", "uploader": "ana", "abusive": 0.95}, '
    b'"arrived_at": "2025-03-01T13:15:00.000Z"}'
)
SEEDS = (
    RECORD,
    RECORD.replace(b'"u1"', b"7").replace(b"language", b"image").replace(b"abusive", b"forbidden"),
    RECORD.replace(b"2025-03-01T13:15:00.000Z", b"0001-01-01T00:00:00+14:00"),
    RECORD.replace(b"0.95", b"18446744073709551616"),
    b'{"event_type": "uploaded", "upload_id": "u1", "uploader": "ana"}',
)


class BrokenDecision(Exception):
    """A promise of the decision service does not hold for an input."""


def fuzz_check_result(data: bytes) -> None:
    """A record is skipped, refused in a short line, or leads to a state that can be stored."""
    try:
        arrival = RESULTS.decode(data, NOW)
    except InvalidEvent as error:
        _check(len(str(error).encode("utf-8", "replace")) <= MESSAGE_LIMIT, "a long message")
        return
    if arrival is None:
        return
    (prediction,) = RESULTS.predict([arrival])
    _check(1 <= len(prediction.partition_key) <= PARTITION_KEY_CHARACTERS, "no partition key")
    state = advance(ItemState(arrival.item, NOW), [arrival], POLICY, NOW)
    stored = msgspec.json.encode(state)
    _check(len(stored) <= STATE_LIMIT, "a large state")
    read = msgspec.json.decode(stored, type=ItemState)
    _check(read == state, "a state that is another one after it was stored")
    _check(advance(read, [arrival], POLICY, NOW) == read, "the same result changes the state")
    late = advance(read, (), POLICY, NOW + POLICY.deadline_seconds)
    _check(late.outbox is not None, "no decision when time is up")


def _check(holds: bool, broken: str) -> None:  # noqa: FBT001  a condition
    if not holds:
        raise BrokenDecision(broken)
