"""A run's tables, for the terminal and as Markdown."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.costs import plans, sizing
from benchmarks.results import Results, Spread, Throughput
from benchmarks.throughput import OURS, POWERTOOLS, REFERENCE

NOT_MEASURED = "-"
HUNDRED = 100


class TableOf(NamedTuple):
    """A table; its first column is text, the others are numbers."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(results: Results) -> list[TableOf]:
    """Give every table of a run."""
    return [
        _machine(results),
        _ours(results),
        _beside(results),
        _stages(results),
        _starts(results),
        _end_to_end(results),
        _growth(results),
        _costs(results),
        _sizing(results),
    ]


def markdown(table: TableOf) -> str:
    """Write a table as Markdown."""
    lines = [table.header, ["---", *["---:"] * (len(table.header) - 1)], *table.rows]
    return f"{table.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _machine(results: Results) -> TableOf:
    machine = results.machine
    libraries = ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
    before, after = machine.load
    return TableOf(
        "The machine",
        ("", ""),
        [
            ("processor", f"{machine.processor}, {machine.cores} cores"),
            ("memory", f"{machine.memory_gb:g} GiB"),
            ("system", machine.system),
            ("Python", machine.python),
            ("libraries", libraries),
            ("project", machine.revision),
            ("date", machine.date),
            ("load average before and after", f"{before:.2f}, {after:.2f}"),
        ],
    )


def _ours(results: Results) -> TableOf:
    rows = []
    for cell in results.throughput:
        if cell.contender == OURS:
            scale = 1e6 / cell.batch
            spread = cell.seconds
            rows.append(
                (
                    f"{cell.batch:,}",
                    f"{cell.records_per_second:,.0f}",
                    _short(cell.microseconds),
                    f"{_short(scale * spread.low)} to {_short(scale * spread.high)}",
                    _short(scale * cell.cpu_seconds.median),
                )
            )
    header = ("batch", "records/s", "µs a record", "quartiles", "of which CPU")
    return TableOf("Throughput, publishing included", header, rows)


def _beside(results: Results) -> TableOf:
    found = {(cell.contender, cell.batch): cell for cell in results.throughput}
    rows = []
    for size in sorted({size for _, size in found}):
        ours, *others = (found.get((name, size)) for name in (OURS, POWERTOOLS, REFERENCE))
        rows.append(
            (
                f"{size:,}",
                _rate(ours),
                *(_rate(other) for other in others),
                *(_ratio(ours, other) for other in others),
            )
        )
    header = ("batch", OURS, POWERTOOLS, REFERENCE, f"{OURS}:{POWERTOOLS}", f"{OURS}:{REFERENCE}")
    return TableOf("Beside what people use today, records/s", header, rows)


def _stages(results: Results) -> TableOf:
    rows = [
        (stage, *(_short(each.microseconds[stage]) for each in results.stages))
        for stage in results.stages[0].microseconds
    ]
    rows += [
        ("sum", *(_short(sum(each.microseconds.values())) for each in results.stages)),
        ("parse, before", *(_short(each.parse_microseconds) for each in results.stages)),
    ]
    header = ("batch", *(f"{each.batch:,}" for each in results.stages))
    return TableOf("Where the time goes, µs a record", header, rows)


def _starts(results: Results) -> TableOf:
    rows = [
        (
            start.contender,
            _spread(start.seconds, 2),
            f"{start.import_seconds.median:.2f}",
            f"{start.resident_mb:.0f}",
            f"{results.resident_mb[start.contender]:.0f}",
        )
        for start in results.starts
    ]
    header = ("", "first prediction, s", "imported, s", "MB then", "MB after batches")
    return TableOf("Start and memory", header, rows)


def _end_to_end(results: Results) -> TableOf:
    rows = [
        (f"{each.rate:,.0f} rides/s: p50, p99", f"{each.p50_ms:,.0f}, {each.p99_ms:,.0f} ms")
        for each in results.latency
    ]
    rows += [
        (f"at most, with shards: {each.shards}", f"{each.rides_per_second:,.0f} rides/s")
        for each in results.sustained
    ]
    return TableOf("End to end on this machine", ("", ""), rows)


def _growth(results: Results) -> TableOf:
    rows = [
        (
            each.what,
            f"{1000 * each.time_line.slope:.1f} µs",
            f"{each.time_line.start:.1f} ms",
            f"{each.time_line.r_squared:.4f}",
            f"{1024 * each.memory_line.slope:.2f} kB",
            f"{each.memory_line.start:.0f} MB",
            f"{each.memory_line.r_squared:.4f}",
        )
        for each in results.growth
    ]
    return TableOf(
        "How it grows", ("", "CPU, a ride", "at 0", "R²", "peak, a ride", "at 0", "R²"), rows
    )


def _costs(results: Results) -> TableOf:
    settings = plans(results)
    rows = [
        (
            f"{each.rate:,.0f} {each.program}",
            f"{each.memory_mb:,}",
            f"{each.window} s",
            f"{each.batch:,}",
            f"{each.shards_in:,}+{each.shards_out:,}",
            f"{each.lambda_dollars:,.4f}",
            f"{each.kinesis_dollars:,.4f}",
            f"{each.dollars:,.4f}",
        )
        for each in settings
    ]
    architectures = " or ".join(sorted({each.architecture for each in settings}))
    header = ("rides/s", "MB", "window", "batch", "shards", "Lambda", "Kinesis", "sum")
    title = f"A million rides in the cheapest setting, US$ ({architectures})"
    return TableOf(title, header, rows)


def _sizing(results: Results) -> TableOf:
    header = ("rides/s", "shards", "batch", "MB", "ms", "parallel", "at a time", "US$")
    rows = [
        (
            f"{each.rate:,.0f}",
            f"{each.shards_in:,}+{each.shards_out:,}",
            f"{each.batch:,}",
            f"{each.memory_mb:,}",
            f"{1000 * each.seconds:,.0f}",
            f"{each.parallel}",
            f"{each.concurrency:,.2f}",
            f"{each.dollars:,.4f}",
        )
        for each in sizing(results)
    ]
    return TableOf(
        "What a rate takes without a batch window, and US$ for a million rides", header, rows
    )


def _rate(cell: Throughput | None) -> str:
    return f"{cell.records_per_second:,.0f}" if cell else NOT_MEASURED


def _ratio(ours: Throughput | None, theirs: Throughput | None) -> str:
    if ours is None or theirs is None:
        return NOT_MEASURED
    return f"{ours.records_per_second / theirs.records_per_second:,.0f}"


def _short(microseconds: float) -> str:
    return f"{microseconds:,.0f}" if microseconds >= HUNDRED else f"{microseconds:.2f}"


def _spread(spread: Spread, digits: int) -> str:
    return f"{spread.median:,.{digits}f} ({spread.low:,.{digits}f} to {spread.high:,.{digits}f})"


def all_markdown(results: Results) -> str:
    """Write every table of a run as Markdown."""
    return "\n".join(markdown(table) for table in tables(results))
