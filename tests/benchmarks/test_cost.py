"""AWS's arithmetic, on figures that a reader can check in their head."""

from __future__ import annotations

import pytest

from benchmarks.cost import Program, Traffic, cheapest, plan

QUICK = Program(
    "quick",
    start_seconds=0.001,
    ride_seconds=0.000_01,
    rides_per_call=500,
    resident_mb=120,
    call_seconds=0.010,
)
SLOW = Program(
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


def test_less_memory_is_less_cpu_and_more_than_one_vcpu_helps_nobody() -> None:
    quick = Program("", start_seconds=1, ride_seconds=0, rides_per_call=1, resident_mb=1)

    assert quick.seconds(0, FULL_CPU / 2) == pytest.approx(2)
    assert quick.seconds(0, 2 * FULL_CPU) == pytest.approx(1)


@pytest.mark.parametrize(
    ("rate", "record_bytes", "shards"),
    [(1, 200, 1), (1_000, 200, 1), (1_001, 200, 2), (1_000, 2_097, 2)],
)
def test_a_shard_takes_a_thousand_records_and_a_mebibyte_a_second(
    rate: float, record_bytes: int, shards: int
) -> None:
    assert Traffic(rate).shards(record_bytes) == shards


def test_kinesis_costs_its_shard_hours_and_a_unit_for_each_record() -> None:
    setting = plan(QUICK, Traffic(1_000), "x86", 256, window=0)

    hours = 1_000_000 / 1_000 / 3600
    assert setting.kinesis_dollars == pytest.approx(2 * hours * 0.015 + 2 * 0.014)


def test_lambda_costs_its_milliseconds_and_its_requests() -> None:
    setting = plan(QUICK, Traffic(1_000), "x86", FULL_CPU, window=0)

    assert setting.batch == 1_000
    assert setting.seconds == pytest.approx(0.031)
    billed = 0.031 * FULL_CPU / 1024 * 0.0000166667 + 0.20 / 1_000_000
    assert setting.lambda_dollars == pytest.approx(1_000 * billed)


def test_a_program_that_does_not_keep_up_gets_parallel_invocations_and_then_shards() -> None:
    setting = plan(SLOW, Traffic(900), "x86", FULL_CPU, window=0)

    assert setting.shards_in == 2  # 20 ms a ride: 50 rides/s an invocation, 500 a shard
    assert setting.parallel == 9
    assert setting.concurrency == pytest.approx(18)


def test_the_cheapest_setting_waits_where_it_may_and_fits_the_memory() -> None:
    at_once = cheapest(QUICK, Traffic(10), longest_window=0)
    patient = cheapest(QUICK, Traffic(10))

    assert (at_once.batch, at_once.window) == (10, 0)
    assert (patient.batch, patient.window) == (3_000, 300)
    assert patient.dollars < at_once.dollars
    assert patient.memory_mb == 256
    assert patient.architecture == "arm64"
