from __future__ import annotations

import enum
import timeit
from typing import TYPE_CHECKING, Annotated, TypedDict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.consumer.validation import (
    LOOKUP_BYTES,
    UNDESCRIBED,
    invalid_event,
)
from streaming.errors import DECODE_ERRORS, VALUE_LIMIT

if TYPE_CHECKING:
    from streaming.errors import InvalidEvent


class Kind(enum.Enum):
    BOX = "box"


class Reading(msgspec.Struct):
    celsius: float
    age: Annotated[int, msgspec.Meta(ge=0)] = 0


class Shipment(msgspec.Struct):
    sizes: list[int]
    name: str = ""
    kind: Kind = Kind.BOX
    readings: list[Reading] = []
    labels: dict[str, int] = {}
    at: Annotated[str, msgspec.Meta(max_length=3)] = msgspec.field(default="", name="picked up")


ALLOWED = {
    "event": "a JSON object",
    "name": "a string",
    "sizes": "a list of integers",
    "readings[...].age": "seconds",
}


ESCAPED = r"""
"it's in C:\\rides\n"
""".strip()


def explained(content: bytes, kind: type = Shipment) -> InvalidEvent:
    with pytest.raises(DECODE_ERRORS) as raised:
        msgspec.json.decode(content, type=kind)
    return invalid_event(content, raised.value, ALLOWED)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"sizes": 5}', "sizes is 5; allowed: a list of integers"),
        (b'{"sizes": {"a": [1]}}', 'sizes is {"a": [1]}; allowed: a list of integers'),
        (b'{"sizes": [], "name": null}', "name is null; allowed: a string"),
        (b'{"name": "x"}', "sizes is missing; allowed: a list of integers"),
        (b'{"sizes": NaN}', "sizes is NaN; allowed: a list of integers"),
        (b'{"sizes": -Infinity}', "sizes is -Infinity; allowed: a list of integers"),
        (b'{"sizes": [], "name": NaN, "x": NaN}', "name is NaN; allowed: a string"),
        (b'{"sizes": [], "name": 1e999}', "name is 1e999; allowed: a string"),
        (b'{"sizes": [], "name": 12345678901234567890}', "name is 12345678901234567890; allow"),
        (b'{"sizes": [], "other": NaN}', 'event is b\'{"sizes": [], "other": NaN}\''),
        (b'{"sizes": [], "x": {"name": NaN}}', "event is b'{"),
        (b'{"sizes": [NaN]}', "event is b'{"),
        (b"[]", "event is b'[]'; allowed: a JSON object"),
        (b"{", "event is b'{'; allowed: a JSON object"),
        (b'{"sizes": [], "name": "\xff"}', "event is b'{"),
    ],
)
def test_an_invalid_field_is_shown_with_its_value_and_what_is_allowed(
    content: bytes, message: str
) -> None:
    assert str(explained(content)).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'{"sizes": [], "readings": [{"celsius": 1}, {"celsius": "hot"}]}',
            'readings[1].celsius is "hot"; allowed: Expected `float`, got `str`',
        ),
        (
            b'{"sizes": [], "readings": [{"celsius": 1, "age": -7}]}',
            "readings[0].age is -7; allowed: seconds",
        ),
        (b'{"sizes": [1, "two"]}', 'sizes[1] is "two"; allowed: Expected `int`, got `str`'),
        (
            b'{"sizes": [], "readings": [{}]}',
            f"readings[0].celsius is missing; allowed: {UNDESCRIBED}",
        ),
        (b'{"sizes": [], "picked up": "abcd"}', 'picked up is "abcd"; allowed: Expected `str` of'),
        (
            b'{"sizes": [], "labels": {"a": "b"}}',
            "labels[...] is not shown; allowed: Expected `int`, got `str`",
        ),
    ],
)
def test_a_field_is_found_by_its_path(content: bytes, message: str) -> None:
    assert str(explained(content)).startswith(message)


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_characters='.[]"\\`', exclude_categories=["C"]), min_size=1),
    st.integers(0, 300),
)
def test_an_element_of_a_field_of_any_name_is_found(name: str, index: int) -> None:
    listing = msgspec.defstruct("Listing", [("sizes", list[int])], rename={"sizes": name})
    content = msgspec.json.encode({"other": "x", name: [*range(index), "no"]})

    assert str(explained(content, listing)).startswith(f'{name}[{index}] is "no"; allowed: Expect')


