"""What a million rides cost at AWS, and which setting is the cheapest for a rate.

The arithmetic is AWS's; the durations are measured here. Memory is taken to buy CPU in proportion,
up to the one vCPU that 1,769 MB are (Lambda developer guide, Configure Lambda function memory).
"""

import itertools
import math
from collections.abc import Iterator

import msgspec

MILLION = 1_000_000
SECONDS_PER_HOUR = 3_600
FULL_CPU_MB = 1_769
MOST_BATCH = 10_000
EVENT_BYTES = 6_000_000  # what an invocation may carry
SHARD_RECORDS, SHARD_BYTES = 1_000, 1_048_576  # a second, in
MOST_PARALLEL = 10
POLL_SECONDS = 1.0
"""Without a batch window, Lambda polls a shard once a second (Lambda developer guide, Kinesis)."""

MEMORY_MB = (128, 256, 512, 1_024, 1_769)
HEADROOM = 1.25
WINDOWS = (0, 5, 30, 300)
"""Seconds; 300 is the longest that a mapping may have."""


class Prices(msgspec.Struct, frozen=True):
    """List prices, US dollars, us-east-1, without free tiers and discounts.

    Attributes:
        seen: The month in which they were written down.
        gb_second: Lambda's, by architecture.
        million_requests: Lambda's.
        shard_hour: Kinesis's, provisioned.
        million_put_units: Kinesis's, provisioned, a unit of 25 KB.
    """

    seen: str = "2026-11"
    gb_second: dict[str, float] = msgspec.field(
        default_factory=lambda: {"x86": 0.0000166667, "arm64": 0.0000133334}
    )
    million_requests: float = 0.20
    shard_hour: float = 0.015
    million_put_units: float = 0.014


PRICES = Prices()
PRICE_PAGES = ("AWS Lambda Pricing", "Amazon Kinesis Data Streams pricing")

UNIT_BYTES = 25_000


class Program(msgspec.Struct, frozen=True):
    """What a contender needs for a batch.

    Attributes:
        name: The contender's.
        start_seconds: CPU seconds of an invocation, whatever its size.
        ride_seconds: CPU seconds of each ride.
        rides_per_call: Predictions that one call to Kinesis carries.
        resident_mb: Its memory with full batches.
        call_seconds: What a call to Kinesis waits for the network; not measured here, but assumed.
    """

    name: str
    start_seconds: float
    ride_seconds: float
    rides_per_call: int
    resident_mb: float
    call_seconds: float = 0.010

    def seconds(self, batch: float, memory_mb: float) -> float:
        """Give the duration of an invocation."""
        cpu = self.start_seconds + self.ride_seconds * batch
        waiting = math.ceil(batch / self.rides_per_call) * self.call_seconds
        return cpu * max(1.0, FULL_CPU_MB / memory_mb) + waiting


class Traffic(msgspec.Struct, frozen=True):
    """What is on the streams.

    Attributes:
        rate: Rides a second.
        ride_bytes: Of a ride's record.
        prediction_bytes: Of a prediction's record.
        envelope_bytes: Of a ride in the event that Lambda hands over.
    """

    rate: float
    ride_bytes: int = 190
    prediction_bytes: int = 330
    envelope_bytes: int = 810

    def shards(self, record_bytes: int) -> int:
        """Give the shards that a stream of such records needs."""
        most = min(SHARD_RECORDS, SHARD_BYTES / record_bytes)
        return max(1, math.ceil(self.rate / most))


class Plan(msgspec.Struct, frozen=True):
    """A setting, and what a million rides cost with it.

    Attributes:
        program: Whose.
        rate: Rides a second.
        architecture: x86 or arm64.
        memory_mb: The function's.
        window: The mapping's batch window, in seconds.
        batch: Rides in an invocation.
        seconds: An invocation's duration.
        parallel: The mapping's parallelization factor.
        shards_in: The input stream's.
        shards_out: The output stream's.
        concurrency: Invocations under way at a time, on average.
        lambda_dollars: For a million rides.
        kinesis_dollars: For a million rides, both streams.
    """

    program: str
    rate: float
    architecture: str
    memory_mb: int
    window: int
    batch: int
    seconds: float
    parallel: int
    shards_in: int
    shards_out: int
    concurrency: float
    lambda_dollars: float
    kinesis_dollars: float

    @property
    def dollars(self) -> float:
        """What a million rides cost."""
        return self.lambda_dollars + self.kinesis_dollars


def cheapest(program: Program, traffic: Traffic, *, longest_window: int = 300) -> Plan:
    """Find the cheapest setting that keeps up.

    Args:
        program: Whose costs.
        traffic: What is on the streams.
        longest_window: The most that a ride may wait for its batch, in seconds.
    """
    windows = [window for window in WINDOWS if window <= longest_window]
    return min(
        _plans(program, traffic, windows),
        key=lambda plan: (plan.dollars, plan.window, plan.seconds),
    )


def _plans(program: Program, traffic: Traffic, windows: list[int]) -> Iterator[Plan]:
    fitting = [mb for mb in MEMORY_MB if mb >= HEADROOM * program.resident_mb]
    for architecture, memory_mb, window in itertools.product(PRICES.gb_second, fitting, windows):
        yield plan(program, traffic, architecture, memory_mb, window)


def plan(
    program: Program, traffic: Traffic, architecture: str, memory_mb: int, window: int
) -> Plan:
    """Work one setting out.

    Where ten parallel invocations for each shard do not keep up, there are more shards.
    """
    most = min(MOST_BATCH, EVENT_BYTES // traffic.envelope_bytes)
    fewest = traffic.shards(traffic.ride_bytes)
    # A full batch is the quickest for its rides: who does not keep up with it never does.
    each_second = most / program.seconds(most, memory_mb)
    shards = max(fewest, math.ceil(traffic.rate / (MOST_PARALLEL * each_second)))
    collected = traffic.rate / shards * max(window, POLL_SECONDS)
    batch = max(1, min(most, math.floor(collected)))
    busy = traffic.rate / batch * program.seconds(batch, memory_mb)  # seconds of work a second
    if busy > shards * MOST_PARALLEL:
        batch = most
        busy = traffic.rate / batch * program.seconds(batch, memory_mb)
    seconds = program.seconds(batch, memory_mb)
    return Plan(
        program=program.name,
        rate=traffic.rate,
        architecture=architecture,
        memory_mb=memory_mb,
        window=window,
        batch=batch,
        seconds=seconds,
        parallel=max(1, math.ceil(busy / shards)),
        shards_in=shards,
        shards_out=traffic.shards(traffic.prediction_bytes),
        concurrency=busy,
        lambda_dollars=_lambda_dollars(batch, seconds, memory_mb, architecture),
        kinesis_dollars=_kinesis_dollars(traffic, shards),
    )


def _lambda_dollars(batch: int, seconds: float, memory_mb: int, architecture: str) -> float:
    billed = math.ceil(1000 * seconds) / 1000
    duration = billed * memory_mb / 1024 * PRICES.gb_second[architecture]
    return MILLION / batch * (duration + PRICES.million_requests / MILLION)


def _kinesis_dollars(traffic: Traffic, shards_in: int) -> float:
    shards = shards_in + traffic.shards(traffic.prediction_bytes)
    hours = MILLION / traffic.rate / SECONDS_PER_HOUR
    units = sum(
        math.ceil(size / UNIT_BYTES) for size in (traffic.ride_bytes, traffic.prediction_bytes)
    )
    return shards * hours * PRICES.shard_hour + units * PRICES.million_put_units
