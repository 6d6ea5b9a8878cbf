"""Recognising an event that was returned before."""

from collections import OrderedDict
from hashlib import blake2b

import msgspec

from streaming.errors import DECODE_ERRORS

DIGEST_BYTES = 16

_NULL = msgspec.Raw(b"null")


class _Event(msgspec.Struct):
    event_id: str | None = None
    model: str | None = None
    stream: str | None = None


class _UnusualEvent(msgspec.Struct):
    event_id: str | None = None
    model: msgspec.Raw = _NULL
    stream: msgspec.Raw = _NULL


class RecentEvents:
    """The most recent events, by the `event_id`, `model` and `stream` of their records.

    An event id is unique within its input stream only, and two models may predict one event. A
    digest of the three is kept, so that memory does not depend on what producers write.

    Args:
        window: How many events are remembered.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def add(self, data: bytes) -> bool:
        """Add a record's event; return whether it is new.

        A record that is not a JSON object with a string `event_id` is always new. A `model` and a
        `stream` that are not both strings, or absent, are compared as they are written: a retry
        writes the same bytes.
        """
        try:
            event = _decoded(data)
        except DECODE_ERRORS:
            return True
        if event.event_id is None:
            return True
        digest = blake2b(_encode(event), digest_size=DIGEST_BYTES).digest()
        if digest in self._digests:
            return False
        self._digests.setdefault(digest)
        if len(self._digests) > self._window:
            self._digests.popitem(last=False)
        return True

    def clear(self) -> None:
        """Forget all events."""
        self._digests.clear()


def _decoded(data: bytes) -> _Event | _UnusualEvent:
    try:
        return _decode(data)
    except msgspec.ValidationError:
        return _decode_unusual(data)


_decode = msgspec.json.Decoder(_Event).decode
_decode_unusual = msgspec.json.Decoder(_UnusualEvent).decode
_encode = msgspec.json.Encoder().encode