def test_a_field_with_a_quote_in_its_name_is_not_looked_up() -> None:
    board = TypedDict("board", {'6" wide': int})

    message = str(explained(b'{"6\\" wide": "x"}', board))

    assert message == '6" wide is not shown; allowed: Expected `int`, got `str`'


@pytest.mark.parametrize(
    "content",
    [
        b'{"sizes": [], "kind": "SECRET"}',
        b'{"sizes": [], "labels": {"SECRET": "x"}}',
        b'{"sizes": [], "picked up": "SECRET"}',
        b'{"sizes": ["SECRET"]}',
        b'{"sizes": [], "kind": "Expected `SECRET`"}',
        b'{"sizes": [], "kind": "Object missing required field `SECRET`"}',
    ],
)
def test_what_is_logged_holds_no_value_of_the_event(content: bytes) -> None:
    assert "SECRET" not in explained(content).reason


def test_a_value_is_shown_without_control_characters() -> None:
    content = '{"sizes": "\x9b31m\N{RIGHT-TO-LEFT OVERRIDE}é"}'.encode()

    assert str(explained(content)).startswith('sizes is "\\x9b31m\\u202eé"; allowed')


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (ESCAPED, ESCAPED),
        (f'"{"z" * 300}"', f'"{"z" * (VALUE_LIMIT - 1)}…'),
        (f'"{"é" * 300}"', f'"{"é" * (VALUE_LIMIT - 1)}…'),
        (f'"{"🚕" * 80}"', f'"{"🚕" * (VALUE_LIMIT - 1)}…'),
        (f'"{"z" * (VALUE_LIMIT - 2)}"', f'"{"z" * (VALUE_LIMIT - 2)}"'),
    ],
    ids=["escapes", "one byte a character", "two bytes", "four bytes", "just not too long"],
)
def test_a_value_is_shown_as_in_the_event_up_to_a_limit(value: str, shown: str) -> None:
    content = f'{{"sizes": {value}}}'.encode()

    assert str(explained(content)).startswith(f"sizes is {shown}; allowed")


def test_bytes_that_are_not_utf_8_are_shown_as_replaced() -> None:
    assert str(explained(b'{"sizes": {"a": "\xff"}}')).startswith('sizes is {"a": "\ufffd"}; allow')


@pytest.mark.parametrize("value", [b"5", b"NaN"])
@pytest.mark.parametrize(("size", "is_shown"), [(LOOKUP_BYTES, True), (LOOKUP_BYTES + 1, False)])
def test_a_value_is_shown_up_to_a_size_of_the_event(
    value: bytes, size: int, *, is_shown: bool
) -> None:
    content = (b'{"sizes": %s, "x": "' % value).ljust(size - 2, b"x") + b'"}'
    assert len(content) == size

    assert str(explained(content)).startswith(f"sizes is {value.decode()};") is is_shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'{"name": 5, "x": "%s"}',
            "name is not shown (the event has 8212 bytes); allowed: a str",
        ),
        (b'{"name": "", "%s": 0}', "sizes is missing; allowed: a list of integers"),
        (b'{"name": NaN, "%s": 0}', 'event is b\'{"name": NaN'),
    ],
)
def test_fields_of_a_large_event_are_not_shown(content: bytes, message: str) -> None:
    assert str(explained(content % (b"x" * LOOKUP_BYTES))).startswith(message)


@pytest.mark.parametrize(
    "padding",
    [
        b"[" + b"1," * 3900 + b"1]",
        b"[" + b"[]," * 2600 + b"1]",
        b"{" + b'"a":1,' * 1300 + b'"a":1}',
    ],
    ids=["numbers", "lists", "keys"],
)
@pytest.mark.parametrize("value", [b"5", b"NaN"])
def test_explaining_an_event_costs_a_few_times_as_much_as_reading_it(
    padding: bytes, value: bytes
) -> None:
    content = b'{"x": %s, "sizes": %s}' % (padding, value)
    with pytest.raises(DECODE_ERRORS) as raised:
        msgspec.json.decode(content, type=Shipment)
    assert len(content) <= LOOKUP_BYTES

    def read() -> None:
        with pytest.raises(DECODE_ERRORS):
            msgspec.json.decode(content, type=Shipment)

    def explain() -> None:
        invalid_event(content, raised.value, ALLOWED)

    assert fastest(explain) < 10 * fastest(read)


def fastest(call: object) -> float:
    return min(timeit.repeat(call, number=20, repeat=20))  # type: ignore[arg-type]
