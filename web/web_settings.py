"""The service's environment variables, checked."""

from collections.abc import Mapping
from typing import Any

import msgspec

from streaming import Settings, SettingsError
from streaming.consumer.settings import LogLevel

LOOPBACK = ("127.0.0.1", "::1", "localhost")
KEY_CHARACTERS = 16

RANGES = {
    "PORT": (0, 65_535),
    "MAX_BODY_BYTES": (1_024, 16 * 1024 * 1024),
    "MAX_EVENTS": (1, 10_000),
    "MAX_WAITING_EVENTS": (1, 1_000_000),
    "MAX_CONNECTIONS": (1, 100_000),
    "REQUEST_SECONDS": (1, 600),
    "DRAIN_SECONDS": (0, 600),
}
"""The integers, and what is allowed."""


class WebSettings(msgspec.Struct, frozen=True):
    """The settings of the service.

    Attributes:
        listen: `LISTEN`, the address to bind.
        port: `PORT`; 0: a free one.
        api_key: `API_KEY`, what callers send as `X-API-Key` or as a bearer token; None: nothing.
        max_body_bytes: `MAX_BODY_BYTES` of one request.
        max_events: `MAX_EVENTS` of one list.
        max_waiting_events: `MAX_WAITING_EVENTS`, in all requests that wait for the model; beyond,
            requests are answered with 429. One request may always wait.
        max_connections: `MAX_CONNECTIONS`; beyond, requests are answered with 503.
        request_seconds: `REQUEST_SECONDS`: how long a request's header, its body, and then its
            prediction may each take.
        drain_seconds: `DRAIN_SECONDS`: how long, after SIGTERM, the service goes on while
            `/readyz` says that it stops, so that a load balancer can see it.
        log_level: `LOG_LEVEL`.
        model_refresh_seconds: `MODEL_REFRESH_SECONDS`: how often a pointer is looked at.
    """

    listen: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = None
    max_body_bytes: int = 1024 * 1024
    max_events: int = 1_000
    max_waiting_events: int = 50_000
    max_connections: int = 1_000
    request_seconds: int = 10
    drain_seconds: int = 0
    log_level: LogLevel = "INFO"
    model_refresh_seconds: int = 10

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "WebSettings":
        """Read and check the settings.

        Args:
            environment: Such as `os.environ`.

        Raises:
            SettingsError: A variable has a value that is not allowed.
        """
        shared = Settings.from_environment(environment)
        found: dict[str, Any] = {
            "log_level": shared.log_level,
            "model_refresh_seconds": shared.model_refresh_seconds,
        }
        for name, (low, high) in RANGES.items():
            if text := environment.get(name):
                found[name.lower()] = _integer(name, text, low, high)
        if listen := environment.get("LISTEN"):
            found["listen"] = listen
        if key := environment.get("API_KEY"):
            # A header's value has no spaces around it.
            is_sendable = key.isascii() and key.isprintable() and key == key.strip()
            if len(key) < KEY_CHARACTERS or not is_sendable:
                shown = f"of {len(key)} characters"  # never the key itself
                allowed = f"at least {KEY_CHARACTERS} printable ASCII characters, no space around"
                raise SettingsError("API_KEY", shown, allowed)
            found["api_key"] = key
        return cls(**found)


def _integer(name: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(high))):
        raise SettingsError(name, text, f"an integer from {low} to {high}")
    value = int(text)
    if not low <= value <= high:
        raise SettingsError(name, text, f"an integer from {low} to {high}")
    return value
