from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fakes.clock import Clock
from tests.training.city import QUIET, write_month
from training.download import TripData
from training.errors import TripDataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def parquet() -> bytes:
    written = BytesIO()
    pq.write_table(pa.table({"trip_distance": [3.66]}), written)
    return written.getvalue()


GOOD = parquet()


class Response(NamedTuple):
    """An HTTP response; `length` is the Content-Length it claims, by default the body's."""

    status: int
    body: bytes
    length: int | None = None


class Site:
    """A download site that returns its responses in order, then repeats the last one.

    Attributes:
        url: The folder of its files.
        requests: The paths that were requested.
    """

    def __init__(self, url: str, responses: tuple[Response, ...]) -> None:
        self.url = url
        self.requests: list[str] = []
        self._responses = responses

    def respond(self, path: str) -> Response:
        self.requests.append(path)
        return self._responses[min(len(self.requests), len(self._responses)) - 1]


@contextmanager
def site(*responses: Response) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            response = served.respond(self.path)
            self.send_response(response.status)
            self.send_header("Content-Length", str(response.length or len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Site(f"http://127.0.0.1:{server.server_port}/trip-data", responses)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def trip_data(cache: Path, url: str, clock: Clock | None = None) -> TripData:
    return TripData(cache, url, sleep=(clock or Clock()).sleep, jitter=lambda: 1.0)


def test_a_month_is_downloaded_once_and_then_read_from_the_cache(tmp_path: Path) -> None:
    with site(Response(200, GOOD)) as tlc:
        data = trip_data(tmp_path / "data", tlc.url)
        first = data.files(["2023-01"], QUIET)
        second = data.files(["2023-01"], QUIET)

    assert first == second == [tmp_path / "data" / "green_tripdata_2023-01.parquet"]
    assert first[0].read_bytes() == GOOD
    assert tlc.requests == ["/trip-data/green_tripdata_2023-01.parquet"]


def test_a_file_put_into_the_cache_by_hand_needs_no_network(tmp_path: Path) -> None:
    path = write_month(tmp_path)

    assert trip_data(tmp_path, "http://127.0.0.1:9").files(["2023-01"], QUIET) == [path]


def test_a_month_that_is_not_published_is_named_and_not_requested_again(tmp_path: Path) -> None:
    with (
        site(Response(403, b"denied")) as tlc,
        pytest.raises(TripDataError, match=r"month 2031-01 is not published: .* HTTP 403"),
    ):
        trip_data(tmp_path, tlc.url).files(["2031-01"], QUIET)

    assert len(tlc.requests) == 1


def test_a_server_error_is_retried_with_backoff(tmp_path: Path) -> None:
    clock = Clock()
    with site(Response(500, b""), Response(503, b""), Response(200, GOOD)) as tlc:
        (path,) = trip_data(tmp_path, tlc.url, clock).files(["2023-01"], QUIET)

    assert path.read_bytes() == GOOD
    assert clock.sleeps == [1, 2]


@pytest.mark.parametrize(
    "broken",
    [
        Response(200, GOOD[:10], len(GOOD)),
        Response(200, b"<html>maintenance</html>"),
        Response(200, GOOD[:-1]),
        Response(200, b"PAR1 all of the month PAR1"),
        Response(200, b""),
    ],
    ids=["cut off", "not parquet", "end missing", "no metadata", "empty"],
)
def test_a_broken_download_is_retried_and_never_reaches_the_cache(
    tmp_path: Path, broken: Response
) -> None:
    with site(broken, Response(200, GOOD)) as tlc:
        (path,) = trip_data(tmp_path, tlc.url).files(["2023-01"], QUIET)

    assert path.read_bytes() == GOOD
    assert list(tmp_path.iterdir()) == [path]


def test_a_download_that_keeps_failing_names_the_month_and_the_reason(tmp_path: Path) -> None:
    with (
        site(Response(200, b"<html>")) as tlc,
        pytest.raises(TripDataError, match=r"month 2023-01 .* 4 attempts: .* not a parquet file"),
    ):
        trip_data(tmp_path, tlc.url).files(["2023-01"], QUIET)

    assert len(tlc.requests) == 4
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_site_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(TripDataError, match="month 2023-01 could not be downloaded") as caught:
        trip_data(tmp_path, "http://127.0.0.1:9").files(["2023-01"], QUIET)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("month", ["2023", "2023-13", "2023-1", "../2023-01", ""])
def test_an_invalid_month_is_rejected_before_any_request(tmp_path: Path, month: str) -> None:
    with pytest.raises(TripDataError, match="allowed: YYYY-MM"):
        trip_data(tmp_path, "http://127.0.0.1:9").files([month], QUIET)
