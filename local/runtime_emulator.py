"""The function in a container: invoked through Lambda's runtime interface emulator.

The emulator is part of AWS's base images. It serves one invocation at a time, and a concurrent one
crashes it, so this client sends one at a time.
"""

import http.client
import json
import threading

from local.errors import FunctionError, FunctionUnavailable
from streaming.errors import SettingsError
from streaming.locations import split_url

PATH = "/2015-03-31/functions/function/invocations"
TIMEOUT_TEXT = b"Task timed out"
CONNECT_SECONDS = 5.0


class RuntimeEmulator:
    """A function behind a runtime interface emulator.

    Args:
        url: The emulator's URL, such as `http://127.0.0.1:8080`.
        timeout_seconds: Time limit of an invocation, including the container's start.

    Raises:
        SettingsError: The URL is not an HTTP URL.
    """

    def __init__(self, url: str, timeout_seconds: float = 120.0) -> None:
        self._host, self._port = _address(url)
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()

    def invoke(self, payload: bytes) -> bytes:
        """See `Function`."""
        with self._lock:
            status, body = self._post(payload)
        error = error_object(body)
        if error is not None:
            raise error
        if status != http.HTTPStatus.OK:
            raise FunctionUnavailable(f"the emulator responded {status}: {body[:80]!r}")
        return body

    def close(self) -> None:
        """Do nothing: no connection is kept between invocations."""

    def _post(self, payload: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_SECONDS)
        try:
            connection.connect()
            connection.sock.settimeout(self._timeout_seconds)
            connection.request("POST", PATH, payload, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except TimeoutError as error:
            if connection.sock is None:
                raise self._unavailable(error) from error
            raise FunctionError(
                "Sandbox.Timedout", f"no response within {self._timeout_seconds:.2f} seconds"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unavailable(error) from error
        finally:
            connection.close()

    def _unavailable(self, error: Exception) -> FunctionUnavailable:
        return FunctionUnavailable(f"no emulator at {self._host}:{self._port}: {error!r}")


def _address(url: str) -> tuple[str, int]:
    parts = split_url(url)
    if parts.scheme != "http" or not parts.hostname:
        raise SettingsError("FUNCTION_URL", url, "http:// and a host, with its port")
    return parts.hostname, parts.port or http.client.HTTP_PORT


def error_object(body: bytes) -> FunctionError | None:
    """Return the error in a response, or None: the emulator's status is 200 even for an error."""
    if body.startswith(TIMEOUT_TEXT):
        return FunctionError("Sandbox.Timedout", body.decode(errors="replace"))
    try:
        response = json.loads(body)
    except ValueError:
        return None
    if not isinstance(response, dict) or not {"errorMessage", "errorType"} & response.keys():
        return None
    return FunctionError.from_object(response)
