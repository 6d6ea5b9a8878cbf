"""The table of rides: the rows of an interval, in slices that are read by themselves."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from batch.errors import SourceError
from batch.interval import Interval
from batch.row_mapping import AT, RIDE, ZONE, RowMapping, literal, quoted

BATCH_ROWS = 131_072
"""Rows in memory at a time. The more, the better the order of rides serves the trees."""

SLICE_ROWS = 4 * BATCH_ROWS
"""Rows of a slice, at most, unless a row group of the file has more."""

NAME_CHARACTERS = 100
"""The longest name of a file or a table, which is part of a key."""

_PARQUET = ".parquet"
_DATABASE = (".duckdb", ".db", ".ddb")
DUCKDB: dict[str, Any] = {
    "memory_limit": "256MB",  # what does not fit goes to the disk
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

QUIET = "SET enable_progress_bar = false"
"""A bar of DuckDB's own would be drawn over the program's."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive rows of a file.

    Attributes:
        number: Its place among all slices, from 0.
        file: The file.
        first: The first row.
        last: The last row.
    """

    number: int
    file: Path
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class RidesTable:
    """A table of rides: Parquet files, or a table of a DuckDB file.

    Attributes:
        files: Parquet files, or one DuckDB file.
        table: The table's name in the DuckDB file; None: Parquet files.
    """

    files: tuple[Path, ...]
    table: str | None = None

    @classmethod
    def named(cls, files: Sequence[Path], table: str | None = None) -> "RidesTable":
        """Return the table that files hold.

        Raises:
            SourceError: A file is missing, is of another kind, or has another's name.
        """
        if not files:
            raise SourceError("DATA is not set; allowed: Parquet files, or one DuckDB file")
        for file in files:
            if not file.is_file():
                raise SourceError(f"no such file: {file}")
        _check_names(*(file.stem for file in files), table or "")
        if all(file.suffix == _PARQUET for file in files):
            if table is not None:
                raise SourceError(f"TABLE is {table!r}; allowed with a DuckDB file only")
            stems = [file.stem for file in files]
            if twice := next((stem for stem in stems if stems.count(stem) > 1), None):
                raise SourceError(f"DATA names {twice}{_PARQUET} twice; allowed: each name once")
        elif len(files) > 1 or files[0].suffix not in _DATABASE:
            names = ", ".join(map(str, files))
            raise SourceError(
                f"DATA is {names}; allowed: files *{_PARQUET}, or one *{' or *'.join(_DATABASE)}"
            )
        elif table is None:
            raise SourceError(f"TABLE is not set; allowed: a table of {files[0]}")
        return cls(tuple(file.absolute() for file in files), table)

    @contextmanager
    def open(self) -> Iterator["OpenTable"]:
        """Open the table; its errors become a SourceError within the context.

        Raises:
            SourceError: It cannot be read.
        """
        with source_errors(), duckdb.connect(config=DUCKDB) as db:
            db.execute(f"SET TimeZone = {literal(ZONE)}; SET threads = 1; {QUIET}")
            if self.table is not None:
                db.execute(f"ATTACH {literal(str(self.files[0]))} AS rides (READ_ONLY)")
            yield OpenTable(self, db)


@contextmanager
def source_errors() -> Iterator[None]:
    """Turn the errors of reading a table into a SourceError of one line."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        # DuckDB reads Arrow batches through Python: Ctrl-C meanwhile becomes an error of its own.
        if isinstance(error, duckdb.InvalidInputException) and "KeyboardInterrupt" in str(error):
            raise KeyboardInterrupt from error
        raise SourceError(f"the table cannot be read: {first_line(error)}") from error


