"""A real Chromium at the page, and what the page shows.

Importing this skips tests where there is no Chromium.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from page.dead_letter_view import DeadLetters
from page.live_rides import LiveRides
from page.page_state import About, Figures, PageState
from page.ride_form import RideForm
from page.server import Page
from tests.page.ride_stream import CHALLENGER, PREDICTIONS, RIDES, predicted, started

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the browser's tests need playwright"
)
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if not CHROMIUM:
    pytest.skip("no Chromium on this machine", allow_module_level=True)

# Without them Chromium looks for its maker's hosts; as root it runs without its sandbox only.
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]
WAIT = 15_000.0
"""Milliseconds that a state may take to show; a failure, not a measurement."""

SIZES = {"desktop": (1360, 900), "80 columns": (640, 900), "phone": (390, 844)}
expect = playwright.expect


class City:
    """What the page shows, under the test's control."""

    def __init__(self, *, can_put: bool = True) -> None:
        self.live = LiveRides(PREDICTIONS)
        self.letters = DeadLetters()
        self.failure: str | None = None
        self.are_letters_read = True
        self.put: list[dict[str, Any]] = []
        about = About(
            endpoint="http://127.0.0.1:4566",
            input_stream=RIDES,
            output_streams=(PREDICTIONS, CHALLENGER),
            can_put=can_put,
        )
        state = PageState(
            about, self.live, self.letters, self._figures, failure=lambda: self.failure
        )
        form = RideForm(self, RIDES, self.live)
        self.page = Page(cells=state.cells, form=form if can_put else None)

    def ride(self, ride: int, pickup: int, minutes: float, tip: float = 2.0) -> None:
        self.live.event(started(ride, pickup, pickup_datetime="2025-03-01T08:15:00"))
        self.live.prediction(PREDICTIONS, predicted(ride, minutes, tip))

    def put_record(self, **entry: Any) -> dict[str, str]:
        event = json.loads(entry["Data"])
        self.put.append(event["ride"])
        self.live.prediction(PREDICTIONS, predicted(entry["PartitionKey"], 33.3, tip=4.5))
        return {"ShardId": "shardId-000000000000", "SequenceNumber": "1"}

    def _figures(self) -> Figures:
        return Figures(
            rides_in=self.live.events,
            predictions_out=1_234_567,
            in_per_second=99.6,
            out_per_second=98.2,
            p50=412.0,
            p99=873.0,
            iterator_age=17.0,
            duplicates=3,
            dead_lettered=self.letters.count if self.are_letters_read else None,
            ended=self.live.ends,
        )


class Visit:
    """A browser at the page, and everything that went wrong there."""

    def __init__(self, tab: Any, address: str) -> None:
        self.tab = tab
        self.problems: list[str] = []
        self.requests: set[str] = set()
        self._address = address
        tab.on("console", lambda message: self._console(message.type, message.text))
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.on("request", lambda request: self.requests.add(request.url))

    def open(self) -> None:
        self.tab.goto(self._address)
        expect(self.tab.locator("body.live")).to_be_visible(timeout=WAIT)

    def has(self, selector: str, text: str | re.Pattern[str]) -> None:
        expect(self.tab.locator(selector)).to_contain_text(text, timeout=WAIT)

    def zone(self, number: int) -> Any:
        return self.tab.locator(f'[data-zone="{number}"]')

    def _console(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.problems.append(text)


@contextmanager
def launched() -> Iterator[Any]:
    with playwright.sync_playwright() as started_playwright:
        browser = started_playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visiting(
    chromium: Any, address: str, size: tuple[int, int] = SIZES["desktop"], scheme: str = "light"
) -> Iterator[Visit]:
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
    )
    try:
        yield Visit(context.new_page(), address)
    finally:
        context.close()
