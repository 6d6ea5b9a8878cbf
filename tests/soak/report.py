"""A soak's table, for the terminal and as Markdown."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.soak.result import Result

Row = tuple[str, str]


def rows(result: Result) -> list[Row]:
    """Give the table of one soak: what, and how many."""
    expected, verdict, mapping = result.expected, result.verdict, result.mapping
    return [
        ("rides that had an event to predict", _number(len(expected.order))),
        ("events on the stream (rides, updates, poison, foreign)", _number(expected.events)),
        ("in Kinesis records", _number(result.put)),
        ("records that their producer put twice", _number(expected.repeated)),
        ("ride events that had to be predicted", _number(len(expected.rides))),
        ("predicted", _number(verdict.predicted)),
        ("poison put", _number(len(expected.poison))),
        ("kinds of poison", _number(len({each.kind for each in expected.poison.values()}))),
        ("dead letters, each with its own payload", _number(verdict.dead)),
        ("foreign events, skipped", _number(expected.foreign)),
        ("duplicates written by retries", _number(result.written - verdict.predicted)),
        ("duplicates removed by the reader", _number(result.duplicates)),
        ("**lost**", _number(verdict.lost)),
        ("**out of order within a ride**", _number(verdict.out_of_order)),
        ("**delivered twice**", _number(verdict.delivered_twice)),
        ("**wrong predictions or dead letters**", _number(verdict.wrong)),
        ("**records given up by the mapping**", _number(mapping.records_discarded)),
        ("longest stall of a shard", f"{result.longest_stall:.1f} s"),
        ("invocations", _number(mapping.invocations)),
        ("of which failed (crash, timeout, exception)", _number(mapping.function_errors)),
        ("of which reported failed records", _number(mapping.partial_failures)),
        ("batches split in two, batches retried", f"{mapping.bisects:,}, {mapping.retries:,}"),
        ("entries that the function sent again", _number(result.resent)),
        ("rides were put for", f"{result.put_seconds:.0f} s"),
        ("the last event was accounted for after", f"{result.seconds:.0f} s"),
    ]


def fault_rows(result: Result) -> list[Row]:
    """Give what went wrong: by operation and kind, and how often."""
    injected = [
        (what, f"{count:,} of {result.calls[what.partition(':')[0]]:,} calls")
        for what, count in sorted(result.faults.items())
    ]
    done = [(what, _number(count)) for what, count in sorted(result.process_faults.items())]
    return [*injected, *done]


def show(
    console: Console, title: str, header: Sequence[str], body: Sequence[Sequence[str]]
) -> None:
    """Print a table."""
    table = Table(title=title, title_justify="left")
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index else "left")
    for row in body:
        table.add_row(*(cell.replace("**", "") for cell in row))
    console.print(table)


def markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Write a table as Markdown."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: int) -> str:
    return f"{value:,}"
