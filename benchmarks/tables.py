"""A run's tables, for the terminal and in Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from rich import box
from rich.table import Table

from benchmarks.contenders import COURSE, OURS, POWERTOOLS
from benchmarks.cost import Plan, aggregation, cheapest_plans, sizing
from benchmarks.results import Results, Spread, Start, Throughput

Item = TypeVar("Item")
NOT_MEASURED = "-"
HUNDRED = 100

PLAN_COLUMNS: dict[str, Callable[[Plan], str]] = {
    "": lambda plan: plan.contender,
    "rides/s": lambda plan: f"{plan.rate:,.0f}",
    "MB": lambda plan: f"{plan.memory_mb:,}",
    "window": lambda plan: f"{plan.window} s",
    "batch": lambda plan: f"{plan.batch:,}",
    "ms": lambda plan: f"{1000 * plan.seconds:,.0f}",
    "shards": lambda plan: f"{plan.shards_in:,}+{plan.shards_out:,}",
    "parallel": lambda plan: f"{plan.parallel}",
    "concurrent": lambda plan: f"{plan.concurrency:,.2f}",
    "Lambda": lambda plan: f"{plan.lambda_dollars:,.4f}",
    "Kinesis": lambda plan: f"{plan.kinesis_dollars:,.4f}",
    "US$": lambda plan: f"{plan.dollars:,.4f}",
}


class TableOf(NamedTuple):
    """A table; its first column is text, the others are numbers."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        lines = [self.header, rule, *self.rows]
        return f"{self.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def drawn(self) -> Table:
        """Return the table for the terminal."""
        titled = any(self.header)
        table = Table(
            title=self.title,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            show_header=titled,
        )
        for index, name in enumerate(self.header):
            right = titled and index > 0
            table.add_column(name, justify="right" if right else "left", no_wrap=index == 0)
        for row in self.rows:
            table.add_row(*row)
        return table


def tables(results: Results) -> list[TableOf]:
    """Return every table of a run."""
    return [
        TableOf("The machine", ("", ""), list(results.machine.items())),
        _ours(results),
        _beside(results),
        _stages(results),
        _starts(results),
        _end_to_end(results),
        _growth(results),
        _costs(results),
        _aggregation(results),
        _sizing(results),
    ]


def _table(
    title: str, items: Iterable[Item], columns: Mapping[str, Callable[[Item], str]]
) -> TableOf:
    rows = [[text(item) for text in columns.values()] for item in items]
    return TableOf(title, list(columns), rows)


def _ours(results: Results) -> TableOf:
    columns: dict[str, Callable[[Throughput], str]] = {
        "batch": lambda cell: f"{cell.batch:,}",
        "records/s": lambda cell: f"{cell.records_per_second:,.0f}",
        "µs a record": lambda cell: _micro(cell, cell.seconds.median),
        "quartiles": lambda cell: (
            f"{_micro(cell, cell.seconds.low)} to {_micro(cell, cell.seconds.high)}"
        ),
        "of which CPU": lambda cell: _micro(cell, cell.cpu_seconds.median),
    }
    cells = results.throughput_of(OURS).values()
    return _table("Throughput, publishing included", cells, columns)


def _beside(results: Results) -> TableOf:
    ours, *others = (results.throughput_of(name) for name in (OURS, POWERTOOLS, COURSE))
    rows = [
        (
            f"{size:,}",
            f"{cell.records_per_second:,.0f}",
            *(_rate(other.get(size)) for other in others),
            *(_ratio(cell, other.get(size)) for other in others),
        )
        for size, cell in ours.items()
    ]
    header = ("batch", OURS, POWERTOOLS, COURSE, f"{OURS}:{POWERTOOLS}", f"{OURS}:{COURSE}")
    return TableOf("Compared with what is used today, records/s", header, rows)


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
    columns: dict[str, Callable[[Start], str]] = {
        "": lambda start: start.contender,
        "first prediction, s": lambda start: _seconds(start.seconds),
        "imported, s": lambda start: f"{start.import_seconds.median:.2f}",
        "MB then": lambda start: f"{start.resident_mb.median:.0f}",
        "MB after batches": lambda start: f"{results.resident_mb[start.contender]:.0f}",
    }
    return _table("Start and memory", results.starts, columns)


def _end_to_end(results: Results) -> TableOf:
    rows = [
        (f"{each.rate:,.0f} rides/s: p50, p99", f"{each.p50_ms:,.0f}, {each.p99_ms:,.0f} ms")
        for each in results.latency
    ]
    rows += [
        (f"highest rate, shards: {each.shards}", f"{each.rides_per_second:,.0f} rides/s")
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
    header = ("", "CPU, a ride", "at 0", "R²", "peak, a ride", "at 0", "R²")
    return TableOf("How time and memory grow", header, rows)


def _costs(results: Results) -> TableOf:
    plans = cheapest_plans(results)
    architectures = " or ".join(sorted({plan.architecture for plan in plans}))
    title = f"A million rides in the cheapest setting, US$ ({architectures})"
    names = ("", "rides/s", "MB", "window", "batch", "shards", "Lambda", "Kinesis", "US$")
    return _plan_table(title, plans, names)


def _aggregation(results: Results) -> TableOf:
    names = ("rides/s", "shards", "Lambda", "Kinesis", "US$")
    rows = [
        (streams, *(PLAN_COLUMNS[name](plan) for name in names))
        for streams, plan in aggregation(results)
    ]
    return TableOf("A million rides with aggregated records, US$", ("aggregated", *names), rows)


def _sizing(results: Results) -> TableOf:
    title = "Sizing without a batching window, and US$ for a million rides"
    names = ("rides/s", "shards", "batch", "MB", "ms", "parallel", "concurrent", "US$")
    return _plan_table(title, sizing(results), names)


def _plan_table(title: str, plans: Iterable[Plan], names: Sequence[str]) -> TableOf:
    return _table(title, plans, {name: PLAN_COLUMNS[name] for name in names})


def _micro(cell: Throughput, seconds: float) -> str:
    return _short(1e6 * seconds / cell.batch)


def _rate(cell: Throughput | None) -> str:
    return f"{cell.records_per_second:,.0f}" if cell else NOT_MEASURED


def _ratio(ours: Throughput, theirs: Throughput | None) -> str:
    return f"{ours.records_per_second / theirs.records_per_second:,.0f}" if theirs else NOT_MEASURED


def _short(microseconds: float) -> str:
    return f"{microseconds:,.0f}" if microseconds >= HUNDRED else f"{microseconds:.2f}"


def _seconds(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"
