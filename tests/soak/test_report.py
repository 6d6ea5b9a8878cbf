import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from local.event_source_mapping.mapping_metrics import MappingMetrics
from tests.soak.killed_archive_runs import ArchiveCheck
from tests.soak.reconciliation import Expected, ReceivedPrediction, Reconciliation
from tests.soak.report import SoakResult, fault_rows, markdown, resent_entries, rows
from tests.soak.workload import DeadLettered

EXPECTED = Expected(
    rides={"shard:1": 1, "shard:2": 1},
    poison={"shard:3": DeadLettered("not JSON", b"broken")},
    by_ride={1: ["shard:1", "shard:2"]},  # type: ignore[arg-type]  # a plain dict will do
)
PREDICTIONS = [ReceivedPrediction("shard:1", 1), ReceivedPrediction("shard:2", 1)]
MAPPING = MappingMetrics().snapshot({})
RECONCILIATION = Reconciliation(
    predicted=2, dead_lettered=1, lost=0, out_of_order=0, delivered_twice=0, wrong=0
)
RESULT = SoakResult(
    expected=EXPECTED,
    predictions=PREDICTIONS,
    reconciliation=RECONCILIATION,
    put=3,
    written=3,
    read=3,
    duplicates=1,
    mapping=MAPPING,
    resent=4,
    longest_stall=12.34,
    stuck_shards=0,
    calls={"PutRecords": 50},
    faults={"PutRecords: throttled": 7},
    process_faults={"function killed during a batch": 2},
    put_seconds=60.0,
    seconds=70.0,
)


def test_a_soak_with_every_event_accounted_for_passes() -> None:
    assert RESULT.passed


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            {"reconciliation": dataclasses.replace(RECONCILIATION, lost=1)}, id="a lost event"
        ),
        pytest.param({"stuck_shards": 1}, id="a stuck shard"),
        pytest.param({"written": 4}, id="an unread record"),
        pytest.param(
            {"mapping": dataclasses.replace(MAPPING, records_discarded=1)},
            id="a discarded record",
        ),
        pytest.param(
            {"archived": ArchiveCheck(predictions=2, events=3, lost=1, twice=0, unknown=0)},
            id="a prediction that is not archived",
        ),
    ],
)
def test_a_soak_with_anything_unaccounted_for_fails(change: dict[str, Any]) -> None:
    assert not dataclasses.replace(RESULT, **change).passed


def test_the_table_has_the_lost_events_and_the_dropped_duplicates() -> None:
    table = dict(rows(RESULT))
    assert table["**lost**"] == "0"
    assert table["duplicates dropped by the reader"] == "1"
    assert table["longest stall of a shard"] == "12.3 s"


def test_the_table_of_faults_has_the_count_of_each() -> None:
    assert fault_rows(RESULT) == [
        ("PutRecords: throttled", "7 of 50 calls"),
        ("function killed during a batch", "2"),
    ]


def test_a_table_is_written_as_markdown() -> None:
    assert (
        markdown(("", "count"), [("lost", "0")]) == "|  | count |\n| --- | ---: |\n| lost | 0 |\n"
    )


def test_resent_entries_are_summed_from_the_functions_log(tmp_path: Path) -> None:
    batches = [
        json.dumps({"message": "batch", "retried": n}, separators=(",", ":")) for n in (2, 3)
    ]
    log = tmp_path / "function.log"
    log.write_text("\n".join(["Traceback", *batches, '{"message":"batch","retr', "killed"]))
    assert resent_entries(log) == 5
