"""What the programs that write an archive share: its tables, its place, its streams."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cli.arguments import not_allowed
from cli.parquet_library import install_command
from streaming import Storage, aws_client
from streaming.archive.archive_state import archive_folder, locked_folder
from streaming.archive.archive_threads import ArchiveThreads
from streaming.archive.stream_archive import Limits, StreamArchive
from streaming.archive.table import Table
from streaming.errors import ArchiveError
from streaming.locations import parse_location
from streaming.storage import S3Storage

RIDE_TABLES = "lifecycle.ride_tables"

Tables = tuple[tuple[Table, ...], tuple[Table, ...]]
"""Those of the input stream and those of the output stream."""

Committed = Callable[[str, Mapping[str, int]], object]
"""Called after each commit with the stream and the rows written, by table."""


def tables(text: str) -> Tables:
    """Import a module with the tables `EVENTS` and `PREDICTIONS`."""
    allowed = "a module with EVENTS and PREDICTIONS, such as streaming.archive.any_model"
    try:
        module = import_module(text)
        found: Tables = (tuple(module.EVENTS), tuple(module.PREDICTIONS))
    except (ImportError, ValueError, TypeError, AttributeError) as error:
        raise not_allowed(text, f"{allowed} ({error})") from None
    return found


@contextmanager
def open_archives(
    location: str,
    client: Any,
    streams: Mapping[str, tuple[Table, ...]],
    *,
    limits: Limits = Limits(),  # noqa: B008  frozen
    committed: Committed = lambda _stream, _rows: None,
    failed: Callable[[], object] = lambda: None,
) -> Iterator[ArchiveThreads]:
    """Open an archive of streams; they are not read yet.

    Args:
        location: `s3://bucket/prefix` or `file:///folder`.
        client: A boto3 Kinesis client.
        streams: Each stream's tables.
        limits: When rows are written.
        committed: Called after each commit, in the stream's thread.
        failed: Called when an archive fails, in its thread.

    Raises:
        ArchiveError: The Parquet library is not installed, or another program writes the archive.
        SettingsError: The location is neither.
    """
    if find_spec("pyarrow") is None:
        command = install_command(sys.executable, Path.cwd())
        raise ArchiveError(f"an archive needs the Parquet library: {command}")
    place = parse_location("the archive", location)

    def storage(stream: str) -> Storage:
        if isinstance(place, Path):
            return archive_folder(place, stream)
        return S3Storage(partial(aws_client, "s3"), place)

    with ExitStack() as stack:
        if isinstance(place, Path):
            for stream in streams:
                stack.enter_context(locked_folder(place, stream))
        yield ArchiveThreads(
            [
                StreamArchive(
                    client,
                    stream,
                    of_stream,
                    storage(stream),
                    limits=limits,
                    committed=partial(committed, stream),
                )
                for stream, of_stream in streams.items()
            ],
            failed,
        )


def written_rows(rows: Mapping[str, int]) -> str:
    """Return rows by table as text, such as `predictions 300, ride_started 300`."""
    return ", ".join(f"{table} {count:,}" for table, count in sorted(rows.items()) if count)
