"""Monthly trip records from the TLC's public site, cached as files."""

import http.client
import random
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import Progress

from training.errors import TripDataError

TRIP_DATA_URL = "https://d37ci6vzurychx.cloudfront.net/trip-data"
"""Where the TLC publishes (https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page)."""

MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")

_ATTEMPTS = 4
_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 18  # bytes
_NOT_PUBLISHED = (403, 404)  # the site returns 403 for a file that it does not have


@dataclass(frozen=True, slots=True)
class TripData:
    """The monthly files: where they are published and where they are cached.

    Attributes:
        cache: Folder of the files; created by the first download.
        url: The web folder that holds `green_tripdata_YYYY-MM.parquet`.
        sleep: Waits between attempts (seconds).
        jitter: Returns a random number in [0, 1).
    """

    cache: Path = Path("data")
    url: str = TRIP_DATA_URL
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def files(self, months: Sequence[str], progress: Progress) -> list[Path]:
        """Return the file of each month, downloaded unless it is in the cache.

        Args:
            months: Each as YYYY-MM.
            progress: Shows a bar for each download.

        Raises:
            TripDataError: A month is not written as YYYY-MM, is not published, or cannot be
                downloaded.
        """
        for month in months:
            if not MONTH.fullmatch(month):
                raise TripDataError(f"month is {month!r}; allowed: YYYY-MM, such as 2023-01")
        return [self._file(month, progress) for month in months]

    def _file(self, month: str, progress: Progress) -> Path:
        path = self.cache / file_name(month)
        if path.exists():
            return path
        self.cache.mkdir(parents=True, exist_ok=True)
        url = f"{self.url}/{path.name}"
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.sleep(2 ** (attempt - 1) * self.jitter())
            try:
                _download(url, path, progress)
            except urllib.error.HTTPError as error:
                error.close()
                reason = f"HTTP {error.code}"
                if error.code in _NOT_PUBLISHED:
                    raise TripDataError(
                        f"month {month} is not published: {url} returned {reason}"
                    ) from None
            except (OSError, http.client.HTTPException) as error:
                reason = str(error)
            else:
                return path
        raise TripDataError(
            f"month {month} could not be downloaded from {url} in {_ATTEMPTS} attempts: {reason}"
        )


def file_name(month: str) -> str:
    """Return the TLC's name for a month's file."""
    return f"green_tripdata_{month}.parquet"


def _download(url: str, path: Path, progress: Progress) -> None:
    """Download `url` next to `path`, check it, then move it there: `path` is always complete."""
    part = path.with_suffix(".part")
    task = progress.add_task(f"download {path.name}", total=None)
    try:
        with (
            urllib.request.urlopen(url, timeout=_TIMEOUT) as response,  # noqa: S310  the TLC's URL, or one that the user names
            part.open("wb") as target,
            progress.wrap_file(response, total=response.length or 0, task_id=task) as source,
        ):
            shutil.copyfileobj(source, target, _CHUNK)
            missing = response.length
        if missing:
            raise OSError(f"the connection closed {missing} bytes early")
        _check_parquet(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        progress.remove_task(task)


def _check_parquet(path: Path) -> None:
    try:
        pq.read_metadata(path)
    except pa.ArrowException as error:
        raise OSError(f"the response is not a parquet file: {error}") from error
