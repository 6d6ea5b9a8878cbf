"""Output: a live view on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.live import Live

from demo.snapshot import (
    Snapshot,
    Zones,
    plain_dead_letter,
    plain_line,
    plain_prediction,
    stopping_line,
)
from demo.view import View

LINE_SECONDS = 1.0

Show: TypeAlias = Callable[[Snapshot], None]


@contextmanager
def open_display(
    console: Console,
    zones: Zones,
    hint: Sequence[str] = (),
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Show]:
    """Open a live view or plain output, and yield the function that shows a snapshot.

    Args:
        console: Where to show.
        zones: The zones' names.
        hint: Lines about what to try.
        clock: Monotonic seconds.
    """
    if not console.is_terminal:
        for line in hint:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        yield PlainLines(console, zones, clock)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda snapshot: live.update(View(snapshot, zones, hint), refresh=True)


class OutputConsole(Console):
    """A console whose closed pipe is an error like any other's; rich's own ends the program."""

    def on_broken_pipe(self) -> None:
        """Raise the error again."""
        raise BrokenPipeError


class PlainLines:
    """Prints a line a second, each new dead-letter record, and each ride put by others.

    Args:
        console: Where to show.
        zones: The zones' names.
        clock: Monotonic seconds.
    """

    def __init__(self, console: Console, zones: Zones, clock: Callable[[], float]) -> None:
        self._console = console
        self._zones = zones
        self._clock = clock
        self._next_line = clock()
        self._others = 0
        self._dead_letter = ""
        self._stopping = False

    def __call__(self, snapshot: Snapshot) -> None:
        """Show a snapshot, if a line is due."""
        new = snapshot.recent_others[: snapshot.counts.others_predicted - self._others]
        self._others = snapshot.counts.others_predicted
        for prediction in reversed(new):
            self._print(plain_prediction(prediction, self._zones))
        if snapshot.stopping is not None and not self._stopping:
            self._stopping = True
            self._print(stopping_line(snapshot))
        if self._clock() >= self._next_line:
            self._next_line = self._clock() + LINE_SECONDS
            self._print(plain_line(snapshot))
            newest = snapshot.newest_dead_letter
            line = plain_dead_letter(newest) if newest else ""
            if line != self._dead_letter:
                self._print(line)
            self._dead_letter = line

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
