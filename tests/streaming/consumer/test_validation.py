from __future__ import annotations

import msgspec
import pytest

from streaming.consumer.validation import DECODE_ERRORS, LOOKUP_BYTES, invalid_event


class TrainingConfig(msgspec.Struct):
    sizes: list[int]
    name: str = ""


ALLOWED = {"event": "a JSON object", "name": "a string", "sizes": "a list of integers"}


def complaint(content: bytes) -> str:
    with pytest.raises(DECODE_ERRORS) as raised:
        msgspec.json.decode(content, type=TrainingConfig)
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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b'{"name": 5, "x": "%s"}',
            "name is not shown (the event has 8212 bytes); allowed: a str",
        ),
        (b'{"name": "", "%s": 0}', "sizes is missing; allowed: a list of integers"),
        (b'"%s"', "event is not shown (the event has 8194 bytes); allowed: a JSON object"),
    ],
)
def test_of_an_event_too_large_to_look_into_no_value_is_shown(content: bytes, said: str) -> None:
    assert complaint(content % (b"x" * LOOKUP_BYTES)).startswith(said)


def test_for_a_path_that_has_no_words_of_its_own_msgspecs_are_used() -> None:
    assert "Expected `int`, got `str`" in complaint(b'{"sizes": ["x"]}')
