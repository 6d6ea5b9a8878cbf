"""What a million rides cost at AWS, and the cheapest configuration for a rate.

The formulas are AWS's; the durations are measured here. CPU is taken to be proportional to memory,
up to one vCPU at 1,769 MB (Lambda developer guide, Configure Lambda function memory).
"""

import itertools
import math
from collections.abc import Iterable, Mapping

import msgspec

from benchmarks.contenders import COURSE, OURS
from benchmarks.results import Line, Results

# List prices in US dollars, us-east-1, without free tiers and discounts (the pages "AWS Lambda
# Pricing" and "Amazon Kinesis Data Streams pricing").
PRICES_AS_OF = "2026-11"
GB_SECOND = {"x86": 0.0000166667, "arm64": 0.0000133334}
MILLION_REQUESTS = 0.20
SHARD_HOUR = 0.015
MILLION_PUT_UNITS, PUT_UNIT_BYTES = 0.014, 25_000

# Limits (Lambda developer guide, Kinesis and Lambda quotas; Kinesis developer guide, quotas).
MAX_BATCH = 10_000
MAX_EVENT_BYTES = 6_000_000
MAX_PARALLELIZATION = 10
SHARD_RECORDS, SHARD_BYTES = 1_000, 1_048_576  # a second, in
FULL_CPU_MB = 1_769
POLL_SECONDS = 1.0
"""Without a batching window, Lambda polls a shard once a second."""

# The configurations to choose from.
MEMORY_MB = (128, 256, 512, 1_024, 1_769)
MEMORY_HEADROOM = 1.25
WINDOWS = (0, 5, 30, 300)
"""Seconds; 300 is the longest batching window."""

MILLION = 1_000_000
RATES = (10, 1_000, 100_000)
AGGREGATION_RATES = (1_000, 100_000)
SIZING_RATES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
RIDES_PER_CALL = {OURS: 500, COURSE: 1}

# Of full batches: the producer aggregates a hundred rides, as the KPL does in 20 KB, and
# AGGREGATE_OUTPUT=all packs a slice of 1,000 predictions into 64 records.
RIDES_PER_RECORD = 100
PREDICTIONS_PER_RECORD = 1_000 / 64


class Profile(msgspec.Struct, frozen=True):
    """The resources a contender needs for a batch.

    Attributes:
        name: The contender's name.
        start_seconds: CPU seconds of an invocation, independent of its size.
        ride_seconds: CPU seconds of each ride.
        rides_per_call: Predictions in one call to Kinesis.
        resident_mb: Memory with full batches.
        call_seconds: Network wait of a call to Kinesis: assumed, not measured.
    """

    name: str
    start_seconds: float
    ride_seconds: float
    rides_per_call: int
    resident_mb: float
    call_seconds: float = 0.010

    def seconds(self, batch: float, memory_mb: float) -> float:
        """Return the duration of an invocation."""
        cpu = self.start_seconds + self.ride_seconds * batch
        waiting = math.ceil(batch / self.rides_per_call) * self.call_seconds
        return cpu * max(1.0, FULL_CPU_MB / memory_mb) + waiting


class Traffic(msgspec.Struct, frozen=True):
    """The load on the streams.

    Attributes:
        rate: Rides a second.
        ride_bytes: Size of a ride's record.
        prediction_bytes: Size of a prediction's record.
        envelope_bytes: Size of a ride in the event that Lambda passes to the function.
        rides_per_record: Rides in a record; more than one if the producer aggregates them.
        predictions_per_record: Predictions in a record.
    """

    rate: float
    ride_bytes: int = 190
    prediction_bytes: int = 330
    envelope_bytes: int = 810
    rides_per_record: float = 1
    predictions_per_record: float = 1

    @property
    def shards_in(self) -> int:
        """Shards of the input stream."""
        return self._shards(self.ride_bytes, self.rides_per_record)

    @property
    def shards_out(self) -> int:
        """Shards of the output stream."""
        return self._shards(self.prediction_bytes, self.predictions_per_record)

    @property
    def put_units(self) -> float:
        """PUT payload units of a ride and its prediction."""
        return _put_units(self.ride_bytes, self.rides_per_record) + _put_units(
            self.prediction_bytes, self.predictions_per_record
        )

    def _shards(self, size: int, per_record: float) -> int:
        most = min(SHARD_RECORDS * per_record, SHARD_BYTES / size)
        return max(1, math.ceil(self.rate / most))


def _put_units(size: int, per_record: float) -> float:
    return math.ceil(size * per_record / PUT_UNIT_BYTES) / per_record


class Plan(msgspec.Struct, frozen=True):
    """A configuration, and what a million rides cost with it.

    Attributes:
        contender: The contender's name.
        rate: Rides a second.
        architecture: x86 or arm64.
        memory_mb: The function's memory.
        window: The batching window, in seconds.
        batch: Rides in an invocation.
        seconds: An invocation's duration.
        parallel: The parallelization factor.
        shards_in: Shards of the input stream.
        shards_out: Shards of the output stream.
        concurrency: Concurrent invocations, on average.
        lambda_dollars: For a million rides.
        kinesis_dollars: For a million rides, both streams.
    """

    contender: str
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
        """US dollars for a million rides."""
        return self.lambda_dollars + self.kinesis_dollars


def profile(results: Results, name: str) -> Profile:
    """Derive a contender's profile from its CPU time by batch size."""
    cells = results.throughput_of(name)
    return measured_profile(
        name,
        {batch: cell.cpu_seconds.median for batch, cell in cells.items()},
        parse_seconds=results.stages[-1].parse_microseconds / 1e6,
        resident_mb=results.resident_mb[name],
    )


