"""A month's bill, on figures that a reader can check by hand, and the document that shows it."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.cost import Traffic
from benchmarks.deployment_cost import (
    CPU_MICROSECONDS,
    FUNCTION_LOG_BYTES,
    METRICS,
    PARSE_MICROSECONDS,
    RESIDENT_MB,
    SettingMissing,
    Settings,
    cost_tables,
    main,
    monthly,
    read_settings,
)
from lambda_function import build_consumer

ROOT = Path(__file__).parent.parent.parent
SECONDS = 730 * 3_600
ON_DEMAND, PROVISIONED = Settings(), Settings(mode="PROVISIONED")


def test_on_demand_costs_its_stream_hours_and_a_kilobyte_for_each_record() -> None:
    bill = monthly(ON_DEMAND, Traffic(1_000))

    gigabytes = 2 * 1_000 * SECONDS * 1_024 / 1_024**3
    assert bill.hours == pytest.approx(2 * 730 * 0.04)
    assert bill.data == pytest.approx(gigabytes * (0.08 + 0.04))
    assert bill.retention == 0


def test_on_demand_counts_an_aggregated_record_by_its_size() -> None:
    aggregated = Traffic(
        1_000,
        ride_bytes=190,
        rides_per_record=100,  # 19,000 bytes: 19 KB
        prediction_bytes=330,
        predictions_per_record=10,  # 3,300 bytes: 4 KB
    )

    kilobytes = 19 / 100 + 4 / 10
    assert monthly(ON_DEMAND, aggregated).data == pytest.approx(
        1_000 * SECONDS * kilobytes * 1_024 / 1_024**3 * 0.12
    )


def test_provisioned_costs_its_shard_hours_and_a_put_unit_for_each_record() -> None:
    bill = monthly(PROVISIONED, Traffic(2_000))

    assert (bill.plan.shards_in, bill.plan.shards_out) == (2, 2)
    assert bill.hours == pytest.approx(4 * 730 * 0.015)
    assert bill.data == pytest.approx(2 * 2_000 * SECONDS / 1_000_000 * 0.014)


def test_an_on_demand_streams_shards_make_smaller_batches() -> None:
    assert monthly(ON_DEMAND, Traffic(1_000)).plan.batch == 250
    assert monthly(PROVISIONED, Traffic(1_000)).plan.batch == 1_000
    assert monthly(ON_DEMAND, Traffic(10_000)).plan.shards_in == 20


def test_the_batch_size_and_the_window_of_the_mapping_are_kept() -> None:
    smaller = Settings(mode="PROVISIONED", batch_size=100)
    windowed = Settings(mode="PROVISIONED", batching_window_seconds=30)

    assert monthly(smaller, Traffic(1_000)).plan.batch == 100
    assert monthly(windowed, Traffic(10)).plan.batch == 300
    assert monthly(windowed, Traffic(10)).logs < monthly(PROVISIONED, Traffic(10)).logs


@pytest.mark.parametrize(
    ("mode", "dollars"),
    [
        ("PROVISIONED", 2 * 730 * 0.020),
        ("ON_DEMAND", 2 * 1_000 * 86_400 * 1_024 / 1_024**3 * 0.10),
    ],
)
def test_a_second_day_of_retention_has_its_price(mode: str, dollars: float) -> None:
    settings = Settings(mode=mode, retention_hours=48)

    assert monthly(settings, Traffic(1_000)).retention == pytest.approx(dollars)


def test_retention_beyond_a_week_is_priced_otherwise() -> None:
    with pytest.raises(ValueError, match="retention_hours is 169; allowed: 24 to 168"):
        monthly(Settings(retention_hours=169), Traffic(1))


VARIABLES = """
variable "architecture" {
  description = "The image's"
  default     = "x86_64"
}
variable "event_stream" {
  type = object({
    mode            = optional(string, "PROVISIONED") # or ON_DEMAND
    shards          = optional(number)
    retention_hours = optional(number, 48)
  })
}
"""
CONSUMERS = """
    memory_mb               = optional(number, 256) # 128 to 10,240
    batch_size              = optional(number, 500)
    batching_window_seconds = optional(number, 5)
    parallelization_factor  = optional(number, 2)
"""


def test_the_settings_are_the_defaults_of_the_terraform_variables(tmp_path: Path) -> None:
    (tmp_path / "variables.tf").write_text(VARIABLES)
    (tmp_path / "consumers.tf").write_text(CONSUMERS)

    assert read_settings(tmp_path) == Settings(
        mode="PROVISIONED",
        retention_hours=48,
        architecture="x86_64",
        memory_mb=256,
        batch_size=500,
        batching_window_seconds=5,
        parallelization_factor=2,
    )


def test_a_variable_that_is_renamed_is_named(tmp_path: Path) -> None:
    (tmp_path / "variables.tf").write_text(VARIABLES)
    (tmp_path / "consumers.tf").write_text(CONSUMERS.replace("batch_size", "size"))

    with pytest.raises(SettingMissing, match="no default of 'batch_size'"):
        read_settings(tmp_path)


def test_the_document_has_the_tables_that_the_command_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = (ROOT / "docs" / "cost.md").read_text()

    assert main() == 0
    printed = capsys.readouterr().out
    tables = cost_tables(read_settings())
    assert len(tables) == 3
    for table in tables:
        assert table.markdown() in printed
        lines = "\n".join(table.markdown().splitlines()[2:])
        assert lines in document, table.title


@pytest.mark.parametrize(
    ("settings", "below", "above"), [(ON_DEMAND, 90, 110), (PROVISIONED, 290, 310)]
)
def test_the_hours_dominate_up_to_the_rate_that_the_document_names(
    settings: Settings, below: float, above: float
) -> None:
    assert monthly(settings, Traffic(below)).largest.startswith("stream hours")
    assert monthly(settings, Traffic(above)).largest.startswith("stream data")


def test_the_measured_figures_are_those_of_the_performance_document() -> None:
    document = (ROOT / "docs" / "performance.md").read_text()

    rows = re.findall(
        r"^\| ([\d,]+) \| [\d,]+ \| [\d.,]+ \| \S+ to \S+ \| ([\d.,]+) \|$", document, re.MULTILINE
    )
    measured = {int(b.replace(",", "")): float(cpu.replace(",", "")) for b, cpu in rows}
    assert measured == CPU_MICROSECONDS
    assert re.search(rf"^\| parse, before \|.* {PARSE_MICROSECONDS} \|$", document, re.MULTILINE)
    assert re.search(rf"^\| ours \|.*\(.* \| {RESIDENT_MB} \|$", document, re.MULTILINE)


@pytest.mark.rides
def test_an_invocation_logs_as_much_as_the_bill_says(capsys: pytest.CaptureFixture[str]) -> None:
    event = json.loads((ROOT / "tests" / "events" / "kinesis.json").read_text())
    build_consumer({"TEST_RUN": "True"}).handle(event)

    written = capsys.readouterr().out
    metrics = json.loads(written.splitlines()[0])["_aws"]["CloudWatchMetrics"]
    assert len(written) == pytest.approx(FUNCTION_LOG_BYTES, rel=0.1)
    assert [len(each["Metrics"]) for each in metrics] == [METRICS]
