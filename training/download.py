"""Months of trip records from the TLC's public site, cached as files."""

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

from rich.progress import Progress

from training.errors import TripDataError

TRIP_DATA_URL = "https://d37ci6vzurychx.cloudfront.net/trip-data"
"""Where the TLC publishes (https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page)."""

MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")

_ATTEMPTS = 4
_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 18  # bytes
_NOT_PUBLISHED = (403, 404)  # the site answers 403 for a file that it does not have
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class TripData:
    """Where months come from and where they are kept.

    Attributes:
        cache: Folder of the files; made when the first one is downloaded.
        url: The folder on the web that holds `green_tripdata_YYYY-MM.parquet`.
        sleep: Waits between attempts (seconds).
        jitter: A random number in [0, 1).
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
            TripDataError: A month is not written as YYYY-MM, is not published, or its
                download fails for good.
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
            try:
                _download(url, path, progress)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in _NOT_PUBLISHED:
                    raise TripDataError(
                        f"month {month} is not published: {url} answered HTTP {error.code}"
                    ) from None
                reason = f"HTTP {error.code}"
            except (OSError, http.client.HTTPException) as error:
                reason = str(error)
            else:
                return path
            if attempt + 1 < _ATTEMPTS:
                self.sleep(2**attempt * self.jitter())
        raise TripDataError(
            f"month {month} could not be downloaded from {url} in {_ATTEMPTS} attempts: {reason}"
        )


def file_name(month: str) -> str:
    """Return the name that the TLC gives a month's file."""
    return f"green_tripdata_{month}.parquet"


def _download(url: str, path: Path, progress: Progress) -> None:
    """Write a checked copy of `url` to `path`; what is there is always whole."""
    part = path.with_suffix(".part")
    task = progress.add_task(f"download {path.name}", total=None)
    try:
        with (
            urllib.request.urlopen(url, timeout=_TIMEOUT) as answer,  # noqa: S310 the TLC's URL, or one that the user names
            part.open("wb") as target,
            progress.wrap_file(answer, total=answer.length or 0, task_id=task) as source,
        ):
            shutil.copyfileobj(source, target, _CHUNK)
            left = answer.length
        if left:
            raise OSError(f"the connection closed {left} bytes early")
        _check_parquet(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        progress.remove_task(task)


def _check_parquet(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(len(_PARQUET_MAGIC))
        file.seek(-min(path.stat().st_size, len(_PARQUET_MAGIC)), 2)
        end = file.read()
    if not start == end == _PARQUET_MAGIC:
        raise OSError("what came is not a parquet file")
