"""An archive of both streams beside a soak, killed at random, and its rows beside the streams."""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from subprocess import TimeoutExpired

import msgspec
import pyarrow.dataset as ds

from local.processes import start_process, stop_process
from streaming.archive.archive_state import FOLDER
from tests.soak.reconciliation import Expected, StoredRecord

KILLED = "archive killed"
IN_COMMIT = "archive killed during a commit"
ENDED = "archive ended by an error and started again"

KILL_AFTER = (0.5, 6.0)
"""Seconds from the start of a run, which begins to read after one or two, to its end."""

POLL_SECONDS = 0.02
COMMIT_SECONDS = 0.1
COMMIT_WAIT_SECONDS = 2.0
WATCH_SECONDS = 0.001
IN_COMMIT_SECONDS = 0.01
LAST_RUN_SECONDS = 120.0
EVENT_TABLES = ("ride_started", "ride_ended", "others")


class _Predicted(msgspec.Struct):
    event_id: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveCheck:
    """The archive's rows beside what the streams hold.

    Attributes:
        predictions: Rows of predictions.
        events: Rows of events.
        lost: Predictions and events on the streams without a row.
        twice: Rows with the event, and for predictions the model, of another row.
        unknown: Rows of nothing that is on the streams.
    """

    predictions: int
    events: int
    lost: int
    twice: int
    unknown: int

    @property
    def passed(self) -> bool:
        """Whether everything has exactly one row."""
        return not (self.lost or self.twice or self.unknown)


class KilledArchive:
    """Runs the archive's program again and again, each time until it is killed.

    Args:
        folder: For the archive.
        log: The program's output.
        seed: The same seed kills after the same times.

    Attributes:
        ends: How the runs ended, by kind.
    """

    def __init__(self, folder: Path, log: Path, seed: int) -> None:
        self.ends: Counter[str] = Counter()
        self._folder = folder
        self._log = log
        self._random = Random(f"{seed} archive")
        self._stopped = threading.Event()

    def run(self, endpoint_url: str) -> None:
        """Archive until stopped.

        Args:
            endpoint_url: Of a Kinesis with faults.
        """
        while not self._stopped.is_set():
            process = start_process(
                self._command(endpoint_url, "--seconds", str(COMMIT_SECONDS), "--rows", "500"),
                log=self._log,
                environment=os.environ,
            )
            kill_at = time.monotonic() + self._random.uniform(*KILL_AFTER)
            while process.poll() is None and time.monotonic() < kill_at:
                if self._stopped.wait(POLL_SECONDS):
                    break
            self._wait_for_a_commit()
            running = process.poll() is None
            process.kill()
            stop_process(process)
            ended = IN_COMMIT if self._is_in_a_commit() else KILLED
            self.ends[ended if running else ENDED] += 1

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._stopped.set()

    def finish(self, endpoint_url: str) -> int:
        """Archive what is left; return the program's exit status."""
        process = start_process(
            self._command(endpoint_url, "--once"), log=self._log, environment=os.environ
        )
        try:
            return process.wait(LAST_RUN_SECONDS)
        except TimeoutExpired:
            return 1
        finally:
            process.kill()
            stop_process(process)

    def check(self, expected: Expected, predictions: Iterable[StoredRecord]) -> ArchiveCheck:
        """Compare the rows with the streams.

        Args:
            expected: What is on the input stream.
            predictions: The records on the output stream.
        """
        decoded = (msgspec.json.decode(each.data, type=_Predicted) for each in predictions)
        return compared(
            {(each.event_id, each.model) for each in decoded},
            Counter(_rows(self._folder, "predictions", "event_id", "model")),
            expected,
            Counter(
                event_id
                for table in EVENT_TABLES
                for (event_id,) in _rows(self._folder, table, "event_id")
            ),
        )

    def _wait_for_a_commit(self) -> None:
        """Wait for the next commit, and then for a moment in it."""
        deadline = time.monotonic() + COMMIT_WAIT_SECONDS
        while time.monotonic() < deadline and not self._stopped.is_set():
            if self._is_in_a_commit():
                time.sleep(self._random.uniform(0, IN_COMMIT_SECONDS))
                return
            time.sleep(WATCH_SECONDS)

    def _is_in_a_commit(self) -> bool:
        """Return whether a state names files that are being written, or were when it was killed."""
        states = (self._folder / FOLDER).glob("*.json")
        return any(b'"pending":["' in state.read_bytes() for state in states)

    def _command(self, endpoint_url: str, *options: str) -> list[str]:
        module = "tests.soak.archive_process"
        place = ["--endpoint-url", endpoint_url, str(self._folder)]
        return [sys.executable, "-m", module, *place, *options]


def compared(
    published: set[tuple[str, str]],
    predictions: Mapping[tuple[str, ...], int],
    expected: Expected,
    events: Mapping[str, int],
) -> ArchiveCheck:
    """Compare rows with what they should be.

    Args:
        published: The event id and the model of each prediction on the output stream.
        predictions: How many rows the archive has of each of them.
        expected: What is on the input stream.
        events: How many rows the archive has of each event.
    """
    named = expected.rides.keys() | expected.poison.keys()
    # Of the events of an unrecognised type only the number is known.
    others = len(events.keys() - named)
    return ArchiveCheck(
        predictions=sum(predictions.values()),
        events=sum(events.values()),
        lost=len(published - predictions.keys())
        + len(named - events.keys())
        + max(expected.unrecognised - others, 0),
        twice=sum(predictions.values()) - len(predictions) + sum(events.values()) - len(events),
        unknown=len(predictions.keys() - published) + max(others - expected.unrecognised, 0),
    )


def _rows(folder: Path, table: str, *columns: str) -> list[tuple[str, ...]]:
    if not (folder / table).exists():
        return []
    found = ds.dataset(folder / table, format="parquet").to_table(columns=list(columns))
    return list(zip(*(found[column].to_pylist() for column in columns), strict=True))
