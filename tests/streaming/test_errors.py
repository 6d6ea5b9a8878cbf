from __future__ import annotations

from typing import Any

import pytest

from streaming import errors
from streaming.errors import InvalidEvent, Poison, StreamingError, excerpt


def test_the_tree_in_the_modules_docstring_matches_the_classes() -> None:
    def drawn(cls: type, indent: str = "") -> list[str]:
        children = [c for c in vars(errors).values() if getattr(c, "__bases__", None) == (cls,)]
        lines = []
        for child in children:
            last = child is children[-1]
            lines.append(f"{indent}{'└' if last else '├'}── {child.__name__}")
            lines += drawn(child, indent + ("    " if last else "│   "))
        return lines

    lines = [line for line in (errors.__doc__ or "").splitlines() if "──" in line]

    tree = [line[: line.index("── ") + 3] + line.split("── ")[1].split()[0] for line in lines]
    assert tree == drawn(StreamingError)


def test_an_invalid_event_shows_field_and_value_but_its_reason_has_no_value() -> None:
    error = InvalidEvent("ride.PULocationID", 999, "an integer from 1 to 265")

    assert str(error) == "ride.PULocationID is 999; allowed: an integer from 1 to 265"
    assert error.reason == "ride.PULocationID is not an integer from 1 to 265"


def test_a_bare_error_has_no_traceback_cause_or_context() -> None:
    with pytest.raises(Poison) as raised:
        int_or_poison("x")

    error = raised.value.bare()

    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
    assert str(error) == "not an integer"


def int_or_poison(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise Poison("not an integer") from error


DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize("value", ["x" * 10**6, b"x" * 10**6, list(range(1000)), 10**4000])
def test_a_long_value_is_cut_at_80_characters(value: object) -> None:
    assert 70 < len(excerpt(value)) <= 81
    assert "…" in excerpt(value) or "..." in excerpt(value)


def test_a_value_without_a_repr_is_still_shown() -> None:
    assert len(excerpt(DEEP)) < 81
    # Python 3.14's reprlib has words of its own for it.
    words = ("a very large int", "<int instance with roughly 10000 digits")
    assert excerpt(10**9999).startswith(words)


def test_a_short_value_is_shown_in_full() -> None:
    assert excerpt("x" * 78) == repr("x" * 78)
