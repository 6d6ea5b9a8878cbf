"""AWS's formulas, on figures that a reader can check by hand."""

from __future__ import annotations

import pytest

from benchmarks.cost import Profile, Traffic, cheapest, plan

QUICK = Profile(
    "quick",
    start_seconds=0.001,
    ride_seconds=0.000_01,
    rides_per_call=500,
    resident_mb=120,
    call_seconds=0.010,
)
SLOW = Profile(
    "slow",
    start_seconds=0,
    ride_seconds=0.010,
    rides_per_call=1,
    resident_mb=300,
    call_seconds=0.010,
)
FULL_CPU = 1_769


def test_an_invocation_takes_its_cpu_time_and_waits_for_each_call() -> None:
    assert QUICK.seconds(1_000, FULL_CPU) == pytest.approx(0.001 + 0.010 + 2 * 0.010)
    assert SLOW.seconds(100, FULL_CPU) == pytest.approx(100 * 0.010 + 100 * 0.010)


def test_less_memory_is_less_cpu_and_a_second_vcpu_saves_no_time() -> None:
    quick = Profile("", start_seconds=1, ride_seconds=0, rides_per_call=1, resident_mb=1)

    assert quick.seconds(0, FULL_CPU / 2) == pytest.approx(2)
    assert quick.seconds(0, 2 * FULL_CPU) == pytest.approx(1)


@pytest.mark.parametrize(
    ("rate", "size", "per_record", "shards"),
    [
        (1, 200, 1, 1),
        (1_000, 200, 1, 1),
        (1_001, 200, 1, 2),
        (1_000, 2_097, 1, 2),
        (5_000, 200, 100, 1),
        (5_500, 200, 100, 2),
    ],
)
def test_a_shard_takes_a_thousand_records_and_a_mebibyte_a_second(
    rate: float, size: int, per_record: int, shards: int
) -> None:
    rides = Traffic(rate, ride_bytes=size, rides_per_record=per_record)
    predictions = Traffic(rate, prediction_bytes=size, predictions_per_record=per_record)

    assert (rides.shards_in, predictions.shards_out) == (shards, shards)


def test_kinesis_costs_its_shard_hours_and_a_put_unit_for_each_record() -> None:
    configuration = plan(QUICK, Traffic(1_000), "x86", 256, window=0)

    hours = 1_000_000 / 1_000 / 3600
    assert configuration.kinesis_dollars == pytest.approx(2 * hours * 0.015 + 2 * 0.014)


def test_aggregated_records_cost_a_put_unit_for_each_25_kb() -> None:
    traffic = Traffic(
        1_000,
        ride_bytes=190,
        rides_per_record=100,  # 19 kB
        prediction_bytes=330,
        predictions_per_record=100,  # 33 kB
    )

    assert traffic.put_units == pytest.approx(1 / 100 + 2 / 100)
    configuration = plan(QUICK, traffic, "x86", 256, window=0)
    hours = 1_000_000 / 1_000 / 3600
    assert configuration.kinesis_dollars == pytest.approx(2 * hours * 0.015 + 0.03 * 0.014)


def test_lambda_costs_its_billed_milliseconds_and_its_requests() -> None:
    configuration = plan(QUICK, Traffic(1_000), "x86", FULL_CPU, window=0)

    assert configuration.batch == 1_000
    assert configuration.seconds == pytest.approx(0.031)
    billed = 0.031 * FULL_CPU / 1024 * 0.0000166667 + 0.20 / 1_000_000
    assert configuration.lambda_dollars == pytest.approx(1_000 * billed)


def test_a_function_that_does_not_keep_up_gets_concurrent_batches_and_then_shards() -> None:
    configuration = plan(SLOW, Traffic(900), "x86", FULL_CPU, window=0)

    assert configuration.shards_in == 2  # 20 ms a ride: 50 rides/s an invocation, 500 a shard
    assert configuration.parallel == 9
    assert configuration.concurrency == pytest.approx(18)


def test_the_cheapest_configuration_uses_the_longest_window_that_pays_and_fits_the_memory() -> None:
    at_once = cheapest(QUICK, Traffic(10), longest_window=0)
    windowed = cheapest(QUICK, Traffic(10))

    assert (at_once.batch, at_once.window) == (10, 0)
    assert (windowed.batch, windowed.window) == (3_000, 300)
    assert windowed.dollars < at_once.dollars
    assert windowed.memory_mb == 256
    assert windowed.architecture == "arm64"
