"""Aggregation: several entries of PutRecords in one aggregated record, as the KPL writes it.

The format is described in aggregation-format.md of amazon-kinesis-producer; `aggregation` reads it.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from streaming.aggregation import (
    AGGREGATE_MAGIC,
    DATA,
    ENTRIES,
    ENTRIES_LIMIT,
    EXPLICIT_HASH_KEY_INDEX,
    EXPLICIT_HASH_KEYS,
    HASH_KEYS,
    LENGTH_DELIMITED,
    PARTITION_KEY_INDEX,
    PARTITION_KEYS,
    VARINT,
)

if TYPE_CHECKING:
    from streaming.publisher import Entry

Aggregation = Literal["off", "hot", "all"]
"""Which entries are aggregated: none; those that share a partition key; all."""

AGGREGATE_BYTES = 512 * 1024
"""Half of what a shard takes in a second: a larger record is easily throttled."""

ENTRY_FRAME_BYTES = 20
"""At most so many bytes of tags, lengths and indices in the message for each entry."""

RANGES = 64
RANGE_HASH_KEYS = tuple(str((2 * at + 1) * HASH_KEYS // (2 * RANGES)) for at in range(RANGES))
"""The middle of each of 64 equal ranges of hash keys. `all` aggregates by these, which fills up to
64 shards."""


class Packed(NamedTuple):
    """Records to put; in each of these sequences, one item is one record's.

    Attributes:
        records: The records.
        members: Positions of the entries in it.
        order_keys: Records of one order key must be put one after another.
    """

    records: Sequence["Entry"]
    members: Sequence[Sequence[int]]
    order_keys: Sequence[str]


def pack(entries: Sequence["Entry"], positions: Sequence[int], aggregation: Aggregation) -> Packed:
    """Pack entries into as few records as the aggregation allows.

    With `all`, an entry's place in the range of hash keys decides which aggregated record takes it,
    so that a partition key's entries always go to one shard, in order. The hash key is written
    explicitly, on the record and in it: the KCL drops an aggregated record if one of its entries
    does not belong to the shard.

    Args:
        entries: The entries of each partition key are in order, and stay so.
        positions: Which of them to pack.
        aggregation: Which of these to aggregate.
    """
    if aggregation == "off":
        chosen = [entries[at] for at in positions]
        return Packed(chosen, [(at,) for at in positions], [e["PartitionKey"] for e in chosen])
    by_range = aggregation == "all"
    groups: dict[str, list[int]] = {}
    for position in positions:
        key = entries[position]["PartitionKey"]
        groups.setdefault(_hash_key(key) if by_range else key, []).append(position)
    chunks = [(group, some) for group, of in groups.items() for some in _chunks(entries, of)]
    return Packed(
        [_record([entries[at] for at in some], key if by_range else None) for key, some in chunks],
        [some for _, some in chunks],
        [key for key, _ in chunks],
    )


def aggregate(entries: Sequence["Entry"], explicit_hash_key: str | None = None) -> bytes:
    """Return the data of an aggregated record.

    Args:
        entries: Its entries, in order.
        explicit_hash_key: The hash key of each of them; None: that of its partition key.
    """
    indices: dict[str, int] = {}
    hash_key_table = hash_key_index = b""
    if explicit_hash_key is not None:
        hash_key_table = encode_field(EXPLICIT_HASH_KEYS, explicit_hash_key.encode())
        hash_key_index = encode_field(EXPLICIT_HASH_KEY_INDEX, 0)
    records = [
        encode_field(
            ENTRIES,
            encode_field(
                PARTITION_KEY_INDEX, indices.setdefault(entry["PartitionKey"], len(indices))
            )
            + hash_key_index
            + encode_field(DATA, entry["Data"]),
        )
        for entry in entries
    ]
    partition_key_table = [encode_field(PARTITION_KEYS, key.encode()) for key in indices]
    return frame(b"".join([*partition_key_table, hash_key_table, *records]))


def frame(message: bytes) -> bytes:
    """Put a protobuf message between the magic number and its MD5."""
    return AGGREGATE_MAGIC + message + hashlib.md5(message, usedforsecurity=False).digest()


def encode_field(number: int, value: int | bytes) -> bytes:
    """Return a field of a protobuf message (protobuf.dev, Encoding)."""
    if isinstance(value, int):
        return encode_varint(number << 3 | VARINT) + encode_varint(value)
    return encode_varint(number << 3 | LENGTH_DELIMITED) + encode_varint(len(value)) + value


def encode_varint(value: int) -> bytes:
    """Encode an integer in base 128, low digits first."""
    digits = []
    while value > 0x7F:  # noqa: PLR2004  what seven bits hold
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*digits, value))


def _record(entries: Sequence["Entry"], explicit_hash_key: str | None) -> "Entry":
    """Return the record that holds the entries; one entry alone is not aggregated."""
    data = entries[0]["Data"] if len(entries) == 1 else aggregate(entries, explicit_hash_key)
    record: Entry = {"Data": data, "PartitionKey": entries[0]["PartitionKey"]}
    if explicit_hash_key is not None:
        record["ExplicitHashKey"] = explicit_hash_key
    return record


def _chunks(entries: Sequence["Entry"], positions: list[int]) -> list[list[int]]:
    """Divide positions, in order, into those of one record each."""
    if len(positions) == 1:
        return [positions]
    chunks: list[list[int]] = []
    size = AGGREGATE_BYTES  # the first entry starts a record
    for position in positions:
        entry = entries[position]
        added = len(entry["Data"]) + len(entry["PartitionKey"].encode()) + ENTRY_FRAME_BYTES
        size += added
        if size > AGGREGATE_BYTES or len(chunks[-1]) == ENTRIES_LIMIT:
            chunks.append([])
            size = added
        chunks[-1].append(position)
    return chunks


def _hash_key(partition_key: str) -> str:
    """Return the middle of the range of hash keys in which a partition key's lies."""
    digest = hashlib.md5(partition_key.encode(), usedforsecurity=False).digest()
    return RANGE_HASH_KEYS[digest[0] * RANGES >> 8]
