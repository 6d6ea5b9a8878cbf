"""The terminal: a live view, or plain lines where there is no terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.live import Live

from demo.view import Snapshot, Zones, plain_dead, plain_line, plain_prediction, render

LINE_SECONDS = 1.0

Show: TypeAlias = Callable[[Snapshot], None]


@contextmanager
def open_display(
    console: Console, zones: Zones, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Show]:
    """Take over the terminal; gives the function that shows a snapshot.

    Args:
        console: Where to show.
        zones: The zones' names.
        clock: Seconds, from any origin, never going back.
    """
    if not console.is_terminal:
        yield PlainLines(console, zones, clock)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda snapshot: live.update(render(snapshot, zones), refresh=True)


class PlainLines:
    """A line a second, one for the newest dead letter, and one for each ride that others put.

    Args:
        console: Where to show.
        zones: The zones' names.
        clock: Seconds, from any origin, never going back.
    """

    def __init__(self, console: Console, zones: Zones, clock: Callable[[], float]) -> None:
        self._console = console
        self._zones = zones
        self._clock = clock
        self._next_line = clock()
        self._others = 0
        self._dead = ""

    def __call__(self, snapshot: Snapshot) -> None:
        """Show a snapshot, if it is time for a line."""
        new = snapshot.recent_others[: snapshot.sums.others - self._others]
        self._others = snapshot.sums.others
        for prediction in reversed(new):
            self._print(plain_prediction(prediction, self._zones))
        if self._clock() >= self._next_line:
            self._next_line = self._clock() + LINE_SECONDS
            self._print(plain_line(snapshot))
            dead = plain_dead(snapshot.newest_dead) if snapshot.newest_dead else ""
            if dead != self._dead:
                self._print(dead)
            self._dead = dead

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
