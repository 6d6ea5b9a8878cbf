"""EventBridge's event patterns, with the comparisons that Lambda's event filtering has.

The rules are from the Lambda developer guide, Control which events Lambda sends to your function,
and the EventBridge user guide, Comparison operators for use in event patterns. A pattern has the
structure of what it matches; its leaves are arrays of alternatives. moto's matcher is not used: it
takes `true` for 1, does not look into arrays of objects, accepts patterns that AWS refuses, and its
import takes most of a second.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import eq, ge, gt, le, lt
from typing import Any

from streaming.errors import SettingsError

Matcher = Callable[[Any], bool]
"""Returns whether a decoded JSON value matches."""

_Leaves = Sequence[Any]
_Test = Callable[[_Leaves], bool]

SETTING = "FilterCriteria"
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": eq,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_LOWER, _UPPER = (">", ">="), ("<", "<=")


def compile_pattern(pattern: Any) -> Matcher:
    """Compile an object of a pattern.

    Args:
        pattern: Decoded JSON.

    Raises:
        SettingsError: It is not a pattern.
    """
    if not isinstance(pattern, dict) or not pattern:
        raise SettingsError(SETTING, pattern, "an object that is not empty")
    matchers = [_member(name, value) for name, value in pattern.items()]
    return lambda node: all(matches(node) for matches in matchers)


def _member(name: str, value: Any) -> Matcher:
    if name == "$or":
        return _any_of(value)
    if isinstance(value, dict):
        matches = compile_pattern(value)
        # Without an element, `{"exists": false}` may still match.
        return lambda node: any(map(matches, list(_elements(node, name)) or [None]))
    if isinstance(value, list) and value:
        tests = [_test(alternative) for alternative in value]
        return lambda node: _matches_any(tests, node, name)
    raise SettingsError(SETTING, {name: value}, "an object, or an array that is not empty")


def _any_of(patterns: Any) -> Matcher:
    if not isinstance(patterns, list) or len(patterns) < 2:  # noqa: PLR2004  one is no choice
        raise SettingsError(SETTING, {"$or": patterns}, "an array of two patterns or more")
    matchers = [compile_pattern(pattern) for pattern in patterns]
    return lambda node: any(matches(node) for matches in matchers)


def _matches_any(tests: Sequence[_Test], node: Any, name: str) -> bool:
    leaves = [element for element in _elements(node, name) if not isinstance(element, dict)]
    return any(test(leaves) for test in tests)


def _elements(node: Any, name: str) -> Iterator[Any]:
    """Yield a member's value, or the elements if it is an array; nothing if there is none."""
    todo = [node[name]] if isinstance(node, dict) and name in node else []
    while todo:  # not by recursion: hostile arrays are nested deeply
        element = todo.pop()
        if isinstance(element, list):
            todo.extend(element)
        else:
            yield element


def _test(alternative: Any) -> _Test:
    if isinstance(alternative, list):
        raise SettingsError(SETTING, alternative, "a value or a comparison in an array")
    if not isinstance(alternative, dict):
        return _of_one(lambda leaf: _is_equal(leaf, alternative))
    if len(alternative) != 1:
        raise SettingsError(SETTING, alternative, "one comparison in an object")
    ((operator, operand),) = alternative.items()
    if operator not in _OPERATORS:
        raise SettingsError(SETTING, alternative, ", ".join(_OPERATORS))
    return _OPERATORS[operator](operand)


def _of_one(matches: Matcher) -> _Test:
    return lambda leaves: any(map(matches, leaves))


def _is_equal(leaf: Any, value: Any) -> bool:
    return bool(leaf == value) and isinstance(leaf, bool) == isinstance(value, bool)


def _prefix(operand: Any) -> _Test:
    text = _text("prefix", operand)
    return _of_one(lambda leaf: isinstance(leaf, str) and leaf.startswith(text))


def _suffix(operand: Any) -> _Test:
    text = _text("suffix", operand)
    return _of_one(lambda leaf: isinstance(leaf, str) and leaf.endswith(text))


def _equals_ignore_case(operand: Any) -> _Test:
    text = _text("equals-ignore-case", operand).lower()
    return _of_one(lambda leaf: isinstance(leaf, str) and leaf.lower() == text)


def _anything_but(operand: Any) -> _Test:
    values = operand if isinstance(operand, list) else [operand]
    texts, numbers = (
        all(isinstance(value, str) for value in values),
        all(_is_number(value) for value in values),
    )
    if not values or not (texts or numbers):
        raise SettingsError(SETTING, {"anything-but": operand}, "strings, or numbers")
    return _of_one(lambda leaf: not any(_is_equal(leaf, value) for value in values))


def _exists(operand: Any) -> _Test:
    if not isinstance(operand, bool):
        raise SettingsError(SETTING, {"exists": operand}, "true or false")
    return lambda leaves: bool(leaves) is operand


def _numeric(operand: Any) -> _Test:
    if not _is_range(operand):
        raise SettingsError(
            SETTING,
            {"numeric": operand},
            'a comparison and a number such as ["=", 5], or a range such as [">", 0, "<=", 5]',
        )
    bounds = [
        (_COMPARISONS[text], bound) for text, bound in zip(operand[::2], operand[1::2], strict=True)
    ]
    return _of_one(
        lambda leaf: _is_number(leaf) and all(compare(leaf, bound) for compare, bound in bounds)
    )


def _is_range(operand: Any) -> bool:
    match operand:
        case [str(comparison), bound]:
            return comparison in _COMPARISONS and _is_number(bound)
        case [str(lower), bottom, str(upper), top]:
            numbers = _is_number(bottom) and _is_number(top)
            return lower in _LOWER and upper in _UPPER and numbers and bottom < top
    return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(operator: str, operand: Any) -> str:
    if not isinstance(operand, str):
        raise SettingsError(SETTING, {operator: operand}, "a string")
    return operand


_OPERATORS: Mapping[str, Callable[[Any], _Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "exists": _exists,
    "equals-ignore-case": _equals_ignore_case,
}