def measured_profile(
    name: str, cpu_seconds: Mapping[int, float], *, parse_seconds: float, resident_mb: float
) -> Profile:
    """Derive a profile from measured figures.

    Args:
        name: The contender's name.
        cpu_seconds: CPU time of a batch, by its size.
        parse_seconds: CPU time that Lambda's runtime takes to parse a ride of the event.
        resident_mb: Memory with full batches.
    """
    line = Line.through(list(cpu_seconds), list(cpu_seconds.values()))
    return Profile(
        name=name,
        start_seconds=max(line.start, 0.0),
        ride_seconds=line.slope + parse_seconds,
        rides_per_call=RIDES_PER_CALL[name],
        resident_mb=resident_mb,
    )


def cheapest(profile: Profile, traffic: Traffic, *, longest_window: float = 300) -> Plan:
    """Find the cheapest configuration that keeps up.

    Args:
        profile: The contender's.
        traffic: The load on the streams.
        longest_window: The longest that a ride may wait for its batch, in seconds.
    """
    memory = [mb for mb in MEMORY_MB if mb >= MEMORY_HEADROOM * profile.resident_mb]
    windows = [window for window in WINDOWS if window <= longest_window]
    plans = itertools.starmap(
        lambda *setting: plan(profile, traffic, *setting),
        itertools.product(GB_SECOND, memory, windows),
    )
    return min(plans, key=lambda plan: (plan.dollars, plan.window, plan.seconds))


def plan(
    profile: Profile,
    traffic: Traffic,
    architecture: str,
    memory_mb: int,
    window: int,
    *,
    largest_batch: int = MAX_BATCH,
    most_parallel: int = MAX_PARALLELIZATION,
    least_shards: int = 1,
) -> Plan:
    """Work out one configuration.

    Where the concurrent batches per shard do not keep up, shards are added.

    Args:
        profile: The contender's.
        traffic: The load on the streams.
        architecture: x86 or arm64.
        memory_mb: The function's memory.
        window: The batching window, in seconds.
        largest_batch: The event source mapping's batch size.
        most_parallel: Its parallelization factor.
        least_shards: Shards that the input stream has anyway.
    """
    most = min(largest_batch, MAX_EVENT_BYTES // traffic.envelope_bytes)
    # A full batch takes the least time per ride: what is too slow with it is always too slow.
    full_rate = most_parallel * most / profile.seconds(most, memory_mb)
    shards = max(traffic.shards_in, least_shards, math.ceil(traffic.rate / full_rate))
    collected = traffic.rate / shards * max(window, POLL_SECONDS)
    batch = max(1, min(most, math.floor(collected)))
    seconds = profile.seconds(batch, memory_mb)
    if traffic.rate / batch * seconds > shards * most_parallel:
        batch, seconds = most, profile.seconds(most, memory_mb)
    concurrency = traffic.rate / batch * seconds
    return Plan(
        contender=profile.name,
        rate=traffic.rate,
        architecture=architecture,
        memory_mb=memory_mb,
        window=window,
        batch=batch,
        seconds=seconds,
        parallel=max(1, math.ceil(concurrency / shards)),
        shards_in=shards,
        shards_out=traffic.shards_out,
        concurrency=concurrency,
        lambda_dollars=_lambda_dollars(batch, seconds, memory_mb, architecture),
        kinesis_dollars=_kinesis_dollars(traffic, shards),
    )


def _lambda_dollars(batch: int, seconds: float, memory_mb: int, architecture: str) -> float:
    billed = math.ceil(1000 * seconds) / 1000
    duration = billed * memory_mb / 1024 * GB_SECOND[architecture]
    return MILLION / batch * (duration + MILLION_REQUESTS / MILLION)


def _kinesis_dollars(traffic: Traffic, shards_in: int) -> float:
    hours = MILLION / traffic.rate / 3_600
    shard_hours = (shards_in + traffic.shards_out) * hours
    return shard_hours * SHARD_HOUR + traffic.put_units * MILLION_PUT_UNITS


def cheapest_plans(results: Results) -> list[Plan]:
    """Return ours and the course's cheapest plans, without and with a batching window."""
    return [
        cheapest(profile(results, name), Traffic(rate), longest_window=window)
        for rate in RATES
        for name in RIDES_PER_CALL
        for window in (0, 300)
    ]


def sizing(results: Results) -> list[Plan]:
    """Return our cheapest plan for each rate, without a batching window."""
    return cost_curve(results, OURS, SIZING_RATES, longest_window=0)


def aggregation(results: Results) -> list[tuple[str, Plan]]:
    """Return our cheapest plans without a batching window, by which streams are aggregated."""
    needs = profile(results, OURS)
    streams = {
        "none": (1, 1),
        "predictions": (1, PREDICTIONS_PER_RECORD),
        "rides, predictions": (RIDES_PER_RECORD, PREDICTIONS_PER_RECORD),
    }
    traffic = [
        (name, Traffic(rate, rides_per_record=rides, predictions_per_record=predictions))
        for rate in AGGREGATION_RATES
        for name, (rides, predictions) in streams.items()
    ]
    return [(name, cheapest(needs, each, longest_window=0)) for name, each in traffic]


def cost_curve(
    results: Results, name: str, rates: Iterable[float], *, longest_window: float = 300
) -> list[Plan]:
    """Return a contender's cheapest plan for each rate."""
    needs = profile(results, name)
    return [cheapest(needs, Traffic(rate), longest_window=longest_window) for rate in rates]
