"""Results of slices that are not in the database yet: files, so that a killed run resumes.

A slice is finished when its counts are written, after its rows. The folder's name is a hash of
everything that the results depend on, so that those of other files or another model are never used.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from batch.errors import StagingError
from streaming.files import UNFINISHED, write_atomically

FORMAT = 1
"""Of the files; another one begins anew."""

PREDICTIONS, REJECTS = "predictions", "rejects"


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of rows, and how long it took.

    Attributes:
        read: Rows of the interval.
        predicted: Rows with a prediction.
        rejected: Rows that can never be predicted.
        skipped: Rows that are events of another type.
        read_seconds: Reading them.
        predict_seconds: Checking and predicting them.
        write_seconds: Writing what became of them.
    """

    read: int = 0
    predicted: int = 0
    rejected: int = 0
    skipped: int = 0
    read_seconds: float = 0.0
    predict_seconds: float = 0.0
    write_seconds: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        """Return both together."""
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class StagedResults:
    """The folder of one run's results.

    Args:
        folder: Where the results of all runs are.
        interval: A name for the interval and the model; results of it that depend on anything else
            are deleted.
        depends_on: Everything that the results depend on.
    """

    def __init__(self, folder: Path, interval: str, depends_on: Sequence[str]) -> None:
        of_interval = hashlib.sha256(interval.encode()).hexdigest()[:16]
        content = json.dumps([FORMAT, *depends_on]).encode()
        self._parent = folder / of_interval
        self.folder = self._parent / hashlib.sha256(content).hexdigest()[:32]

    def prepare(self) -> None:
        """Create the folder, and delete results of the interval that are of no use any more.

        Raises:
            StagingError: It cannot be created.
        """
        with staging_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for other in self._parent.iterdir():
                if other != self.folder:
                    shutil.rmtree(other)
            for path in self.folder.glob(f"*{UNFINISHED}"):
                path.unlink(missing_ok=True)

    def finished(self) -> dict[int, Counts]:
        """Return the counts of each finished slice.

        Raises:
            StagingError: A file cannot be read.
        """
        with staging_errors(self.folder):
            return {
                int(path.stem): msgspec.json.decode(path.read_bytes(), type=Counts)
                for path in self.folder.glob("*.json")
            }

    def write(self, number: int, tables: Iterable[tuple[pa.Table, pa.Table]]) -> None:
        """Write a slice's rows, as they come; `finish` makes them count.

        Args:
            number: The slice's.
            tables: Predictions and rejects.

        Raises:
            StagingError: They cannot be written.
        """
        # A process of a killed run may still write the same slice: neither sees the other's file.
        unfinished = {
            name: self.folder / f"{number:08d}.{name}.{os.getpid()}{UNFINISHED}"
            for name in (PREDICTIONS, REJECTS)
        }
        writers: dict[str, pq.ParquetWriter] = {}
        try:
            for pair in tables:
                with staging_errors(self.folder):
                    for (name, path), rows in zip(unfinished.items(), pair, strict=True):
                        if name not in writers:
                            writers[name] = pq.ParquetWriter(
                                path, rows.schema, compression="none", use_dictionary=False
                            )
                        if len(rows):
                            writers[name].write_table(rows)
            with staging_errors(self.folder):
                for name, writer in writers.items():
                    writer.close()
                    unfinished[name].replace(self._file(number, name))
        finally:
            for path in unfinished.values():
                path.unlink(missing_ok=True)

    def finish(self, number: int, counts: Counts) -> None:
        """Record that a slice is finished.

        Raises:
            StagingError: It cannot be written.
        """
        with staging_errors(self.folder):
            content = msgspec.json.encode(asdict(counts))
            write_atomically(self.folder / f"{number:08d}.json", content)

    def files(self, name: str, slices: int) -> list[Path]:
        """Return the files of all slices, in order: those of `PREDICTIONS` or of `REJECTS`."""
        paths = (self._file(number, name) for number in range(slices))
        return [path for path in paths if path.exists()]

    def delete(self) -> None:
        """Delete the results: they are in the database.

        Raises:
            StagingError: They cannot be deleted.
        """
        with staging_errors(self.folder):
            shutil.rmtree(self._parent)

    def _file(self, number: int, name: str) -> Path:
        return self.folder / f"{number:08d}.{name}.parquet"


@contextmanager
def staging_errors(folder: Path) -> Iterator[None]:
    """Turn the errors of staged files into a StagingError of one line."""
    try:
        yield
    except (OSError, pa.ArrowException, msgspec.MsgspecError) as error:
        reason = str(error).partition("\n")[0]
        raise StagingError(
            f"the folder of results that are not committed yet cannot be used ({folder}): {reason}"
        ) from error
