"""Aggregated records of the Kinesis Producer Library, intact and damaged.

The format: amazon-kinesis-producer, aggregation-format.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.aggregation import AGGREGATE_MAGIC
from streaming.aggregation_writer import encode_field as field
from streaming.aggregation_writer import encode_varint as varint
from streaming.aggregation_writer import frame as aggregate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


__all__ = ["aggregate", "field", "varint"]
"""The writer's own functions, which can write damaged messages too."""


def aggregate_of(partition_key: str, entries: Iterable[bytes]) -> bytes:
    """Write an aggregated record whose entries, as `entry` writes them, share a partition key."""
    return aggregate(field(1, partition_key.encode()) + b"".join(entries))


def entry(data: bytes, key_index: int = 0) -> bytes:
    return field(3, entry_content(data, key_index))


def entry_content(data: bytes, key_index: int = 0) -> bytes:
    """Write an entry without its field header: what a dead-letter record keeps of a bad entry."""
    return field(1, key_index) + field(3, data)


DAMAGED_ENTRIES: Mapping[str, Callable[[bytes], bytes]] = {
    "an entry without data": lambda _: field(1, 0),
    "an entry with an unknown partition key": lambda event: entry_content(event, key_index=7),
    "an entry cut short": lambda event: entry_content(event)[:-3],
}
"""By the damage: writes the content of an entry for an event; other entries are unaffected."""

DAMAGED_AGGREGATES: Mapping[str, Callable[[bytes], bytes]] = {
    "an aggregate with a wrong checksum": lambda event: (
        aggregate_of("key", [entry(event)])[:-1] + b"\x00\x00"
    ),
    "an aggregate cut short": lambda event: aggregate_of("key", [entry(event)])[:-40],
    "an aggregate without a message": lambda _: AGGREGATE_MAGIC,
}
"""By the damage: writes an aggregated record of an event that is corrupt as a whole."""
