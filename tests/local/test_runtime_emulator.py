import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local.errors import FunctionError, FunctionUnavailable
from local.runtime_emulator import RuntimeEmulator
from streaming.errors import SettingsError


class Emulator(ThreadingHTTPServer):
    """Answers as the runtime interface emulator does, from a script."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status, self.body = 200, b"{}"
        self.received: list[tuple[str, bytes]] = []
        self.busy = threading.Lock()
        self.overlapped = False
        self.released = threading.Event()
        self.released.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    server: Emulator

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
def emulator() -> Iterator[Emulator]:
    with Emulator() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def test_an_event_is_posted_and_the_response_comes_back(emulator: Emulator) -> None:
    emulator.body = b'{"batchItemFailures": []}'

    assert RuntimeEmulator(emulator.url).invoke(b'{"Records": []}') == emulator.body
    assert emulator.received == [("/2015-03-31/functions/function/invocations", b'{"Records": []}')]


@pytest.mark.parametrize("status", [200, 502])
def test_an_error_object_is_a_function_error_whatever_the_status(
    emulator: Emulator, status: int
) -> None:
    emulator.status = status
    emulator.body = b'{"errorMessage": "no such zone", "errorType": "LookupError"}'

    with pytest.raises(FunctionError, match="LookupError: no such zone"):
        RuntimeEmulator(emulator.url).invoke(b"{}")


def test_a_timeout_that_the_emulator_tells_is_a_function_error(emulator: Emulator) -> None:
    emulator.body = b"Task timed out after 3.00 seconds"

    with pytest.raises(FunctionError, match="Task timed out") as caught:
        RuntimeEmulator(emulator.url).invoke(b"{}")

    assert caught.value.error_type == "Sandbox.Timedout"


def test_no_answer_in_time_is_a_function_error(emulator: Emulator) -> None:
    emulator.released.clear()

    with pytest.raises(FunctionError, match=r"no answer within 0\.10 seconds"):
        RuntimeEmulator(emulator.url, timeout_seconds=0.1).invoke(b"{}")


def test_an_emulator_that_is_out_of_order_is_unavailable(emulator: Emulator) -> None:
    emulator.status, emulator.body = 500, b"Internal Server Error"

    with pytest.raises(FunctionUnavailable, match="the emulator answered 500"):
        RuntimeEmulator(emulator.url).invoke(b"{}")


def test_an_emulator_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(FunctionUnavailable, match=r"no emulator at 127\.0\.0\.1:1"):
        RuntimeEmulator("http://127.0.0.1:1").invoke(b"{}")


def test_invocations_take_turns(emulator: Emulator) -> None:
    function = RuntimeEmulator(emulator.url)
    threads = [threading.Thread(target=function.invoke, args=[b"{}"]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(emulator.received) == 4
    assert not emulator.overlapped


@pytest.mark.parametrize("body", [b"null", b'"done"', b"[]", b"plain text"])
def test_a_response_of_any_shape_comes_back(emulator: Emulator, body: bytes) -> None:
    emulator.body = body

    assert RuntimeEmulator(emulator.url).invoke(b"{}") == body


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "https://host", "http://", "http://h:99999", "http://[::1"]
)
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"FUNCTION_URL is '.*'; allowed: http:// and a host"):
        RuntimeEmulator(url)
