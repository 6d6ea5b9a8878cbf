import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.event_source_mapping.event_pattern import compile_pattern
from streaming.errors import SettingsError

MATCHES: list[tuple[Any, Any]] = [
    # Equal values
    ({"city": ["NY"]}, {"city": "NY"}),
    ({"city": ["LA", "NY"]}, {"city": "NY", "more": 1}),
    ({"city": [""]}, {"city": ""}),
    ({"city": [None]}, {"city": None}),
    ({"fare": [300]}, {"fare": 300.0}),
    ({"paid": [True]}, {"paid": True}),
    ({"ride": {"PULocationID": [130]}}, {"ride": {"PULocationID": 130}}),
    # An array matches if one of its elements does
    ({"city": ["NY"]}, {"city": ["LA", "NY"]}),
    ({"city": ["NY"]}, {"city": [["LA"], ["NY"]]}),
    ({"stops": {"zone": [1]}}, {"stops": [{"zone": 2}, {"zone": 1}]}),
    # Comparisons
    ({"city": [{"prefix": "N"}]}, {"city": "NY"}),
    ({"city": [{"suffix": "Y"}]}, {"city": "NY"}),
    ({"city": [{"equals-ignore-case": "ny"}]}, {"city": "NY"}),
    ({"city": [{"anything-but": "LA"}]}, {"city": "NY"}),
    ({"city": [{"anything-but": ["LA", "SF"]}]}, {"city": "NY"}),
    ({"city": [{"anything-but": "LA"}]}, {"city": None}),
    ({"zone": [{"anything-but": [1, 2]}]}, {"zone": 3}),
    ({"fare": [{"numeric": ["=", 5]}]}, {"fare": 5.0}),
    ({"fare": [{"numeric": [">", 0, "<=", 5]}]}, {"fare": 5}),
    ({"fare": [{"numeric": ["<", 0]}]}, {"fare": -0.5}),
    ({"fare": [{"exists": True}]}, {"fare": None}),
    ({"fare": [{"exists": False}]}, {}),
    ({"fare": [{"exists": False}]}, "no object"),
    ({"ride": {"fare": [{"exists": False}]}}, {}),
    ({"ride": {"fare": [{"exists": False}]}}, {"ride": 7}),
    ({"fare": [{"exists": False}]}, {"fare": []}),
    # `exists` sees leaves only
    ({"ride": [{"exists": False}]}, {"ride": {"fare": 1}}),
    # Alternatives of one field, and of fields
    ({"city": ["LA", {"prefix": "N"}]}, {"city": "NY"}),
    ({"$or": [{"city": ["LA"]}, {"zone": [1]}]}, {"city": "NY", "zone": 1}),
    ({"a": [1], "$or": [{"b": [2]}, {"c": [3]}]}, {"a": 1, "c": 3}),
]

MISMATCHES: list[tuple[Any, Any]] = [
    ({"city": ["NY"]}, {"city": "ny"}),
    ({"city": ["NY"]}, {}),
    ({"city": ["NY"]}, {"city": {"NY": 1}}),
    ({"city": ["NY"], "zone": [1]}, {"city": "NY", "zone": 2}),
    ({"paid": [True]}, {"paid": 1}),
    ({"zone": [1]}, {"zone": True}),
    ({"zone": [1]}, {"zone": "1"}),
    ({"city": [None]}, {}),
    ({"ride": {"zone": [1]}}, {"ride": 1}),
    # One element of an array must match all of a pattern
    ({"stops": {"zone": [1], "city": ["NY"]}}, {"stops": [{"zone": 1}, {"city": "NY"}]}),
    ({"city": [{"prefix": "N"}]}, {"city": 1}),
    ({"city": [{"suffix": "N"}]}, {"city": "NY"}),
    ({"city": [{"equals-ignore-case": "ny"}]}, {"city": None}),
    ({"city": [{"anything-but": ["LA", "NY"]}]}, {"city": "NY"}),
    ({"city": [{"anything-but": "NY"}]}, {}),
    ({"fare": [{"numeric": [">", 0, "<=", 5]}]}, {"fare": 0}),
    ({"fare": [{"numeric": [">", 0]}]}, {"fare": "5"}),
    ({"fare": [{"numeric": ["=", 1]}]}, {"fare": True}),
    ({"fare": [{"exists": True}]}, {}),
    ({"fare": [{"exists": True}]}, {"fare": {"total": 1}}),
    ({"fare": [{"exists": False}]}, {"fare": 1}),
    ({"$or": [{"city": ["LA"]}, {"zone": [1]}]}, {"city": "NY", "zone": 2}),
    ({"a": [1], "$or": [{"b": [2]}, {"c": [3]}]}, {"c": 3}),
]


