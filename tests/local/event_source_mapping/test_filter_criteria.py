import json
from typing import Any

import pytest

from local.event_source_mapping.filter_criteria import FilterCriteria
from streaming.errors import SettingsError
from tests.local.event_source_mapping.mapping_fixtures import stream_record

RIDE = b'{"event_type": "ride_started", "ride": {"PULocationID": 130}}'


def matches(*patterns: Any, data: bytes = RIDE, key: str = "256") -> bool:
    criteria = FilterCriteria([json.dumps(pattern) for pattern in patterns])
    return criteria.matches(stream_record(1, key=key, data=data))


def test_without_a_filter_every_record_matches() -> None:
    assert matches(data=b"\xff")


def test_data_is_matched_as_json() -> None:
    assert matches({"data": {"event_type": ["ride_started"]}})
    assert not matches({"data": {"event_type": ["ride_ended"]}})


def test_one_of_the_filters_must_match() -> None:
    ended = {"data": {"event_type": ["ride_ended"]}}

    assert matches(ended, {"data": {"ride": {"PULocationID": [130]}}})
    assert not matches(ended, ended)


def test_a_filter_must_match_in_data_and_partition_key() -> None:
    started = {"event_type": ["ride_started"]}

    assert matches({"partitionKey": ["256"], "data": started})
    assert not matches({"partitionKey": ["257"], "data": started})
    assert not matches({"partitionKey": ["256"], "data": {"event_type": ["ride_ended"]}})


@pytest.mark.parametrize(
    "data", [b"plain text", b"\xff", b"", b"[" * 100_000, b"\xf3\x89\x9a\xc2 aggregated"], ids=len
)
def test_data_that_is_not_json_matches_no_pattern_of_data(data: bytes) -> None:
    assert not matches({"data": {"event_type": [{"exists": False}]}}, data=data)
    assert matches({"partitionKey": [{"prefix": "2"}]}, data=data)


@pytest.mark.parametrize("data", [b"7", b"null", b'"text"', b"[]"])
def test_json_that_is_no_object_has_no_fields(data: bytes) -> None:
    assert matches({"data": {"event_type": [{"exists": False}]}}, data=data)
    assert not matches({"data": {"event_type": [{"exists": True}]}}, data=data)


def test_a_lone_surrogate_in_a_partition_key_is_matched() -> None:
    assert not matches({"partitionKey": ["256"]}, key="\ud800")


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        (["{"], "a pattern in JSON"),
        (["[" * 4000], "a pattern in JSON"),
        (['{"data": {"a": [{"numeric": [">", NaN]}]}}'], "a pattern in JSON"),
        (['{"data": {"a": ["\udcff"]}}'], "a pattern in JSON"),
        (["[1]"], "an object with data, partitionKey or both"),
        (["{}"], "an object with data, partitionKey or both"),
        (['{"sequenceNumber": ["1"]}'], "an object with data, partitionKey or both"),
        (['{"data": ["text"]}'], "an object that is not empty"),
        (['{"data": null}'], "an object that is not empty"),
        (['{"partitionKey": "1"}'], "an object, or an array that is not empty"),
        (['{"data": {"a": [1]}}' + " " * 4096], "at most 4,096 characters"),
        (['{"data": {"a": [1]}}'] * 6, "at most 5 filters"),
    ],
    ids=range(12),
)
def test_what_aws_refuses_is_an_error_that_names_what_is_allowed(
    patterns: list[str], allowed: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        FilterCriteria(patterns)

    assert str(caught.value).startswith("FilterCriteria is ")
    assert f"; allowed: {allowed}" in str(caught.value)
