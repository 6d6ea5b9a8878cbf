"""What the deployment costs a month, by rate, with the defaults of the Terraform variables.

The tables of docs/cost.md. Formulas and prices of Lambda and of provisioned streams are those of
`benchmarks.cost`; here are those of on-demand streams and of CloudWatch. `make cost` prints them.
"""

import math
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from benchmarks.contenders import OURS
from benchmarks.cost import (
    AGGREGATION_RATES,
    MILLION,
    PREDICTIONS_PER_RECORD,
    RIDES_PER_RECORD,
    SHARD_HOUR,
    Plan,
    Traffic,
    measured_profile,
    plan,
)
from benchmarks.tables import NOT_MEASURED, TableOf
from cli.program import program, run_program

ROOT = Path(__file__).resolve().parent.parent
HOURS = 730
"""An average month."""

# List prices in US dollars, us-east-1, without free tiers and discounts (the pages "Amazon Kinesis
# Data Streams pricing" and "Amazon CloudWatch Pricing").
STREAM_HOUR = 0.040
GB_IN, GB_OUT = 0.080, 0.040
RECORD_UNIT_BYTES, GB = 1_024, 1_024**3
"""An on-demand record is counted in whole KB."""

GB_MONTH_EXTENDED = 0.100
SHARD_HOUR_EXTENDED = 0.020
"""Retention beyond the first day, up to the seventh: on demand, and provisioned."""

LOG_GB, METRIC_MONTH = 0.50, 0.30

# An on-demand stream begins with four shards and follows twice the peak of the last 30 days
# (Kinesis developer guide, Choose the right mode).
ON_DEMAND_SHARDS, ON_DEMAND_HEADROOM = 4, 2

FUNCTION_LOG_BYTES, LAMBDA_LOG_BYTES = 1_040, 600
"""Of an invocation: the function's two lines, measured, and Lambda's own three, assumed."""

METRICS = 9
"""Those that the function's log lines declare."""

# Ours, from the tables of docs/performance.md: µs of CPU a record by batch size, µs to parse a
# record beforehand, MB after batches.
CPU_MICROSECONDS = {1: 1_166, 10: 130, 100: 24.19, 1_000: 13.09, 10_000: 12.54}
PARSE_MICROSECONDS, RESIDENT_MB = 3.15, 119

RATES = (1, 10, 100, 1_000, 10_000, 100_000)
DAY_HOURS, WEEK_HOURS = 24, 168


class SettingMissing(Exception):
    """A Terraform variable that the cost depends on has another name or no default."""


class Settings(msgspec.Struct, frozen=True):
    """What the cost depends on, with the defaults of `infrastructure/`.

    Attributes:
        mode: ON_DEMAND or PROVISIONED, of both streams.
        retention_hours: Of both streams, 24 to 168.
        architecture: arm64 or x86_64.
        memory_mb: The function's.
        batch_size: The event source mapping's.
        batching_window_seconds: The same.
        parallelization_factor: The same.
    """

    mode: str = "ON_DEMAND"
    retention_hours: int = 24
    architecture: str = "arm64"
    memory_mb: int = 512
    batch_size: int = 1_000
    batching_window_seconds: int = 0
    parallelization_factor: int = 1


class Bill(msgspec.Struct, frozen=True):
    """US dollars a month.

    Attributes:
        plan: The configuration: shards, batch, concurrency.
        function: Lambda's duration and requests.
        hours: Stream hours or shard hours, of both streams.
        data: What is written to both streams and read from them.
        retention: Keeping records longer than a day.
        logs: What the function logs.
        metrics: Its metrics.
    """

    plan: Plan
    function: float
    hours: float
    data: float
    retention: float
    logs: float
    metrics: float

    @property
    def dollars(self) -> float:
        """The sum."""
        return sum(self.items().values())

    @property
    def largest(self) -> str:
        """The largest item, and its share."""
        name, amount = max(self.items().items(), key=lambda item: item[1])
        return f"{name} {amount / self.dollars:.0%}"

    def items(self) -> dict[str, float]:
        """Return the items by name."""
        return {
            "Lambda": self.function,
            "stream hours": self.hours,
            "stream data": self.data,
            "retention": self.retention,
            "logs": self.logs,
            "metrics": self.metrics,
        }


def read_settings(folder: Path = ROOT / "infrastructure") -> Settings:
    """Read the defaults of the Terraform variables; without the folder, those of `Settings`.

    Raises:
        SettingMissing: A variable has another name or no default.
    """
    if not folder.is_dir():
        return Settings()
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.tf")))

    def default(name: str) -> str:
        optional = rf"^ *{name} *= *optional\(\w+, *\"?([\w.]+)\"?\)"
        variable = rf'^variable "{name}" {{[^}}]*?^ *default *= *"?([\w.]+)"?'
        if found := re.search(f"{optional}|{variable}", text, re.MULTILINE):
            return found[1] or found[2]
        raise SettingMissing(f"{folder.name}: no default of {name!r}, on which the cost depends")

    return Settings(
        mode=default("mode"),
        retention_hours=int(default("retention_hours")),
        architecture=default("architecture"),
        memory_mb=int(default("memory_mb")),
        batch_size=int(default("batch_size")),
        batching_window_seconds=int(default("batching_window_seconds")),
        parallelization_factor=int(default("parallelization_factor")),
    )


