from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.fakes.clock import Clock
from tests.training.city import QUIET, write_month
from training.download import TripData
from training.errors import TripDataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD = b"PAR1 all of the month PAR1"


class Answer(NamedTuple):
    """An HTTP answer; `length` is what it promises, if that is another than the body's."""

    status: int
    body: bytes
    length: int | None = None


class Site:
    """A download site that gives its answers in order, the last one for ever.

    Attributes:
        url: The folder of its files.
        asked: The paths that were asked for.
    """

    def __init__(self, url: str, answers: tuple[Answer, ...]) -> None:
        self.url = url
        self.asked: list[str] = []
        self._answers = answers

    def answer(self, path: str) -> Answer:
        self.asked.append(path)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


@contextmanager
def site(*answers: Answer) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = served.answer(self.path)
            self.send_response(answer.status)
            self.send_header("Content-Length", str(answer.length or len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Site(
        f"http://127.0.0.1:{server.server_port}/trip-data",
        answers,
    )
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


def test_a_month_is_downloaded_once_and_then_taken_from_the_cache(tmp_path: Path) -> None:
    with site(Answer(200, GOOD)) as tlc:
        data = trip_data(tmp_path / "data", tlc.url)
        first = data.files(["2023-01"], QUIET)
        second = data.files(["2023-01"], QUIET)

    assert first == second == [tmp_path / "data" / "green_tripdata_2023-01.parquet"]
    assert first[0].read_bytes() == GOOD
    assert tlc.asked == ["/trip-data/green_tripdata_2023-01.parquet"]


def test_a_file_that_is_put_into_the_cache_by_hand_needs_no_network(tmp_path: Path) -> None:
    path = write_month(tmp_path)

    assert trip_data(tmp_path, "http://127.0.0.1:9").files(["2023-01"], QUIET) == [path]


def test_a_month_that_is_not_published_is_named_and_not_asked_for_again(tmp_path: Path) -> None:
    with (
        site(Answer(403, b"denied")) as tlc,
        pytest.raises(TripDataError, match=r"month 2031-01 is not published: .* HTTP 403"),
    ):
        trip_data(tmp_path, tlc.url).files(["2031-01"], QUIET)

    assert len(tlc.asked) == 1


def test_a_site_that_stumbles_is_asked_again_after_a_growing_pause(tmp_path: Path) -> None:
    clock = Clock()
    with site(Answer(500, b""), Answer(503, b""), Answer(200, GOOD)) as tlc:
        (path,) = trip_data(tmp_path, tlc.url, clock).files(["2023-01"], QUIET)

    assert path.read_bytes() == GOOD
    assert clock.sleeps == [1, 2]


@pytest.mark.parametrize(
    "broken",
    [
        Answer(200, GOOD[:10], len(GOOD)),
        Answer(200, b"<html>maintenance</html>"),
        Answer(200, GOOD[:-1]),
        Answer(200, b""),
    ],
    ids=["cut off", "not parquet", "end missing", "empty"],
)
def test_a_broken_download_is_repeated_and_never_reaches_the_cache(
    tmp_path: Path, broken: Answer
) -> None:
    with site(broken, Answer(200, GOOD)) as tlc:
        (path,) = trip_data(tmp_path, tlc.url).files(["2023-01"], QUIET)

    assert path.read_bytes() == GOOD
    assert list(tmp_path.iterdir()) == [path]


def test_a_download_that_fails_for_good_names_the_month_and_the_reason(tmp_path: Path) -> None:
    with (
        site(Answer(200, b"<html>")) as tlc,
        pytest.raises(TripDataError, match=r"month 2023-01 .* 4 attempts: .* not a parquet file"),
    ):
        trip_data(tmp_path, tlc.url).files(["2023-01"], QUIET)

    assert len(tlc.asked) == 4
    assert list(tmp_path.iterdir()) == []


def test_a_site_that_cannot_be_reached_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(TripDataError, match="month 2023-01 could not be downloaded") as caught:
        trip_data(tmp_path, "http://127.0.0.1:9").files(["2023-01"], QUIET)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("month", ["2023", "2023-13", "2023-1", "../2023-01", ""])
def test_a_month_that_is_none_is_refused_before_anything_is_asked_for(
    tmp_path: Path, month: str
) -> None:
    with pytest.raises(TripDataError, match="allowed: YYYY-MM"):
        trip_data(tmp_path, "http://127.0.0.1:9").files([month], QUIET)
