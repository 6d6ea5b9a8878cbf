"""Poison records: ride events that no consumer can process."""

import gzip
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any

import msgspec

from streaming.consumer.records import DECOMPRESSED_LIMIT

BadEvent = Callable[[bytes], bytes]
"""Makes a bad event from an encoded good one."""


def bad_event(event: bytes, random: Random) -> bytes:
    """Make a bad event, of a random kind, from an encoded ride event."""
    return BAD_EVENTS[random.choice(list(BAD_EVENTS))](event)


def _with_ride_field(field: str, value: Any) -> BadEvent:
    def change(event: bytes) -> bytes:
        ride = msgspec.json.decode(event)
        ride["ride"][field] = value
        return msgspec.json.encode(ride)

    return change


def _with_field(field: str, value: Any) -> BadEvent:
    return lambda event: msgspec.json.encode({**msgspec.json.decode(event), field: value})


def _with_number(text: bytes) -> BadEvent:
    """Write a number that JSON encoders refuse to write."""
    placeholder = 1234567
    change = _with_ride_field("trip_distance", placeholder)
    return lambda event: change(event).replace(str(placeholder).encode(), text)


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


BAD_EVENTS: Mapping[str, BadEvent] = {
    "not JSON": lambda _: b"not JSON at all",
    "truncated JSON": lambda event: event[: len(event) // 2],
    "truncated gzip": lambda event: gzip.compress(event, mtime=0)[:-12],
    "gzip with a wrong checksum": _wrong_checksum,
    "gzip that decompresses to more than 10 MiB": lambda _: _bomb(),
    "UTF-16": lambda event: event.decode().encode("utf-16"),
    "a byte that is not UTF-8": _wrong_byte,
    "an array": lambda event: b"[" + event + b"]",
    "a bare number": lambda _: b"256",
    "unclosed brackets": lambda _: b"[" * 10_000,
    "no ride": _without_ride,
    "no ride id": _with_field("ride_id", None),
    "an empty ride id": _with_field("ride_id", ""),
    "a zone that does not exist": _with_ride_field("PULocationID", 266),
    "a zone that is null": _with_ride_field("DOLocationID", None),
    "a zone that is true": _with_ride_field("PULocationID", value=True),
    "a distance that is text": _with_ride_field("trip_distance", "3.66"),
    "a negative distance": _with_ride_field("trip_distance", -1.0),
    "a distance that is NaN": _with_number(b"NaN"),
    "a distance that is infinite": _with_number(b"1e999"),
    "an invalid time": _with_ride_field("pickup_datetime", "yesterday"),
}
"""By kind."""
