"""Deaggregation: the user records in an aggregated record of the Kinesis Producer Library (KPL).

The format is described in aggregation-format.md of amazon-kinesis-producer: a magic number, a
protobuf message with tables of partition keys and explicit hash keys and the entries, and the
message's MD5.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from streaming.errors import CorruptRecord

AGGREGATE_MAGIC = b"\xf3\x89\x9a\xc2"
DIGEST_BYTES = 16

ENTRIES_LIMIT = 50_000
"""Entries that an aggregated record may hold; a real record of 1 MiB holds far fewer."""

PARTITION_KEY_BYTES = 4 * 256
"""A partition key has 1 to 256 characters. Unlimited, one long key that many entries refer to would
exhaust memory: each entry gets its own copy."""

HASH_KEY_DIGITS = 39
HASH_KEYS = 2**128
"""Kinesis's hash keys are the integers below this number (API reference, PutRecords)."""

VARINT, FIXED64, LENGTH_DELIMITED, START_GROUP, END_GROUP, FIXED32 = 0, 1, 2, 3, 4, 5
VARINT_BITS = 64

# Numbers of fields, in AggregatedRecord and in the Record of each entry.
PARTITION_KEYS, EXPLICIT_HASH_KEYS, ENTRIES = 1, 2, 3
PARTITION_KEY_INDEX, EXPLICIT_HASH_KEY_INDEX, DATA = 1, 2, 3


class AggregatedEntry(NamedTuple):
    """An entry of an aggregated record.

    Attributes:
        partition_key: Its partition key; None if the entry is damaged.
        data: Its data; if the entry is damaged, the encoded entry.
        decode_error: Why the entry cannot be decoded; None if it can.
        explicit_hash_key: Its explicit hash key, if it has one that Kinesis accepts.
    """

    partition_key: str | None
    data: bytes
    decode_error: str | None = None
    explicit_hash_key: str | None = None


def deaggregate(data: bytes) -> Iterator[AggregatedEntry]:
    """Deaggregate a record.

    Args:
        data: The magic number, the protobuf message and its MD5.

    Raises:
        CorruptRecord: The aggregated record as a whole is damaged.
    """
    message = data[len(AGGREGATE_MAGIC) : -DIGEST_BYTES]
    digest = hashlib.md5(message, usedforsecurity=False).digest()
    if len(data) < len(AGGREGATE_MAGIC) + DIGEST_BYTES or digest != data[-DIGEST_BYTES:]:
        raise CorruptRecord("aggregated record with a wrong checksum")
    fields: dict[int, list[bytes]] = {PARTITION_KEYS: [], EXPLICIT_HASH_KEYS: [], ENTRIES: []}
    for number, value in _fields(message):
        if number in fields and isinstance(value, bytes):
            fields[number].append(value)
            if len(fields[number]) > ENTRIES_LIMIT:
                raise CorruptRecord(
                    f"aggregated record with more than {ENTRIES_LIMIT} entries or keys"
                )
    if not fields[ENTRIES]:
        raise CorruptRecord("aggregated record without entries")
    hash_keys = [_hash_key(key) for key in fields[EXPLICIT_HASH_KEYS]]
    return _decoded(fields[ENTRIES], fields[PARTITION_KEYS], hash_keys)


def is_hash_key(text: str) -> bool:
    """Return whether Kinesis accepts a text as an explicit hash key."""
    decimal = text.isascii() and text.isdecimal() and len(text) <= HASH_KEY_DIGITS
    return decimal and int(text) < HASH_KEYS and text == str(int(text))


def _hash_key(key: bytes) -> str | None:
    text = key.decode("latin-1")
    return text if is_hash_key(text) else None


def _decoded(
    entries: Sequence[bytes], partition_keys: Sequence[bytes], hash_keys: Sequence[str | None]
) -> Iterator[AggregatedEntry]:
    for entry in entries:
        try:
            yield _entry(entry, partition_keys, hash_keys)
        except CorruptRecord as error:
            yield AggregatedEntry(None, entry, str(error))


def _entry(
    entry: bytes, partition_keys: Sequence[bytes], hash_keys: Sequence[str | None]
) -> AggregatedEntry:
    index: int | None = None
    hash_key: str | None = None
    data: bytes | None = None
    for number, value in _fields(entry):
        if isinstance(value, int):
            if number == PARTITION_KEY_INDEX:
                index = value
            elif number == EXPLICIT_HASH_KEY_INDEX:
                hash_key = hash_keys[value] if value < len(hash_keys) else None
        elif number == DATA:
            data = value
    if data is None:
        raise CorruptRecord("aggregated entry without data")
    if index is None or index >= len(partition_keys):
        raise CorruptRecord(f"aggregated entry with partition key index {index}")
    key = partition_keys[index]
    if len(key) > PARTITION_KEY_BYTES:
        raise CorruptRecord(f"aggregated entry with a partition key of {len(key)} bytes")
    try:
        return AggregatedEntry(key.decode(), data, None, hash_key)
    except UnicodeDecodeError as error:
        raise CorruptRecord("aggregated entry with a partition key that is not UTF-8") from error


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the varints and texts of a protobuf message (protobuf.dev, Encoding).

    Fields of other wire types are skipped, groups with all that is in them: the format has none, so
    they are unknown fields, whatever their number is.
    """
    position, end = 0, len(message)
    groups: list[int] = []
    while position < end:
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, position = _varint(message, position)
            if not groups:
                yield number, value
        elif wire_type == START_GROUP:
            groups.append(number)
        elif wire_type == END_GROUP and groups and groups[-1] == number:
            groups.pop()
        else:
            length, position = _length(message, position, wire_type)
            if length > end - position:
                raise CorruptRecord("aggregated record with a field that is longer than the record")
            if wire_type == LENGTH_DELIMITED and not groups:
                yield number, message[position : position + length]
            position += length
    if groups:
        raise CorruptRecord("aggregated record with a group that does not end")


def _length(message: bytes, position: int, wire_type: int) -> tuple[int, int]:
    """Return the length of a field's value, and where the value begins."""
    if wire_type == LENGTH_DELIMITED:
        return _varint(message, position)
    if wire_type in (FIXED32, FIXED64):
        return 4 if wire_type == FIXED32 else 8, position
    raise CorruptRecord(f"aggregated record with a field of wire type {wire_type}")


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