class OpenTable:
    """An open table; see `RidesTable.open`."""

    def __init__(self, table: RidesTable, db: duckdb.DuckDBPyConnection) -> None:
        self._table = table
        self._db = db

    def types(self, file: Path) -> dict[str, str]:
        """Return the type of each column of a file, in DuckDB's words."""
        found = self._db.execute(f"DESCRIBE SELECT * FROM {self._rows(file)}")
        hidden = {"file_row_number"}
        return {name: kind for name, kind, *_ in found.fetchall() if name not in hidden}

    def count(self, mapping: RowMapping, interval: Interval) -> tuple[int, int]:
        """Count the rows of an interval, and those of no interval: they have no time."""
        rows = without = 0
        time = _time(mapping)
        for file in self._table.files:
            ((found, no_time),) = self._db.execute(
                f"SELECT count(*) FILTER ({_within(time)}), count(*) FILTER ({time} IS NULL) "
                f"FROM {self._rows(file)}",
                _bounds(interval),
            ).fetchall()
            rows, without = rows + found, without + no_time
        return rows, without

    def duplicate(self, mapping: RowMapping, interval: Interval) -> str | None:
        """Return a key that several rows of an interval have; None if the keys are good.

        A row without one counts with its file's name and number.
        """
        if mapping.key is None:
            return None
        files = " UNION ALL ".join(
            f"SELECT {self._ride(mapping, file)} AS {RIDE}, "
            f"{_time(mapping)} AS {AT} FROM {self._rows(file)}"
            for file in self._table.files
        )
        query = (
            f"SELECT {RIDE} FROM ({files}) WHERE {_within(AT)} "
            f"GROUP BY {RIDE} HAVING count(*) > 1 ORDER BY {RIDE} LIMIT 1"
        )
        found = self._db.execute(query, _bounds(interval)).fetchall()
        return str(found[0][0]) if found else None

    def slices(self) -> list[Slice]:
        """Cut the table into slices; row groups of a Parquet file stay whole."""
        found: list[Slice] = []
        for file in self._table.files:
            first = last = 0
            for rows in self._row_groups(file):
                if last > first and last + rows - first > SLICE_ROWS:
                    found.append(Slice(len(found), file, first, last - 1))
                    first = last
                last += rows
            if last > first:
                found.append(Slice(len(found), file, first, last - 1))
        return found

    def read(self, part: Slice, mapping: RowMapping, interval: Interval) -> Iterator[pa.Table]:
        """Read a slice's rows of an interval, in their order.

        Returns:
            Tables of at most `BATCH_ROWS` rows: the mapping's columns, `_ride` and `_at`.
        """
        key, time = self._ride(mapping, part.file), _time(mapping)
        columns = ", ".join(map(quoted, mapping.columns))
        relation = self._db.sql(
            f"SELECT {columns}, {key} AS {RIDE}, {time} AS {AT} FROM {self._rows(part.file)} "
            f"WHERE {self._row} BETWEEN {part.first} AND {part.last} AND {_within(time)}",
            params=_bounds(interval),
        )
        for batch in relation.to_arrow_reader(BATCH_ROWS):
            yield pa.Table.from_batches([batch])

    def _rows(self, file: Path) -> str:
        if self._table.table is not None:
            return f"rides.{quoted(self._table.table)}"
        return f"read_parquet({file_literal(file)}, file_row_number=true, hive_partitioning=false)"

    @property
    def _row(self) -> str:
        return "rowid" if self._table.table is not None else "file_row_number"

    def _ride(self, mapping: RowMapping, file: Path) -> str:
        by_row = f"{literal(f'{self._table.table or file.stem}:')} || {self._row}"
        if mapping.key is None:
            return by_row
        # PostgreSQL's text has no NUL.
        key = f"replace(CAST({quoted(mapping.key)} AS VARCHAR), chr(0), '\\x00')"
        return f"coalesce({key}, {by_row})"

    def _row_groups(self, file: Path) -> list[int]:
        if self._table.table is not None:
            query = f"SELECT max(rowid) + 1 FROM {self._rows(file)}"
            ((rows,),) = self._db.execute(query).fetchall()
            rows = rows or 0
            return [min(BATCH_ROWS, rows - at) for at in range(0, rows, BATCH_ROWS)]
        with pq.ParquetFile(file) as parquet:
            metadata = parquet.metadata
            return [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]


def file_literal(path: Path) -> str:
    """Return a path as an SQL literal; to DuckDB, a name is a pattern."""
    return literal(re.sub(r"[\[*?]", r"[\g<0>]", str(path)))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().partition("\n")[0]


def _time(mapping: RowMapping) -> str:
    return f"CAST({quoted(mapping.time)} AS TIMESTAMP)"


def _check_names(*names: str) -> None:
    if longer := next((name for name in names if len(name) > NAME_CHARACTERS), None):
        raise SourceError(f"the name {longer} is longer than {NAME_CHARACTERS} characters")


def _within(time: str) -> str:
    return f"{time} >= $since AND {time} < $until"


def _bounds(interval: Interval) -> dict[str, Any]:
    return {"since": interval.since, "until": interval.until}
