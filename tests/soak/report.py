"""The result of a soak, and its tables for the terminal and as Markdown."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.event_source_mapping.mapping_metrics import MappingSnapshot
from tests.soak.killed_archive_runs import ArchiveCheck
from tests.soak.reconciliation import Expected, ReceivedPrediction, Reconciliation

Row = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakResult:
    """The result of a soak.

    Attributes:
        expected: What should have happened to the events.
        predictions: What the reader received, in this order.
        reconciliation: What did happen to the events.
        put: Records that Kinesis accepted.
        written: Records on the output stream.
        read: Of them, those that the readers delivered or dropped.
        duplicates: Records that the readers dropped as duplicates.
        mapping: The event source mapping's counts.
        resent: Entries that the function resent, as far as its log shows.
        longest_stall: Of any shard, in seconds.
        stuck_shards: Shards that were not read to their end.
        calls: By operation: calls that came to the proxy.
        faults: By operation and kind: faults injected on the wire.
        process_faults: By kind: faults injected into the function, its model, the reader and the
            archive.
        archived: The archive's rows beside the streams; None: there was no archive.
        put_seconds: How long records were put.
        seconds: How long it took until every event was accounted for, or the timeout.
    """

    expected: Expected
    predictions: list[ReceivedPrediction]
    reconciliation: Reconciliation
    put: int
    written: int
    read: int
    duplicates: int
    mapping: MappingSnapshot
    resent: int
    longest_stall: float
    stuck_shards: int
    calls: Mapping[str, int]
    faults: Mapping[str, int]
    process_faults: Mapping[str, int]
    put_seconds: float
    seconds: float
    archived: ArchiveCheck | None = None

    @property
    def unread(self) -> int:
        """Records on the output stream that the reader neither delivered nor dropped."""
        return self.written - self.read

    @property
    def passed(self) -> bool:
        """Whether the function, the mapping and the reader accounted for every record."""
        complete = not (self.unread or self.stuck_shards or self.mapping.records_discarded)
        archived = self.archived is None or self.archived.passed
        return self.reconciliation.passed and complete and archived


def resent_entries(log: Path) -> int:
    """Sum the resent entries that the function logged; a killed batch logs nothing."""
    total = 0
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"message":"batch"' in line:
                with suppress(ValueError):
                    total += json.loads(line)["retried"]
    return total


def rows(result: SoakResult) -> list[Row]:
    """Return the rows of a soak's table."""
    expected, found, mapping = result.expected, result.reconciliation, result.mapping
    kinds = {poison.kind for poison in expected.poison.values()}
    counts = {
        "rides with an event to predict": len(expected.by_ride),
        "events on the stream (rides, updates, poison, unrecognised)": expected.events,
        "Kinesis records put": result.put,
        "records that the producer put twice": expected.repeated,
        "ride events to predict": len(expected.rides),
        "ride events predicted": found.predicted,
        "poison events": len(expected.poison),
        "kinds of poison": len(kinds),
        "dead-letter records, each with its own data": found.dead_lettered,
        "events of an unrecognised type, skipped": expected.unrecognised,
        "duplicates written by retries": result.written - found.predicted,
        "duplicates dropped by the reader": result.duplicates,
        "delivered again after a restart of the reader": found.delivered_after_restart,
        "**lost**": found.lost,
        "**out of order within a ride**": found.out_of_order,
        "**delivered twice**": found.delivered_twice,
        "**wrong predictions or dead-letter records**": found.wrong,
        "**records discarded by the mapping**": mapping.records_discarded,
        "invocations": mapping.invocations,
        "of which failed (crash, timeout, exception)": mapping.function_errors,
        "of which returned batch item failures": mapping.partial_failures,
        "batches bisected": mapping.bisects,
        "batches retried": mapping.retries,
        "entries resent by the function": result.resent,
    }
    if archived := result.archived:
        counts |= {
            "rows of predictions in the archive": archived.predictions,
            "rows of events in the archive": archived.events,
            "**archive: lost**": archived.lost,
            "**archive: written twice**": archived.twice,
            "**archive: unknown**": archived.unknown,
        }
    seconds = {
        "longest stall of a shard": f"{result.longest_stall:.1f} s",
        "time spent putting records": f"{result.put_seconds:.0f} s",
        "time until every event was accounted for": f"{result.seconds:.0f} s",
    }
    return [*((name, f"{count:,}") for name, count in counts.items()), *seconds.items()]


def fault_rows(result: SoakResult) -> list[Row]:
    """Return the rows of the injected faults: by operation and kind, and how many."""
    on_the_wire = [
        (fault, f"{count:,} of {result.calls[fault.partition(':')[0]]:,} calls")
        for fault, count in sorted(result.faults.items())
    ]
    return [*on_the_wire, *((f, f"{n:,}") for f, n in sorted(result.process_faults.items()))]


def print_report(console: Console, result: SoakResult, folder: Path) -> None:
    """Print the tables, and write them to `table.md` in a folder."""
    header, faults = ("", "count"), ("fault", "count")
    show(console, "Injected faults", faults, fault_rows(result))
    show(console, "Reconciliation", header, rows(result))
    tables = [markdown(header, rows(result)), markdown(faults, fault_rows(result))]
    (folder / "table.md").write_text("\n".join([f"{' '.join(sys.argv)}\n", *tables]))
    console.print(f"Logs and these tables are in {folder}")
    if result.passed:
        console.print("PASSED: nothing lost, wrong or out of order; dead letters match the poison")
    else:
        more = f"{result.stuck_shards} shards stuck, {result.unread} records unread"
        console.print(f"FAILED: see the table; {more}", style="bold red")


def show(
    console: Console, title: str, header: Sequence[str], body: Sequence[Sequence[str]]
) -> None:
    """Print a table."""
    table = Table(title=title, title_justify="left")
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index else "left", no_wrap=not index)
    for row in body:
        table.add_row(*(cell.replace("**", "") for cell in row))
    console.print(table)


def markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
