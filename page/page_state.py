"""The cells of the page: figures, zones, versions, dead letters and the last predictions."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from page.dead_letter_view import DeadLetters
from page.live_rides import LiveRides

SLOW_SECONDS = 0.5
"""How often zones and versions are computed anew: their values are those of minutes."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted.

    Attributes:
        rides_in: Rides on the input stream.
        predictions_out: Predictions on the champion's output stream.
        in_per_second: Rides per second, over the last seconds.
        out_per_second: Predictions per second.
        p50: Median milliseconds from the put until the prediction can be read; None before any.
        p99: The 99th percentile.
        iterator_age: Of the function, in milliseconds; None if not known.
        duplicates: Duplicates that were removed.
        dead_lettered: Dead letters; None if it is not known where they are.
        ended: Rides whose end was read.
        outstanding: Events without an outcome; None if not known.
    """

    rides_in: int
    predictions_out: int
    in_per_second: float
    out_per_second: float
    p50: float | None
    p99: float | None
    iterator_age: float | None
    duplicates: int
    dead_lettered: int | None
    ended: int
    outstanding: int | None = None


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows and allows.

    Attributes:
        endpoint: Where the streams are.
        input_stream: The rides' stream.
        output_streams: The predictions' streams, the champion's first.
        can_put: Whether a visitor may put a ride.
    """

    endpoint: str
    input_stream: str
    output_streams: tuple[str, ...]
    can_put: bool


class PageState:
    """Puts the cells together.

    Args:
        about: What is shown.
        live: Follows the rides.
        dead_letters: The dead letters.
        figures: Returns what is counted; None before there is anything.
        failure: Returns why the streams cannot be read; None while they can.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        about: About,
        live: LiveRides,
        dead_letters: DeadLetters,
        figures: Callable[[], Figures | None],
        *,
        failure: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._about = about
        self._live = live
        self._dead_letters = dead_letters
        self._figures = figures
        self._failure = failure
        self._clock = clock
        self._slow: dict[str, Any] = {}
        self._slow_due = clock()

    def cells(self) -> Mapping[str, Any]:
        """Return the cells: `zone.<number>` for each zone with rides, and one for each part."""
        if self._clock() >= self._slow_due:
            self._slow_due = self._clock() + SLOW_SECONDS
            self._slow = {f"zone.{zone}": values for zone, values in self._live.zones().items()}
            self._slow["versions"] = self._live.versions()
            self._slow["dead_letters"] = self._dead_letters.shown()
            self._slow["about"] = {
                **msgspec.to_builtins(self._about),
                "failure": self._failure(),
            }
        return {**self._slow, "figures": self._figures(), "recent": self._live.recent()}