@pytest.mark.parametrize(("pattern", "value"), MATCHES, ids=json.dumps)
def test_a_value_matches(pattern: Any, value: Any) -> None:
    assert compile_pattern(pattern)(value)


@pytest.mark.parametrize(("pattern", "value"), MISMATCHES, ids=json.dumps)
def test_a_value_does_not_match(pattern: Any, value: Any) -> None:
    assert not compile_pattern(pattern)(value)


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ([], "an object that is not empty"),
        ({}, "an object that is not empty"),
        ({"city": {}}, "an object that is not empty"),
        ({"city": "NY"}, "an object, or an array that is not empty"),
        ({"city": []}, "an object, or an array that is not empty"),
        ({"city": [["NY"]]}, "a value or a comparison in an array"),
        ({"city": [{"prefix": "N", "suffix": "Y"}]}, "one comparison in an object"),
        ({"city": [{"wildcard": "N*"}]}, "prefix, suffix, anything-but, numeric, exists, equals"),
        ({"city": [{"prefix": 1}]}, "a string"),
        ({"city": [{"exists": "yes"}]}, "true or false"),
        ({"city": [{"anything-but": []}]}, "strings, or numbers"),
        ({"city": [{"anything-but": ["NY", 1]}]}, "strings, or numbers"),
        ({"city": [{"anything-but": {"prefix": "N"}}]}, "strings, or numbers"),
        ({"fare": [{"numeric": 5}]}, "a comparison and a number"),
        ({"fare": [{"numeric": []}]}, "a comparison and a number"),
        ({"fare": [{"numeric": ["!", 5]}]}, "a comparison and a number"),
        ({"fare": [{"numeric": ["=", True]}]}, "a comparison and a number"),
        ({"fare": [{"numeric": [">", 5, "<", 5]}]}, "a comparison and a number"),
        ({"fare": [{"numeric": ["<", 5, ">", 0]}]}, "a comparison and a number"),
        ({"fare": [{"numeric": [">", 0, "<"]}]}, "a comparison and a number"),
        ({"$or": {"city": ["NY"]}}, "an array of two patterns or more"),
        ({"$or": [{"city": ["NY"]}]}, "an array of two patterns or more"),
        ({"$or": [{"city": ["NY"]}, {}]}, "an object that is not empty"),
    ],
    ids=str,
)
def test_what_is_not_a_pattern_is_an_error_that_names_what_is_allowed(
    pattern: Any, allowed: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        compile_pattern(pattern)

    assert str(caught.value).startswith("FilterCriteria is ")
    assert f"; allowed: {allowed}" in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["", "ab"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=8,
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "ab"])
COMPARISONS = st.one_of(
    SCALARS,
    st.builds(lambda text: {"prefix": text}, st.sampled_from(["", "a", "b"])),
    st.builds(lambda text: {"suffix": text}, st.sampled_from(["", "a", "b"])),
    st.builds(lambda value: {"anything-but": value}, st.sampled_from(["ab", 1, [1, 2]])),
    st.builds(lambda exists: {"exists": exists}, st.booleans()),
    st.builds(lambda low: {"numeric": [">=", low, "<", low + 2]}, st.integers(-3, 3)),
)
PATTERNS = st.recursive(
    st.dictionaries(
        st.sampled_from("ab"), st.lists(COMPARISONS, min_size=1, max_size=2), min_size=1
    ),
    lambda inner: (
        st.dictionaries(st.sampled_from("ab"), inner, min_size=1)
        | st.builds(lambda patterns: {"$or": patterns}, st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=4,
)


@given(pattern=PATTERNS, value=VALUES)
def test_any_pattern_takes_any_value(pattern: Any, value: Any) -> None:
    assert compile_pattern(pattern)(value) in (True, False)


@given(first=PATTERNS, second=PATTERNS, value=VALUES)
def test_or_is_true_if_one_of_its_patterns_matches(first: Any, second: Any, value: Any) -> None:
    either = compile_pattern({"$or": [first, second]})(value)

    assert either == (compile_pattern(first)(value) or compile_pattern(second)(value))


@given(value=VALUES)
def test_a_field_exists_or_does_not(value: Any) -> None:
    exists = compile_pattern({"a": [{"exists": True}]})(value)
    missing = compile_pattern({"a": [{"exists": False}]})(value)

    assert exists != missing


@given(value=SCALARS)
def test_a_scalar_matches_itself_and_nothing_but_itself(value: Any) -> None:
    assert compile_pattern({"a": [value]})({"a": value})
    assert compile_pattern({"a": [value]})({"a": [0.5, value]})
    if isinstance(value, str):
        assert not compile_pattern({"a": [{"anything-but": value}]})({"a": value})


def test_deeply_nested_arrays_need_no_recursion() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]

    assert compile_pattern({"a": [1]})({"a": value})
