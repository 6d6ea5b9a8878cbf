"""What the page asks AWS for from time to time: the day's dead letters, and the iterator age."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from page.dead_letter_view import DeadLetters
from streaming import InvalidDeadLetter, Storage, StorageError
from streaming.aws_errors import describe_error
from streaming.redrive.formats import read_dead_letter_records

logger = logging.getLogger(__name__)

DEAD_LETTER_SECONDS = 10.0
AGE_SECONDS = 60.0
"""CloudWatch has a value a minute, and a thousand requests cost a cent."""

AGE_MINUTES = 10
JOIN_SECONDS = 1.0
MOST_OBJECTS = 200
"""Dead-letter objects that are read in one go; more are read the next time."""


class Poll:
    """Calls a function at intervals, in a thread, until `stop`.

    Args:
        work: What is called.
        seconds: Between two calls.
    """

    def __init__(self, work: Callable[[], None], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page-poll", daemon=True)

    def start(self) -> None:
        """Begin to call."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._work()
            self._stopped.wait(self._seconds)


class DeadLetterDays:
    """Reads the dead letters that the function writes today.

    Args:
        open_day: Opens the storage of a day's objects, `<stream>/<yyyy>/<mm>/<dd>`; None if there
            is no such folder, as on a day without any.
        stream: The input stream.
        found: Gets the dead letters.
        now: The current time.
    """

    def __init__(
        self,
        open_day: Callable[[str], Storage | None],
        stream: str,
        found: DeadLetters,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._open_day = open_day
        self._stream = stream
        self._found = found
        self._now = now
        self._day = ""
        self._read: set[str] = set()

    def poll(self) -> None:
        """Read the objects that are new, at most 200; what fails is read the next time."""
        with _logged():
            self._poll()

    def _poll(self) -> None:
        day = f"{self._stream}/{self._now():%Y/%m/%d}"
        if day != self._day:
            self._day = day
            self._read.clear()
        storage = self._open_day(day)
        if storage is None:
            return
        new = [name for name in storage.names() if name not in self._read]
        for name in new[:MOST_OBJECTS]:
            with _logged(), suppress(InvalidDeadLetter):  # a file that the function did not write
                content = storage.read(name)
                self._read.add(name)
                for record in read_dead_letter_records(content):
                    self._found.add(record)


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except (StorageError, OSError) as error:
        logger.warning("%s; retrying", error)


class FunctionAge:
    """Asks CloudWatch for a function's iterator age.

    Args:
        client: A boto3 CloudWatch client.
        function: The function's name.
        now: The current time.

    Attributes:
        milliseconds: The maximum of the newest minute; None if there is none in ten minutes.
    """

    def __init__(
        self,
        client: Any,
        function: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.milliseconds: float | None = None
        self._client = client
        self._function = function
        self._now = now

    def poll(self) -> None:
        """Ask once; after a failure the age is not known."""
        self.milliseconds = None
        try:
            response = self._client.get_metric_statistics(
                Namespace="AWS/Lambda",
                MetricName="IteratorAge",
                Dimensions=[{"Name": "FunctionName", "Value": self._function}],
                StartTime=self._now() - timedelta(minutes=AGE_MINUTES),
                EndTime=self._now(),
                Period=60,
                Statistics=["Maximum"],
            )
            points = sorted(response["Datapoints"], key=lambda point: point["Timestamp"])
        except Exception as error:  # noqa: BLE001  botocore's parser may raise anything
            logger.warning("cannot read the iterator age: %s; retrying", describe_error(error))
            return
        if points:
            self.milliseconds = float(points[-1]["Maximum"])
