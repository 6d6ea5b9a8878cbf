from __future__ import annotations

import msgspec
import pytest

from streaming.consumer.validation import DECODE_ERRORS, LOOKUP_BYTES, invalid_event


class Shipment(msgspec.Struct):
    sizes: list[int]
    name: str = ""


ALLOWED = {"event": "a JSON object", "name": "a string", "sizes": "a list of integers"}


def error_of(content: bytes) -> str:
    with pytest.raises(DECODE_ERRORS) as raised:
        msgspec.json.decode(content, type=Shipment)
    return str(invalid_event(content, raised.value, ALLOWED))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"sizes": 5}', "sizes is 5; allowed: a list of integers"),
        (b'{"name": "x"}', "sizes is missing; allowed: a list of integers"),
        (b'{"sizes": NaN}', "sizes is NaN; allowed: a list of integers"),
        (b'{"sizes": [], "name": 1e999}', "name is 1e999; allowed: a string"),
        (b'{"sizes": [], "other": NaN}', "event is {'other': NaN, 'sizes': []}"),
        (b"[]", "event is []; allowed: a JSON object"),
        (b"{", "event is b'{'; allowed: a JSON object"),
    ],
)
def test_an_invalid_field_is_shown_with_its_value_and_what_is_allowed(
    content: bytes, message: str
) -> None:
    assert error_of(content).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'{"name": 5, "x": "%s"}',
            "name is not shown (the event has 8212 bytes); allowed: a str",
        ),
        (b'{"name": "", "%s": 0}', "sizes is missing; allowed: a list of integers"),
        (b'"%s"', "event is not shown (the event has 8194 bytes); allowed: a JSON object"),
    ],
)
def test_values_of_a_large_event_are_not_shown(content: bytes, message: str) -> None:
    assert error_of(content % (b"x" * LOOKUP_BYTES)).startswith(message)


def test_a_field_without_a_description_is_explained_by_msgspec() -> None:
    assert "Expected `int`, got `str`" in error_of(b'{"sizes": ["x"]}')
