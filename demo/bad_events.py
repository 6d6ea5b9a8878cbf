"""Records that no consumer can make sense of, for seeing what happens to them."""

import gzip
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any

import msgspec

from streaming.consumer.records import DECOMPRESSED_LIMIT

Spoiler = Callable[[bytes], bytes]


def poison(event: bytes, random: Random) -> bytes:
    """Spoil an encoded ride event in one of the ways that happen in practice."""
    return SPOILERS[random.choice(list(SPOILERS))](event)


def _with_ride_field(field: str, value: Any) -> Spoiler:
    def spoil(event: bytes) -> bytes:
        ride = msgspec.json.decode(event)
        ride["ride"][field] = value
        return msgspec.json.encode(ride)

    return spoil


def _with_field(field: str, value: Any) -> Spoiler:
    return lambda event: msgspec.json.encode({**msgspec.json.decode(event), field: value})


def _with_number(text: bytes) -> Spoiler:
    """Write a number that JSON's encoders refuse."""
    mark = 1234567
    with_mark = _with_ride_field("trip_distance", mark)
    return lambda event: with_mark(event).replace(str(mark).encode(), text)


def _without_ride(event: bytes) -> bytes:
    ride = msgspec.json.decode(event)
    del ride["ride"]
    return msgspec.json.encode(ride)


def _wrong_byte(event: bytes) -> bytes:
    return event[:-1] + b',"driver":"Jos\xe9"}'


def _wrong_checksum(event: bytes) -> bytes:
    packed = bytearray(gzip.compress(event, mtime=0))
    packed[-5] ^= 0xFF
    return bytes(packed)


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * (DECOMPRESSED_LIMIT + 1), mtime=0)


SPOILERS: Mapping[str, Spoiler] = {
    "not JSON": lambda _: b"not JSON at all",
    "JSON cut short": lambda event: event[: len(event) // 2],
    "gzip cut short": lambda event: gzip.compress(event, mtime=0)[:-12],
    "gzip with a wrong checksum": _wrong_checksum,
    "gzip that unpacks to more than 10 MiB": lambda _: _bomb(),
    "UTF-16": lambda event: event.decode().encode("utf-16"),
    "a byte that is not UTF-8": _wrong_byte,
    "an array": lambda event: b"[" + event + b"]",
    "a bare number": lambda _: b"256",
    "brackets without end": lambda _: b"[" * 10_000,
    "no ride": _without_ride,
    "no ride id": _with_field("ride_id", None),
    "an empty ride id": _with_field("ride_id", ""),
    "a zone that does not exist": _with_ride_field("PULocationID", 266),
    "a zone that is null": _with_ride_field("DOLocationID", None),
    "a zone that is true": _with_ride_field("PULocationID", value=True),
    "a distance that is text": _with_ride_field("trip_distance", "3.66"),
    "a distance below zero": _with_ride_field("trip_distance", -1.0),
    "a distance that is NaN": _with_number(b"NaN"),
    "a distance beyond all numbers": _with_number(b"1e999"),
    "a time that is none": _with_ride_field("pickup_datetime", "yesterday"),
}
"""By what is wrong: what spoils an encoded event in that way."""
