"""Writing aggregates as the Kinesis Producer Library does, and damaging them.

The format: amazon-kinesis-producer, aggregation-format.md.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from streaming.aggregation import AGGREGATE_MAGIC

PARTITION_KEY_FIELD, KEY_INDEX_FIELD, DATA_FIELD = 1, 1, 3
RECORDS_FIELD = 3
LENGTH_DELIMITED = 2


def aggregate(partition_key: str, entries: Sequence[bytes]) -> bytes:
    """Write an aggregate.

    Args:
        partition_key: Of all its entries.
        entries: As `entry` writes them.
    """
    message = _bytes_field(PARTITION_KEY_FIELD, partition_key.encode())
    message += b"".join(_bytes_field(RECORDS_FIELD, each) for each in entries)
    return AGGREGATE_MAGIC + message + hashlib.md5(message, usedforsecurity=False).digest()


def entry(data: bytes, key_index: int = 0) -> bytes:
    """Write one entry of an aggregate.

    Args:
        data: The payload.
        key_index: The place of its partition key in the aggregate's table, which has one.
    """
    return _varint(KEY_INDEX_FIELD << 3) + _varint(key_index) + _bytes_field(DATA_FIELD, data)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Write an integer in base 128, the low digits first (protobuf.dev, Encoding)."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


ENTRY_SPOILERS: Mapping[str, Callable[[bytes], bytes]] = {
    "an entry without data": lambda _: _varint(KEY_INDEX_FIELD << 3) + _varint(0),
    "an entry of a partition key that is not there": lambda event: entry(event, key_index=7),
    "an entry cut short": lambda event: entry(event)[:-3],
}
"""By what is wrong: what writes an event as an entry that is damaged, its siblings intact."""

AGGREGATE_SPOILERS: Mapping[str, Callable[[bytes], bytes]] = {
    "an aggregate with a wrong checksum": lambda event: (
        aggregate("key", [entry(event)])[:-1] + b"\x00\x00"
    ),
    "an aggregate cut short": lambda event: aggregate("key", [entry(event)])[:-40],
    "an aggregate of its magic number alone": lambda _: AGGREGATE_MAGIC,
}
"""By what is wrong: what writes an event into an aggregate that is damaged as a whole."""
