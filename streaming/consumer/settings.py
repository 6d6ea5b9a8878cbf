"""The function's environment variables, checked."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from streaming.aggregation_writer import Aggregation
from streaming.errors import SettingsError
from streaming.locations import (
    ALLOWED_LOCATIONS,
    parse_location,
    split_url,
)

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

StreamName = Annotated[str, msgspec.Meta(pattern=r"\A[a-zA-Z0-9_.-]{1,128}\Z")]

ALLOWED = {
    "PREDICTIONS_STREAM_NAME": "1 to 128 letters, digits, and any of _.-",
    "DEAD_LETTERS": ALLOWED_LOCATIONS,
    "TEST_RUN": "True or False",
    "AGGREGATE_OUTPUT": "off, hot, all",
    "MODEL_REFRESH_SECONDS": "an integer from 1 to 86400",
    "KINESIS_ENDPOINT_URL": "an http:// or https:// URL",
    "LOG_LEVEL": "DEBUG, INFO, WARNING, ERROR, CRITICAL",
}
LAMBDA_LEVELS: dict[str, LogLevel] = {
    "TRACE": "DEBUG",
    "DEBUG": "DEBUG",
    "INFO": "INFO",
    "WARN": "WARNING",
    "ERROR": "ERROR",
    "FATAL": "CRITICAL",
}
"""The application log levels of Lambda's logging configuration."""

FLAGS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
FIELD = re.compile(r"`\$\.(\w+)`$")
"""The end of msgspec's message."""


class Settings(msgspec.Struct, frozen=True, rename=str.upper):
    """A consumer's settings.

    Attributes:
        predictions_stream_name: `PREDICTIONS_STREAM_NAME`, the output stream; None: the model's.
        dead_letters: `DEAD_LETTERS`, `s3://bucket/prefix` or `file:///folder`; None: poison is a
            batch item failure.
        test_run: `TEST_RUN`: return the predictions instead of publishing them.
        aggregate_output: `AGGREGATE_OUTPUT`: which predictions are put in aggregated records.
        model_refresh_seconds: `MODEL_REFRESH_SECONDS`: how often, at most, the function looks for
            another model, if `MODEL_LOCATION` is a pointer.
        kinesis_endpoint_url: `KINESIS_ENDPOINT_URL`; None: the SDK's choice.
        log_level: `LOG_LEVEL`; the level of Lambda's logging configuration takes precedence.
    """

    predictions_stream_name: StreamName | None = None
    dead_letters: str | None = None
    test_run: bool = False
    aggregate_output: Aggregation = "off"
    model_refresh_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 10
    kinesis_endpoint_url: str | None = None
    log_level: LogLevel = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read and check the settings.

        Args:
            environment: Such as `os.environ`.

        Raises:
            SettingsError: A variable has a value that is not allowed.
        """
        found = {name: environment[name] for name in ALLOWED if environment.get(name)}
        values = dict(found)
        if flag := found.get("TEST_RUN"):
            values["TEST_RUN"] = FLAGS.get(flag.lower(), flag)
        if aggregation := found.get("AGGREGATE_OUTPUT"):
            values["AGGREGATE_OUTPUT"] = aggregation.lower()
        if level := found.get("LOG_LEVEL"):
            values["LOG_LEVEL"] = level.upper()
        if level := LAMBDA_LEVELS.get(environment.get("AWS_LAMBDA_LOG_LEVEL", "")):
            values["LOG_LEVEL"] = level
        try:
            settings = msgspec.convert(values, cls, strict=False)
        except msgspec.ValidationError as error:
            field = FIELD.search(str(error))
            assert field is not None  # noqa: S101  every rule is a field's
            raise _not_allowed(field[1], found[field[1]]) from None
        if settings.dead_letters is not None:
            parse_location("DEAD_LETTERS", settings.dead_letters)
        if settings.kinesis_endpoint_url is not None:
            _check_url("KINESIS_ENDPOINT_URL", settings.kinesis_endpoint_url)
        return settings


def _check_url(name: str, url: str) -> None:
    parts = split_url(url)
    is_url = parts.scheme in ("http", "https") and parts.hostname and " " not in url
    if not is_url or "@" in parts.netloc:
        raise _not_allowed(name, url)


def _not_allowed(name: str, value: str) -> SettingsError:
    return SettingsError(name, value, ALLOWED[name])
