"""What a million predictions cost each way: by stream, over HTTP, from a table.

Times are those of docs/web.md, docs/batch.md and docs/performance.md; `make cost` prints the table.
"""

import math
from collections.abc import Iterator

import msgspec

from benchmarks.cost import FULL_CPU_MB, GB_SECOND, MILLION, MILLION_REQUESTS, Traffic
from benchmarks.deployment_cost import HOURS, SettingMissing, Settings, monthly, read_settings
from benchmarks.tables import TableOf
from cli.program import program, run_program

# List prices in US dollars, us-east-1, Linux on ARM (the page "AWS Fargate Pricing").
VCPU_HOUR, GB_HOUR = 0.03238, 0.00356

TASK_VCPU, TASK_GB = 1, 2
"""The smallest task with a whole core (Fargate developer guide, Task CPU and memory)."""

EVENTS_PER_SECOND = {1: 7_800, 100: 49_900}
"""Over HTTP, one worker, 32 connections: events a second at most, by the events of a request."""

SHARE = 0.5
"""The load that a service is sized for."""

FUNCTION_URL_MILLISECONDS = 0.28
"""CPU of the function URL's handler for one event; Lambda's own runtime is not in it."""

ROWS_PER_SECOND = {"DuckDB": 195_000, "PostgreSQL": 95_000}
"""Batch, one worker, from Parquet files to the predictions database."""

TASK_HOUR = TASK_VCPU * VCPU_HOUR + TASK_GB * GB_HOUR


def ways_table(settings: Settings) -> TableOf:
    """Return a row per way and load, in US dollars for a million predictions."""
    header = ("way", "load", "what it is sized as", "US$ a million")
    rows = [(way, load, sized, f"{dollars:,.4f}") for way, load, sized, dollars in _ways(settings)]
    return TableOf("A million predictions", header, rows)


def _ways(settings: Settings) -> Iterator[tuple[str, str, str, float]]:
    for rate in (1, 1_000):
        traffic = Traffic(rate)
        for mode in ("ON_DEMAND", "PROVISIONED"):
            dollars = monthly(msgspec.structs.replace(settings, mode=mode), traffic).dollars
            yield "stream", f"{rate:,}/s", mode, dollars / (rate * HOURS * 3_600 / MILLION)
    yield "web", "1/s", "one task, always on", TASK_HOUR / 3_600 * MILLION
    for events, most in EVENTS_PER_SECOND.items():
        load = most * SHARE
        dollars = TASK_HOUR / 3_600 / load * MILLION
        yield "web", f"{load:,.0f}/s, {events} a request", "one task at half load", dollars
    yield "web, function URL", "any", f"{settings.memory_mb} MB", _function_url(settings)
    for database, rows in ROWS_PER_SECOND.items():
        sized = f"a task that predicts for {MILLION / rows:.0f} s"
        yield f"batch to {database}", "a million at once", sized, TASK_HOUR / 3_600 / rows * MILLION


def _function_url(settings: Settings) -> float:
    """Return what a million requests of one event cost, each an invocation."""
    milliseconds = FUNCTION_URL_MILLISECONDS * max(1.0, FULL_CPU_MB / settings.memory_mb)
    seconds = math.ceil(milliseconds) / 1_000  # Lambda bills whole milliseconds
    price = GB_SECOND[settings.architecture.replace("x86_64", "x86")]
    return MILLION_REQUESTS + MILLION * seconds * settings.memory_mb / 1_024 * price


@program(SettingMissing)
def main() -> int:
    """Print the table in Markdown, as docs/three-ways.md has it."""
    print(ways_table(read_settings()).markdown(), end="")
    return 0


if __name__ == "__main__":
    run_program("benchmarks.ways_cost")
