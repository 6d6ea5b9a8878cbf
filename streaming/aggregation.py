"""Deaggregation: the user records in an aggregated record of the Kinesis Producer Library (KPL).

The format is described in aggregation-format.md of amazon-kinesis-producer: a magic number, a
protobuf message with a table of partition keys and the entries, and the message's MD5.
"""

import hashlib
from collections.abc import Iterator, Sequence

from streaming.errors import CorruptRecord

AGGREGATE_MAGIC = b"\xf3\x89\x9a\xc2"
DIGEST_BYTES = 16

ENTRIES_LIMIT = 50_000
"""Entries that an aggregated record may hold; a real record of 1 MiB holds far fewer."""

PARTITION_KEY_BYTES = 4 * 256
"""A partition key has 1 to 256 characters. Unlimited, one long key that many entries refer to would
exhaust memory: each entry gets its own copy."""

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
VARINT_BITS = 64


def deaggregate(data: bytes) -> Iterator[tuple[str | None, bytes, str | None]]:
    """Deaggregate a record.

    Args:
        data: The magic number, the protobuf message and its MD5.

    Returns:
        For each entry its partition key, its data and its decode error. If an entry is damaged, it
        has a decode error and no key, and its data is the encoded entry.

    Raises:
        CorruptRecord: The aggregated record as a whole is damaged.
    """
    message = data[len(AGGREGATE_MAGIC) : -DIGEST_BYTES]
    digest = hashlib.md5(message, usedforsecurity=False).digest()
    if len(data) < len(AGGREGATE_MAGIC) + DIGEST_BYTES or digest != data[-DIGEST_BYTES:]:
        raise CorruptRecord("aggregated record with a wrong checksum")
    partition_keys: list[bytes] = []
    entries: list[bytes] = []
    for number, value in _fields(message):
        if number == 1 and isinstance(value, bytes):
            partition_keys.append(value)
        elif number == 3 and isinstance(value, bytes):  # noqa: PLR2004  the format's field number
            entries.append(value)
        if max(len(entries), len(partition_keys)) > ENTRIES_LIMIT:
            raise CorruptRecord(f"aggregated record with more than {ENTRIES_LIMIT} entries or keys")
    if not entries:
        raise CorruptRecord("aggregated record without entries")
    return _decoded(entries, partition_keys)


def _decoded(
    entries: Sequence[bytes], partition_keys: Sequence[bytes]
) -> Iterator[tuple[str | None, bytes, str | None]]:
    for entry in entries:
        try:
            key, data = _entry(entry, partition_keys)
        except CorruptRecord as error:
            yield None, entry, str(error)
        else:
            yield key, data, None


def _entry(entry: bytes, partition_keys: Sequence[bytes]) -> tuple[str, bytes]:
    index: int | None = None
    data: bytes | None = None
    for number, value in _fields(entry):
        if number == 1 and isinstance(value, int):
            index = value
        elif number == 3 and isinstance(value, bytes):  # noqa: PLR2004  the format's field number
            data = value
    if data is None:
        raise CorruptRecord("aggregated entry without data")
    if index is None or index >= len(partition_keys):
        raise CorruptRecord(f"aggregated entry with partition key index {index}")
    key = partition_keys[index]
    if len(key) > PARTITION_KEY_BYTES:
        raise CorruptRecord(f"aggregated entry with a partition key of {len(key)} bytes")
    try:
        return key.decode(), data
    except UnicodeDecodeError as error:
        raise CorruptRecord("aggregated entry with a partition key that is not UTF-8") from error


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and value of each field of a protobuf message (protobuf.dev, Encoding)."""
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == LENGTH_DELIMITED:
            length, position = _varint(message, position)
        elif wire_type in (FIXED32, FIXED64):
            length = 4 if wire_type == FIXED32 else 8
        else:
            raise CorruptRecord(f"aggregated record with a field of wire type {wire_type}")
        if length > end - position:
            raise CorruptRecord("aggregated record with a field that is longer than the record")
        yield number, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return a base-128 integer of at most 64 bits and the position after it."""
    value = 0
    for shift in range(0, VARINT_BITS + 6, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  the continuation bit is not set
            return value, position
    raise CorruptRecord("aggregated record with an unterminated integer")
