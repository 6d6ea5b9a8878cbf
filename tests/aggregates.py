"""Aggregates of the Kinesis Producer Library, built by hand so that they can be wrong."""

from __future__ import annotations

import hashlib

from streaming.aggregation import AGGREGATE_MAGIC


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def aggregate(message: bytes) -> bytes:
    return AGGREGATE_MAGIC + message + hashlib.md5(message, usedforsecurity=False).digest()


def entry(data: bytes, key_index: int = 0) -> bytes:
    return field(3, field(1, key_index) + field(3, data))
