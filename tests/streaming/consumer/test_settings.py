from __future__ import annotations

import re

import pytest

from streaming.consumer.settings import Settings
from streaming.errors import SettingsError


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment)


def test_without_variables_settings_have_their_defaults() -> None:
    assert settings() == Settings(
        predictions_stream_name=None,
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
        "MODEL_REFRESH_SECONDS",
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
        ("MODEL_REFRESH_SECONDS", "0", "an integer from 1 to 86400"),
        ("MODEL_REFRESH_SECONDS", "86401", "an integer from 1 to 86400"),
        ("MODEL_REFRESH_SECONDS", "2.5", "an integer from 1 to 86400"),
        ("MODEL_REFRESH_SECONDS", "nan", "an integer from 1 to 86400"),
        ("MODEL_REFRESH_SECONDS", "often", "an integer from 1 to 86400"),
        ("KINESIS_ENDPOINT_URL", "127.0.0.1:4566", "an http:// or https:// URL"),
        ("KINESIS_ENDPOINT_URL", "http://", "an http:// or https:// URL"),
        ("KINESIS_ENDPOINT_URL", "http://a\0b", "an http:// or https:// URL"),
        ("KINESIS_ENDPOINT_URL", "http://a\tb", "an http:// or https:// URL"),
        ("DEAD_LETTERS", "s3://My_Bucket!/x", "s3://bucket/prefix or file:///folder"),
        ("DEAD_LETTERS", "s3://bucket:9000/x", "s3://bucket/prefix or file:///folder"),
        ("DEAD_LETTERS", "file:///a%00b", "s3://bucket/prefix or file:///folder"),
        ("PREDICTIONS_STREAM_NAME", "rides\udcff", "1 to 128 letters"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ],
)
def test_an_invalid_value_fails_with_its_variable_and_what_is_allowed(
    name: str, value: str, allowed: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is .*; allowed: {re.escape(allowed)}") as e:
        settings(**{name: value})

    assert repr(value[:70])[1:-1] in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", ["KINESIS_ENDPOINT_URL", "DEAD_LETTERS"])
def test_an_error_shows_no_password(name: str) -> None:
    with pytest.raises(SettingsError, match=r"'\w+://\*\*\*@host/x'") as raised:
        settings(**{name: f"{'s3' if name == 'DEAD_LETTERS' else 'http'}://me:secret@host/x"})

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["s3://me:secret@bucket/x", "http://me:s@cret@"])
def test_the_password_in_a_url_is_masked(url: str) -> None:
    name = "DEAD_LETTERS" if url.startswith("s3") else "KINESIS_ENDPOINT_URL"
    with pytest.raises(SettingsError, match=r"//\*\*\*@") as raised:
        raise SettingsError(name, url, "another")
    assert "cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("of_lambda", "level"),
    [("WARN", "WARNING"), ("FATAL", "CRITICAL"), ("", "INFO"), ("?", "INFO")],
)
def test_the_level_of_lambdas_logging_configuration_takes_precedence(
    of_lambda: str, level: str
) -> None:
    assert settings(LOG_LEVEL="INFO", AWS_LAMBDA_LOG_LEVEL=of_lambda).log_level == level


def test_the_time_between_looks_for_a_model_is_in_seconds() -> None:
    assert settings().model_refresh_seconds == 10
    assert settings(MODEL_REFRESH_SECONDS="1").model_refresh_seconds == 1
    assert settings(MODEL_REFRESH_SECONDS="86400").model_refresh_seconds == 86_400
