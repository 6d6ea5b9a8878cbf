import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from local.event_source_mapping.mapping_metrics import MappingMetrics
from tests.soak.compare import Count, count
from tests.soak.reconciliation import Answer, Expected, Verdict
from tests.soak.report import fault_rows, markdown, rows
from tests.soak.result import Result, resent
from tests.soak.workload import Poisoned

EXPECTED = Expected(
    rides={"shard:1": 1, "shard:2": 1},
    poison={"shard:3": Poisoned("not JSON", b"broken")},
    order={1: ["shard:1", "shard:2"]},  # type: ignore[arg-type]  # a plain dict will do
)
ANSWERS = [Answer("shard:1", 1), Answer("shard:2", 1)]
MAPPING = MappingMetrics().snapshot({})
VERDICT = Verdict(predicted=2, dead=1, lost=0, out_of_order=0, delivered_twice=0, wrong=0)
RESULT = Result(
    expected=EXPECTED,
    answers=ANSWERS,
    verdict=VERDICT,
    put=3,
    written=3,
    duplicates=1,
    dead_letter_doubles=0,
    mapping=MAPPING,
    resent=4,
    longest_stall=12.34,
    stuck_shards=0,
    calls={"PutRecords": 50},
    faults={"PutRecords: throttled": 7},
    process_faults={"function killed mid-batch": 2},
    put_seconds=60.0,
    seconds=70.0,
)


def test_a_soak_in_which_everything_adds_up_passes() -> None:
    assert RESULT.passed


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"verdict": dataclasses.replace(VERDICT, lost=1)}, id="an event is lost"),
        pytest.param({"stuck_shards": 1}, id="a shard is stuck"),
        pytest.param({"written": 4}, id="the reader left a record out"),
        pytest.param(
            {"mapping": dataclasses.replace(MAPPING, records_discarded=1)},
            id="the mapping gave a record up",
        ),
    ],
)
def test_a_soak_in_which_something_is_missing_fails(change: dict[str, Any]) -> None:
    assert not dataclasses.replace(RESULT, **change).passed


def test_the_table_names_what_was_lost_and_what_was_removed() -> None:
    table = dict(rows(RESULT))
    assert table["**lost**"] == "0"
    assert table["duplicates removed by the reader"] == "1"
    assert table["longest stall of a shard"] == "12.3 s"


def test_the_table_of_faults_says_how_often_each_came() -> None:
    assert fault_rows(RESULT) == [
        ("PutRecords: throttled", "7 of 50 calls"),
        ("function killed mid-batch", "2"),
    ]


def test_a_table_is_written_as_markdown() -> None:
    assert (
        markdown(("", "count"), [("lost", "0")]) == "|  | count |\n| --- | ---: |\n| lost | 0 |\n"
    )


def test_entries_sent_again_are_summed_from_the_functions_log(tmp_path: Path) -> None:
    batches = [
        json.dumps({"message": "batch", "retried": n}, separators=(",", ":")) for n in (2, 3)
    ]
    log = tmp_path / "function.log"
    log.write_text("\n".join(["Traceback", *batches, '{"message":"batch","retr', "killed"]))
    assert resent(log) == 5


@pytest.mark.parametrize(
    ("rides", "found"),
    [
        ([1, 1], Count(events=2, unanswered=0, surplus=0)),
        ([1], Count(events=2, unanswered=1, surplus=0)),
        ([1, 1, 1], Count(events=2, unanswered=0, surplus=1)),
        ([2, 2], Count(events=2, unanswered=2, surplus=2)),
    ],
)
def test_predictions_without_event_ids_are_counted_by_ride(rides: list[int], found: Count) -> None:
    assert count(EXPECTED, [Answer(None, ride_id) for ride_id in rides]) == found