def monthly(settings: Settings, traffic: Traffic) -> Bill:
    """Work out the bill of a month; each stream is read by one consumer.

    Raises:
        ValueError: Records are kept longer than seven days, which is priced otherwise.
    """
    if not DAY_HOURS <= settings.retention_hours <= WEEK_HOURS:
        raise ValueError(f"retention_hours is {settings.retention_hours}; allowed: 24 to 168")
    on_demand = settings.mode == "ON_DEMAND"
    headroom = max(ON_DEMAND_SHARDS, ON_DEMAND_HEADROOM * traffic.shards_in) if on_demand else 1
    configuration = plan(
        measured_profile(
            OURS,
            {batch: batch * cpu / 1e6 for batch, cpu in CPU_MICROSECONDS.items()},
            parse_seconds=PARSE_MICROSECONDS / 1e6,
            resident_mb=RESIDENT_MB,
        ),
        traffic,
        settings.architecture.replace("x86_64", "x86"),
        settings.memory_mb,
        settings.batching_window_seconds,
        largest_batch=settings.batch_size,
        most_parallel=settings.parallelization_factor,
        least_shards=headroom,
    )
    millions = traffic.rate * HOURS * 3_600 / MILLION
    invocations = traffic.rate / configuration.batch * HOURS * 3_600
    shards = configuration.shards_in + configuration.shards_out
    hours = (2 * STREAM_HOUR if on_demand else shards * SHARD_HOUR) * HOURS
    provisioned_data = configuration.kinesis_dollars * millions - shards * SHARD_HOUR * HOURS
    gigabytes = _gigabytes(traffic)
    days_more = (settings.retention_hours - DAY_HOURS) / DAY_HOURS
    kept = gigabytes * DAY_HOURS * 3_600 * days_more * GB_MONTH_EXTENDED
    more_hours = shards * SHARD_HOUR_EXTENDED * HOURS if days_more else 0.0
    return Bill(
        plan=configuration,
        function=configuration.lambda_dollars * millions,
        hours=hours,
        data=gigabytes * (GB_IN + GB_OUT) * HOURS * 3_600 if on_demand else provisioned_data,
        retention=kept if on_demand else more_hours,
        logs=invocations * (FUNCTION_LOG_BYTES + LAMBDA_LOG_BYTES) / GB * LOG_GB,
        metrics=METRICS * METRIC_MONTH,
    )


def _gigabytes(traffic: Traffic) -> float:
    """Return the GB a second that on-demand streams count, in and out of the function."""
    streams = (
        (traffic.ride_bytes, traffic.rides_per_record),
        (traffic.prediction_bytes, traffic.predictions_per_record),
    )
    per_ride = (
        math.ceil(size * count / RECORD_UNIT_BYTES) * RECORD_UNIT_BYTES / count
        for size, count in streams
    )
    return traffic.rate * sum(per_ride) / GB


def cost_tables(settings: Settings, rates: Iterable[float] = RATES) -> list[TableOf]:
    """Return the tables of docs/cost.md."""
    rates = list(rates)
    return [
        _mode(msgspec.structs.replace(settings, mode="ON_DEMAND"), rates),
        _mode(msgspec.structs.replace(settings, mode="PROVISIONED"), rates),
        _cheaper(settings, rates),
    ]


def _mode(settings: Settings, rates: Iterable[float]) -> TableOf:
    header = (
        *("rides/s", "shards", "batch", "Lambda", "stream hours", "stream data", "logs", "metrics"),
        *("US$ a month", "US$ a million rides", "largest"),
    )
    rows = []
    for rate in rates:
        bill = monthly(settings, Traffic(rate))
        items = (bill.function, bill.hours, bill.data, bill.logs, bill.metrics)
        rows.append(
            (
                f"{rate:,}",
                f"{bill.plan.shards_in:,}+{_shards_out(settings, bill):,}",
                f"{bill.plan.batch:,}",
                *(f"{amount:,.2f}" for amount in items),
                f"{bill.dollars:,.2f}",
                f"{bill.dollars / (rate * HOURS * 3_600 / MILLION):,.4f}",
                bill.largest,
            )
        )
    return TableOf(f"{settings.mode}, a month", header, rows)


def _shards_out(settings: Settings, bill: Bill) -> int:
    if settings.mode == "ON_DEMAND":
        return max(ON_DEMAND_SHARDS, ON_DEMAND_HEADROOM * bill.plan.shards_out)
    return bill.plan.shards_out


def _cheaper(settings: Settings, rates: Iterable[float]) -> TableOf:
    on_demand = msgspec.structs.replace(settings, mode="ON_DEMAND")
    provisioned = msgspec.structs.replace(settings, mode="PROVISIONED")
    rows = []
    for rate in rates:
        plain = Traffic(rate)
        # Batches of fewer than a thousand rides fill fewer entries of an aggregated record.
        batch = monthly(provisioned, plain).plan.batch
        packed = max(1.0, min(PREDICTIONS_PER_RECORD, batch / 64))
        predictions = Traffic(rate, predictions_per_record=packed)
        both = Traffic(
            rate, rides_per_record=RIDES_PER_RECORD, predictions_per_record=PREDICTIONS_PER_RECORD
        )
        ways = [(on_demand, plain), (provisioned, plain), (provisioned, predictions)]
        # At lower rates a producer would wait for seconds until a record is full.
        ways += [(provisioned, both)] if rate >= min(AGGREGATION_RATES) else []
        dollars = [f"{monthly(*way).dollars:,.2f}" for way in ways]
        rows.append((f"{rate:,}", *dollars, *[NOT_MEASURED] * (4 - len(dollars))))
    header = (
        "rides/s",
        "ON_DEMAND",
        "PROVISIONED",
        "and AGGREGATE_OUTPUT=all",
        "and producers that aggregate",
    )
    return TableOf("Ways to pay less, US$ a month", header, rows)


@program(SettingMissing)
def main() -> int:
    """Print the tables in Markdown, as docs/cost.md has them."""
    print("\n".join(table.markdown() for table in cost_tables(read_settings())), end="")
    return 0


if __name__ == "__main__":
    run_program("benchmarks.deployment_cost")
