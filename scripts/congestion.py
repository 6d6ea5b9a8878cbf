"""Predictions beside what really happened: where and when the city is slower than predicted."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from batch.actuals import LONGEST, Comparison, ZoneMonth, compare
from batch.databases import ALLOWED, open_database
from batch.errors import BatchError
from batch.interval import Interval
from batch.rides_table import RidesTable
from batch.zone_map import zone_map, zone_names
from cli.arguments import Parser, names, whole_number
from cli.printable import printable
from cli.program import program
from scripts.scoring_options import DATABASE
from streaming.files import write_atomically

SHOWN = 10
COLUMNS = ("rides", "predicted min", "actual min", "slower", "predicted tip", "actual tip")
NEEDED = {"predicted min": 76, "actual min": 76, "predicted tip": 100, "actual tip": 100}
"""Columns of the terminal below which one is left out, so that the zones' names have 20."""


@program(BatchError, OSError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(arguments)
    table = RidesTable.named([Path(name) for name in options.data if name], options.table)
    interval = Interval.parse(options.since, options.until)
    open_database(options.database)  # refuses a place that is none
    found = compare(table, interval, options.database, options.key)
    print(printable(f"{found.model} {found.version}, {interval}"))
    print(
        f"{found.compared:,} of {found.rows:,} rides have a prediction and took 1 to {LONGEST} "
        "minutes"
    )
    console = Console()
    console.print(_months(found))
    known = [zone for zone in found.zones if zone.rides >= options.least]
    slowest = sorted(known, key=lambda zone: zone.slower, reverse=True)[: options.shown]
    console.print(_slowest(slowest, options.least, console.width))
    if left_out := [name for name in COLUMNS if console.width < NEEDED.get(name, 0)]:
        print(
            f"The terminal has {console.width} columns: without {', '.join(left_out)}; COLUMNS="
            f"{max(NEEDED.values())} shows them"
        )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(options.output, zone_map(found.zones, options.least).encode())
    print(f"The map is {options.output}")
    return 0


def _months(found: Comparison) -> Table:
    table = Table(title="All zones")
    table.add_column("month", no_wrap=True)
    for column in COLUMNS[:4]:
        table.add_column(column, justify="right", overflow="fold")
    for month in sorted({zone.month for zone in found.zones}):
        zones = [zone for zone in found.zones if zone.month == month]
        rides = sum(zone.rides for zone in zones)
        predicted = sum(zone.predicted * zone.rides for zone in zones) / rides
        actual = sum(zone.actual * zone.rides for zone in zones) / rides
        whole = ZoneMonth(month, 0, rides, predicted, actual, None, None)
        table.add_row(f"{month:%Y-%m}", *_numbers(whole)[:4])
    return table


def _slowest(zones: Sequence[ZoneMonth], least: int, width: int) -> Table:
    table = Table(title=f"The slowest zones of at least {least} rides")
    table.add_column("month", no_wrap=True)
    table.add_column("zone", overflow="fold")
    shown = [n for n, column in enumerate(COLUMNS) if width >= NEEDED.get(column, 0)]
    for number in shown:
        table.add_column(COLUMNS[number].replace(" ", "\n"), justify="right", no_wrap=True)
    named = zone_names()
    for zone in zones:
        name = named.get(zone.zone, f"zone {zone.zone}")
        numbers = _numbers(zone)
        table.add_row(f"{zone.month:%Y-%m}", name, *(numbers[number] for number in shown))
    return table


def _numbers(zone: ZoneMonth) -> list[str]:
    tips = (zone.predicted_tip, zone.actual_tip)
    return [
        f"{zone.rides:,}",
        f"{zone.predicted:.1f}",
        f"{zone.actual:.1f}",
        f"{zone.slower:+.0%}",
        *("" if tip is None else f"${tip:.2f}" for tip in tips),
    ]


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    parser.add_argument("--data", type=names, required=True, metavar="FILES", help="trip records")
    parser.add_argument("--table", metavar="NAME", help="the table of a DuckDB file")
    parser.add_argument("--since", required=True, metavar="TIME", help="the first pickup")
    parser.add_argument("--until", required=True, metavar="TIME", help="the first one after it")
    parser.add_argument(
        "--database", default=DATABASE, metavar="URL", help=f"{ALLOWED}; default: %(default)s"
    )
    parser.add_argument("--key", metavar="COLUMN", help="names a row, as when it was scored")
    parser.add_argument(
        "--least",
        type=whole_number,
        default=100,
        metavar="N",
        help="zones with fewer rides are grey; default: %(default)s",
    )
    parser.add_argument(
        "--shown", type=whole_number, default=SHOWN, metavar="N", help="zones in the table"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/congestion.svg"),
        metavar="FILE",
        help="the map; default: %(default)s",
    )
    return parser
