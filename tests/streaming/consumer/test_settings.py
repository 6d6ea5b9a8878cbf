from __future__ import annotations

import re

import pytest

from streaming.consumer.settings import Settings
from streaming.errors import SettingsError


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment, output_stream="ride_predictions")


def test_without_variables_settings_have_their_defaults() -> None:
    assert settings() == Settings(
        predictions_stream_name="ride_predictions",
        dead_letters=None,
        test_run=False,
        aggregate_output="off",
        kinesis_endpoint_url=None,
        log_level="INFO",
    )


def test_each_setting_is_read_from_its_variable() -> None:
    assert settings(
        PREDICTIONS_STREAM_NAME="other.stream-1",
        DEAD_LETTERS="s3://bucket/prefix",
        TEST_RUN="True",
        AGGREGATE_OUTPUT="Hot",
        KINESIS_ENDPOINT_URL="http://127.0.0.1:4566",
        LOG_LEVEL="debug",
    ) == Settings(
        predictions_stream_name="other.stream-1",
        dead_letters="s3://bucket/prefix",
        test_run=True,
        aggregate_output="hot",
        kinesis_endpoint_url="http://127.0.0.1:4566",
        log_level="DEBUG",
    )


@pytest.mark.parametrize("text", ["True", "true", "1", "yes", "ON"])
def test_a_flag_can_be_set_in_several_ways(text: str) -> None:
    assert settings(TEST_RUN=text).test_run


@pytest.mark.parametrize("text", ["", "False", "0", "no", "off"])
def test_a_flag_can_be_unset_in_several_ways(text: str) -> None:
    assert not settings(TEST_RUN=text).test_run


@pytest.mark.parametrize(
    "name",
    [
        "PREDICTIONS_STREAM_NAME",
        "DEAD_LETTERS",
        "AGGREGATE_OUTPUT",
        "KINESIS_ENDPOINT_URL",
        "LOG_LEVEL",
    ],
)
def test_an_empty_variable_counts_as_not_set(name: str) -> None:
    assert settings(**{name: ""}) == settings()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DEAD_LETTERS", "s3://[bucket/x", "s3://bucket/prefix or file:///folder"),
        ("DEAD_LETTERS", "s3://bucket/p#q", "s3://bucket/prefix or file:///folder"),
        ("DEAD_LETTERS", "file:///a?q", "s3://bucket/prefix or file:///folder"),
        ("KINESIS_ENDPOINT_URL", "http://[::1", "an http:// or https:// URL"),
        ("KINESIS_ENDPOINT_URL", "http://a b", "an http:// or https:// URL"),
        ("KINESIS_ENDPOINT_URL", "http://a:99999", "an http:// or https:// URL"),
        ("KINESIS_ENDPOINT_URL", "http://a:port", "an http:// or https:// URL"),
        ("PREDICTIONS_STREAM_NAME", "x" * 129, "1 to 128 letters"),
        ("PREDICTIONS_STREAM_NAME", "ride predictions", "1 to 128 letters"),
        ("DEAD_LETTERS", "bucket/prefix", "s3://bucket/prefix or file:///folder"),
        ("DEAD_LETTERS", "s3:///prefix", "s3://bucket/prefix or file:///folder"),
        ("DEAD_LETTERS", "file://folder", "s3://bucket/prefix or file:///folder"),
        ("DEAD_LETTERS", "https://bucket", "s3://bucket/prefix or file:///folder"),
        ("TEST_RUN", "maybe", "True or False"),
        ("AGGREGATE_OUTPUT", "cold", "off, hot, all"),
        ("KINESIS_ENDPOINT_URL", "127.0.0.1:4566", "an http:// or https:// URL"),
        ("KINESIS_ENDPOINT_URL", "http://", "an http:// or https:// URL"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ],
)
def test_an_invalid_value_fails_with_its_variable_and_what_is_allowed(
    name: str, value: str, allowed: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is .*; allowed: {re.escape(allowed)}") as e:
        settings(**{name: value})

    assert value[:70] in str(e.value)
    assert "\n" not in str(e.value)
