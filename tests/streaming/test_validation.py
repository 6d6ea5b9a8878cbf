from __future__ import annotations

import msgspec
import pytest

from streaming.validation import DECODE_ERRORS, invalid_event


class Order(msgspec.Struct):
    sizes: list[int]
    name: str = ""


ALLOWED = {"event": "a JSON object", "name": "a string", "sizes": "a list of integers"}


def complaint(content: bytes) -> str:
    with pytest.raises(DECODE_ERRORS) as raised:
        msgspec.json.decode(content, type=Order)
    return str(invalid_event(content, raised.value, ALLOWED))


@pytest.mark.parametrize(
    ("content", "said"),
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
def test_the_field_its_value_and_what_is_allowed_are_named(content: bytes, said: str) -> None:
    assert complaint(content).startswith(said)


def test_for_a_path_that_has_no_words_of_its_own_msgspecs_are_used() -> None:
    assert "Expected `int`, got `str`" in complaint(b'{"sizes": ["x"]}')
