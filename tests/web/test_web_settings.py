"""The service's environment variables."""

from __future__ import annotations

import pytest

from streaming import SettingsError
from web.web_settings import WebSettings

KEY = "sixteen-characters-or-more"


def test_the_defaults_are_loopback_without_a_key() -> None:
    found = WebSettings.from_environment({"PORT": "", "API_KEY": ""})

    assert (found.listen, found.port, found.api_key) == ("127.0.0.1", 8000, None)


def test_every_variable_is_read() -> None:
    found = WebSettings.from_environment(
        {
            "LISTEN": "0.0.0.0",  # noqa: S104
            "PORT": "0",
            "API_KEY": KEY,
            "MAX_BODY_BYTES": "2048",
            "MAX_EVENTS": "5",
            "MAX_WAITING_EVENTS": "6",
            "MAX_CONNECTIONS": "7",
            "REQUEST_SECONDS": "8",
            "DRAIN_SECONDS": "9",
            "LOG_LEVEL": "debug",
            "MODEL_REFRESH_SECONDS": "11",
        }
    )

    assert found == WebSettings(
        "0.0.0.0",  # noqa: S104
        0,
        KEY,
        2048,
        5,
        6,
        7,
        8,
        9,
        "DEBUG",
        11,
    )


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "65536", "an integer from 0 to 65535"),
        ("PORT", "-1", "an integer from 0 to 65535"),
        ("MAX_EVENTS", "0", "an integer from 1 to 10000"),
        ("MAX_EVENTS", "1e3", "an integer from 1 to 10000"),
        ("REQUEST_SECONDS", "٣", "an integer from 1 to 600"),
        ("MAX_BODY_BYTES", "9" * 5_000, "an integer from 1024 to 16777216"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ],
)
def test_a_value_that_is_not_allowed_names_the_variable(
    name: str, value: str, allowed: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        WebSettings.from_environment({name: value})

    assert str(refused.value).startswith(f"{name} is ")
    assert str(refused.value).endswith(f"; allowed: {allowed}")


@pytest.mark.parametrize(
    "key", ["short", "é" * 16, "with\nline breaks and more", " with a space before"]
)
def test_a_key_that_cannot_work_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(SettingsError, match=r"^API_KEY is ") as refused:
        WebSettings.from_environment({"API_KEY": key})

    assert key not in str(refused.value)
