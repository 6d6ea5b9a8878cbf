"""From the environment to checked settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from streaming.errors import SettingsError
from streaming.locations import parse_location, split_url

STREAM_NAME_CHARACTERS = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
)
STREAM_NAME_LENGTH = 128

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LOG_LEVELS: tuple[LogLevel, ...] = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

TRUE = frozenset({"true", "1", "yes", "on"})
FALSE = frozenset({"", "false", "0", "no", "off"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a consumer is told by its environment.

    Attributes:
        predictions_stream_name: `PREDICTIONS_STREAM_NAME`, the output stream.
        dead_letters: `DEAD_LETTERS`, `s3://bucket/prefix` or `file:///folder`; None: poison is
            reported as failed.
        test_run: `TEST_RUN`: answer the predictions instead of publishing them.
        kinesis_endpoint_url: `KINESIS_ENDPOINT_URL`; None: the SDK's own choice.
        log_level: `LOG_LEVEL`.
    """

    predictions_stream_name: str
    dead_letters: str | None = None
    test_run: bool = False
    kinesis_endpoint_url: str | None = None
    log_level: LogLevel = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, output_stream: str) -> "Settings":
        """Read and check every setting.

        Args:
            environment: Such as `os.environ`.
            output_stream: The stream to publish on where `PREDICTIONS_STREAM_NAME` names none.

        Raises:
            SettingsError: A variable holds what is not allowed.
        """
        return cls(
            predictions_stream_name=_stream_name(
                environment, "PREDICTIONS_STREAM_NAME", output_stream
            ),
            dead_letters=_location(environment, "DEAD_LETTERS"),
            test_run=_flag(environment, "TEST_RUN"),
            kinesis_endpoint_url=_url(environment, "KINESIS_ENDPOINT_URL"),
            log_level=_log_level(environment, "LOG_LEVEL"),
        )


def _stream_name(environment: Mapping[str, str], name: str, default: str) -> str:
    value = environment.get(name) or default
    if not 1 <= len(value) <= STREAM_NAME_LENGTH or not set(value) <= STREAM_NAME_CHARACTERS:
        raise SettingsError(name, value, "1 to 128 letters, digits, and any of _.-")
    return value


def _location(environment: Mapping[str, str], name: str) -> str | None:
    value = environment.get(name) or None
    if value is not None:
        parse_location(name, value)
    return value


def _flag(environment: Mapping[str, str], name: str) -> bool:
    value = environment.get(name, "")
    if value.lower() not in TRUE | FALSE:
        raise SettingsError(name, value, "True or False")
    return value.lower() in TRUE


def _url(environment: Mapping[str, str], name: str) -> str | None:
    value = environment.get(name) or None
    if value is None:
        return None
    parts = split_url(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in value:
        raise SettingsError(name, value, "an http:// or https:// URL")
    return value


def _log_level(environment: Mapping[str, str], name: str) -> LogLevel:
    value = environment.get(name) or "INFO"
    for level in LOG_LEVELS:
        if value.upper() == level:
            return level
    raise SettingsError(name, value, ", ".join(LOG_LEVELS))
