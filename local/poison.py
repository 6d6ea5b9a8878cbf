"""Records that no consumer can make sense of, for seeing what happens to them."""

import gzip
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

_POISONS: tuple[Callable[[bytes], bytes], ...] = (
    lambda _: b"not JSON at all",
    lambda event: event[: len(event) // 2],
    lambda event: gzip.compress(event)[:-12],
    lambda event: event.decode().encode("utf-16"),
    lambda event: b"[" + event + b"]",
    lambda event: _with_ride_field(event, "PULocationID", 266),
    lambda event: _with_ride_field(event, "DOLocationID", None),
    lambda event: _with_ride_field(event, "trip_distance", "3.66"),
)


def poison(event: bytes, random: Random) -> bytes:
    """Spoil an encoded ride event in one of the ways that happen in practice."""
    return random.choice(_POISONS)(event)


def _with_ride_field(event: bytes, field: str, value: Any) -> bytes:
    ride = msgspec.json.decode(event)
    ride["ride"][field] = value
    return msgspec.json.encode(ride)
