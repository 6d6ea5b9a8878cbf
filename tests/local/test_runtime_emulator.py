import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local.errors import FunctionError, FunctionUnavailable
from local.runtime_emulator import RuntimeEmulator
from streaming.errors import SettingsError


class StubEmulator(ThreadingHTTPServer):
    """A stub of the runtime interface emulator."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), StubHandler)
        self.status, self.body = 200, b"{}"
        self.received: list[tuple[str, bytes]] = []
        self.busy = threading.Lock()
        self.overlapped = False
        self.released = threading.Event()
        self.released.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class StubHandler(BaseHTTPRequestHandler):
    server: StubEmulator

    def do_POST(self) -> None:
        payload = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.busy.acquire(blocking=False):
            self.server.overlapped = True
            return
        try:
            self.server.received.append((self.path, payload))
            self.server.released.wait(20)
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(self.server.body)
        finally:
            self.server.busy.release()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def emulator() -> Iterator[StubEmulator]:
    with StubEmulator() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def test_an_event_is_posted_and_the_response_is_returned(emulator: StubEmulator) -> None:
    emulator.body = b'{"batchItemFailures": []}'

    assert RuntimeEmulator(emulator.url).invoke(b'{"Records": []}') == emulator.body
    assert emulator.received == [("/2015-03-31/functions/function/invocations", b'{"Records": []}')]


@pytest.mark.parametrize("status", [200, 502])
def test_an_error_object_is_a_function_error_whatever_the_status(
    emulator: StubEmulator, status: int
) -> None:
    emulator.status = status
    emulator.body = b'{"errorMessage": "no such zone", "errorType": "LookupError"}'

    with pytest.raises(FunctionError, match="LookupError: no such zone"):
        RuntimeEmulator(emulator.url).invoke(b"{}")


def test_a_timeout_in_the_emulator_is_a_function_error(emulator: StubEmulator) -> None:
    emulator.body = b"Task timed out after 3.00 seconds"

    with pytest.raises(FunctionError, match="Task timed out") as caught:
        RuntimeEmulator(emulator.url).invoke(b"{}")

    assert caught.value.error_type == "Sandbox.Timedout"


def test_a_response_that_is_too_late_is_a_function_error(emulator: StubEmulator) -> None:
    emulator.released.clear()

    with pytest.raises(FunctionError, match=r"no response within 0\.10 seconds"):
        RuntimeEmulator(emulator.url, timeout_seconds=0.1).invoke(b"{}")


def test_an_error_of_the_emulator_itself_means_unavailable(emulator: StubEmulator) -> None:
    emulator.status, emulator.body = 500, b"Internal Server Error"

    with pytest.raises(FunctionUnavailable, match="the emulator responded 500"):
        RuntimeEmulator(emulator.url).invoke(b"{}")


def test_a_missing_emulator_means_unavailable() -> None:
    with pytest.raises(FunctionUnavailable, match=r"no emulator at 127\.0\.0\.1:1"):
        RuntimeEmulator("http://127.0.0.1:1").invoke(b"{}")


def test_invocations_are_sent_one_at_a_time(emulator: StubEmulator) -> None:
    function = RuntimeEmulator(emulator.url)
    threads = [threading.Thread(target=function.invoke, args=[b"{}"]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(emulator.received) == 4
    assert not emulator.overlapped


@pytest.mark.parametrize("body", [b"null", b'"done"', b"[]", b"plain text"])
def test_a_response_of_any_shape_is_returned(emulator: StubEmulator, body: bytes) -> None:
    emulator.body = body

    assert RuntimeEmulator(emulator.url).invoke(b"{}") == body


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "https://host", "http://", "http://h:99999", "http://[::1"]
)
def test_a_url_that_is_not_http_is_rejected(url: str) -> None:
    with pytest.raises(SettingsError, match=r"FUNCTION_URL is '.*'; allowed: http:// and a host"):
        RuntimeEmulator(url)
