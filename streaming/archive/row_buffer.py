"""Rows that are not in a file yet."""

from collections import defaultdict
from collections.abc import Mapping

from streaming.archive.parquet_file import folder_of
from streaming.archive.table import Row, Table
from streaming.reader.checkpoints import FINISHED
from streaming.reader.shard_reader import StreamRecord

Groups = dict[tuple[str, str], tuple[Table, list[Row]]]
"""By table and folder: the table and its rows."""


class RowBuffer:
    """Rows by table and hour of arrival.

    The rows of one Kinesis record are kept apart until the reader's position is behind it: a
    restart reads the whole record again, also the entries of an aggregated record that were read.

    Attributes:
        rows: How many rows there are.
        data_bytes: The size of their records' data.
    """

    def __init__(self) -> None:
        self.rows = self.data_bytes = 0
        self._groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        self._tables: dict[str, Table] = {}
        self._last: tuple[str, str] | None = None
        self._last_rows: list[tuple[tuple[str, str], Row]] = []

    def add(self, record: StreamRecord, table: Table, row: Row) -> None:
        """Add a record's row."""
        place = (record.shard_id, record.sequence_number)
        if place != self._last:
            self._keep_last()
            self._last = place
        self._tables[table.name] = table
        self._last_rows.append(((table.name, folder_of(table, record.arrived_at)), row))
        self.rows += 1
        self.data_bytes += len(record.data)

    def take(self, position: Mapping[str, str]) -> Groups:
        """Return the rows up to a reader's position, and forget them.

        Args:
            position: A `StreamReader.position`; no record that was added is behind the next one.
        """
        if self._last is not None and _is_behind(position, *self._last):
            self._keep_last()
            self._last = None
        taken = {key: (self._tables[key[0]], rows) for key, rows in self._groups.items()}
        self._groups = defaultdict(list)
        self.rows = len(self._last_rows)
        self.data_bytes = 0
        return taken

    def _keep_last(self) -> None:
        for key, row in self._last_rows:
            self._groups[key].append(row)
        self._last_rows = []


def _is_behind(position: Mapping[str, str], shard_id: str, sequence_number: str) -> bool:
    """Return whether a position is behind a record: at it, or at a duplicate that came later."""
    checkpoint = position.get(shard_id, FINISHED)  # that of a shard that has expired is gone
    if checkpoint == FINISHED:
        return True
    return checkpoint.isdecimal() and int(checkpoint) >= int(sequence_number)
