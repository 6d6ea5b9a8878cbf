"""The decision service under faults: `make soak-decisions`.

Its function is killed with SIGKILL before and after calls, throttled, and loses responses; results
come twice, in any order, late or never; batches and ticks are handled at once. In the end every
item must have the decision that its results lead to, and each decision must have been made once.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from cli.program import program, run_program

if __name__ == "__main__":
    run_program("tests.soak.decision_soak")  # before the slow imports

import msgspec
from rich.console import Console
from rich.table import Table

from cli.arguments import Parser, seed, whole_number
from local.embedded_kinesis import embedded_kinesis
from local.errors import FunctionError, LocalError
from local.event_source_mapping import EventSourceMappingConfiguration
from local.event_source_mapping.configuration import PARTIAL_RESPONSES
from local.function import FunctionConfiguration
from local.pipeline import Pipeline, PipelineConfig, open_pipeline
from streaming.clients import aws_client
from streaming.decisions.check_results import Results
from streaming.decisions.decision_service import SCHEDULED
from streaming.decisions.decision_table import TABLE, DecisionTable
from streaming.decisions.policy import Policy
from streaming.decisions.policy_file import decode_policy
from streaming.errors import StreamingError
from streaming.reader.stream_reader import StreamReader
from streaming.timestamps import iso_utc
from tests.soak.command_line import open_run_folder

CHECKS_STREAM, DECISIONS_STREAM, TABLE_NAME = "checks", "decisions", "decisions"
CHECKS = ("copyright", "language", "image")
ITEMS_A_SECOND = 100.0
TICK_SECONDS = 0.5
END_SECONDS = 120.0
"""How long no item may be brought up to date after the last result."""

POLICY = json.dumps(
    {
        "name": "soak_policy",
        "version": 1,
        "event_type": "decided",
        "item": "item",
        "checks": {check: f"{check}_model" for check in CHECKS},
        "rules": [
            {
                "id": f"{check}-{outcome}",
                "outcome": outcome,
                "reason": "The score is high.",
                "when": [{"check": check, "field": "score", "at_least": bound}],
                "early": outcome == "reject",
            }
            for outcome, bound in (("reject", 0.9), ("review", 0.6))
            for check in CHECKS
        ],
        "otherwise": {"outcome": "approve", "reason": "No score is high."},
        "when_missing": {"outcome": "review", "reason": "Not every check has answered."},
        "deadline_seconds": 2,
        "keep_days": 1,
    }
).encode()


@dataclass(slots=True)
class DecisionSoak:
    """What a run came to.

    Attributes:
        items: Items with a result.
        records: Records that were put, the same result twice among them.
        published: Records on the decisions' stream.
        decisions: Different decisions among them.
        revised: Decisions that revise another.
        lost: Items whose last decision is not what their results lead to, or have a gap.
        made_twice: Decisions of one number with two contents, or that repeat the one before.
        undecided: Items that were still due at the end.
        faults: How often each fault was met.
    """

    items: int = 0
    records: int = 0
    published: int = 0
    decisions: int = 0
    revised: int = 0
    lost: int = 0
    made_twice: int = 0
    undecided: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def passed(self) -> bool:
        """Whether nothing was lost or made twice, and there were kills."""
        return not (self.lost or self.made_twice or self.undecided) and self.faults["killed"] > 0


def drawn_results(items: int, draw: random.Random) -> list[list[bytes]]:
    """Draw the results of items: some twice, some replaced by a newer one, some never.

    Returns:
        Each item's records, in the order in which they are put.
    """
    arrived_at = iso_utc(time.time())
    drawn = []
    for item in range(items):
        records = []
        for check in CHECKS:
            for number in range(draw.choice((0, 1, 1, 1, 1, 1, 1, 1, 2))):
                record = {
                    "event_type": "checked",
                    "event_id": f"shardId-000000000000:{10 * item + number}",
                    "model": f"{check}_model",
                    "version": "1",
                    "prediction": {"item": item, "score": round(draw.random() ** 3, 2)},
                    "arrived_at": arrived_at,
                }
                records += [json.dumps(record).encode()] * draw.choice((1, 1, 1, 2))
        draw.shuffle(records)
        if records:
            drawn.append(records)
    return drawn


def run(items: int, seed_number: int, folder: Path) -> DecisionSoak:
    """Run a soak.

    Args:
        items: How many items.
        seed_number: Draws the same results; processes are not killed at the same places.
        folder: For logs.
    """
    draw = random.Random(seed_number)
    drawn = drawn_results(items, draw)
    policy = decode_policy(POLICY, "the soak's")
    (folder / "policy.json").write_bytes(POLICY)
    with embedded_kinesis(folder / "kinesis.log", port=0) as kinesis:
        dynamodb = aws_client("dynamodb", kinesis.endpoint_url, isolated=True)
        dynamodb.create_table(TableName=TABLE_NAME, **TABLE)
        config = _config(folder, kinesis.endpoint_url, seed_number)
        with open_pipeline(config, lambda _line: None) as pipeline, _ticks(pipeline):
            records, last = _put(pipeline.client, drawn, draw)
            table = DecisionTable(dynamodb, TABLE_NAME, time.time)
            # A late result may still be retried when every item is decided.
            _wait_processed(pipeline, last)
            pipeline.mapping.stop()
            undecided = _wait(table, len(drawn))
        reader = StreamReader(pipeline.client, DECISIONS_STREAM, follow=False, duplicate_window=0)
        published = [msgspec.json.decode(record.data) for record in reader]
    soak = counted(policy, drawn, published)
    soak.records, soak.undecided = records, undecided
    faults = folder / "faults.txt"
    soak.faults.update(faults.read_text().splitlines() if faults.exists() else ())
    return soak


def counted(policy: Policy, drawn: list[list[bytes]], published: list[Any]) -> DecisionSoak:
    """Compare the decisions with what the results lead to.

    Args:
        policy: The policy.
        drawn: The records of each item.
        published: Every record on the decisions' stream.
    """
    contents: dict[tuple[int, int], Any] = {}
    soak = DecisionSoak(items=len(drawn), published=len(published))
    for record in published:
        prediction = record["prediction"]
        key = prediction["item"], prediction["decision"]
        soak.made_twice += contents.setdefault(key, record) != record
    soak.decisions = len(contents)
    decisions: dict[int, list[Any]] = {}
    for _, record in sorted(contents.items(), key=lambda entry: entry[0]):
        decisions.setdefault(record["prediction"]["item"], []).append(record["prediction"])
    for found in decisions.values():
        soak.revised += len(found) - 1
        soak.made_twice += sum(
            (before["outcome"], before["rule"]) == (after["outcome"], after["rule"])
            for before, after in pairwise(found)
        )
    for records in drawn:
        item, expected = _expected(policy, records)
        found = decisions.get(item, [])
        numbers = [each["decision"] for each in found]
        last = (found[-1]["outcome"], found[-1]["rule"]) if found else None
        soak.lost += last != expected or numbers != list(range(1, len(found) + 1))
    return soak


def _expected(policy: Policy, records: list[bytes]) -> tuple[int, tuple[str, str]]:
    newest: dict[str, Any] = {}
    item = -1
    for record in records:
        arrival = Results(policy).decode(record, time.time())
        assert arrival is not None
        assert arrival.check is not None
        assert arrival.result is not None
        assert isinstance(arrival.item, int)
        item = arrival.item
        present = newest.get(arrival.check)
        if present is None or arrival.result.order > present.order:
            newest[arrival.check] = arrival.result
    predictions = {check: result.prediction for check, result in newest.items()}
    verdict = policy.evaluate(predictions, time_up=True)
    assert verdict is not None
    return item, (verdict.outcome, verdict.rule)


def _config(folder: Path, endpoint_url: str, seed_number: int) -> PipelineConfig:
    environment = {
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint_url,
        "DECISION_POLICY": str((folder / "policy.json").resolve()),
        "DECISION_TABLE": TABLE_NAME,
        "PREDICTIONS_STREAM_NAME": DECISIONS_STREAM,
        "SOAK_FAULTS": str((folder / "faults.txt").resolve()),
        "SOAK_SEED": str(seed_number),
    }
    return PipelineConfig(
        folder=folder,
        input_stream=CHECKS_STREAM,
        output_stream=DECISIONS_STREAM,
        function=FunctionConfiguration(
            name="decisions",
            handler="tests.soak.decision_handler.handler",
            environment=environment,
            timeout_seconds=30,
        ),
        mapping=EventSourceMappingConfiguration(
            batch_size=20,
            bisect_batch_on_function_error=True,
            function_response_types=(PARTIAL_RESPONSES,),
        ),
        endpoint_url=endpoint_url,
        isolated=True,
        shards=2,
    )


@contextmanager
def _ticks(pipeline: Pipeline) -> Iterator[None]:
    """Invoke the function on a schedule, beside the batches."""
    stopped = threading.Event()
    payload = json.dumps({"detail-type": SCHEDULED, "source": "aws.events"}).encode()

    def tick() -> None:
        while not stopped.wait(TICK_SECONDS):
            with suppress(FunctionError):  # killed, or a fault: the next tick goes on
                pipeline.function.invoke(payload)

    thread = threading.Thread(target=tick, name="ticks")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _put(client: Any, drawn: list[list[bytes]], draw: random.Random) -> tuple[int, dict[str, str]]:
    """Put the records, each item's at different times: the last ones after its deadline.

    Returns:
        How many there are, and the last sequence number of each shard.
    """
    moments = [
        (
            number / ITEMS_A_SECOND + draw.choice((0, 0.05, 0.5, 0.5, 3.0)) * place,
            record,
            str(number),
        )
        for number, records in enumerate(drawn)
        for place, record in enumerate(records)
    ]
    started = time.monotonic()
    last: dict[str, str] = {}
    for moment, record, key in sorted(moments):
        time.sleep(max(0.0, started + moment - time.monotonic()))
        put = client.put_record(StreamName=CHECKS_STREAM, PartitionKey=key, Data=record)
        last[put["ShardId"]] = put["SequenceNumber"]
    return len(moments), last


def _wait_processed(pipeline: Pipeline, last: dict[str, str]) -> None:
    """Wait until the function has processed every record, or gets no further."""
    ends_at, before = time.monotonic() + END_SECONDS, pipeline.mapping.snapshot().checkpoints
    while time.monotonic() < ends_at:
        found = pipeline.mapping.snapshot().checkpoints
        if all(found.get(shard) == number for shard, number in last.items()):
            return
        if found != before:
            ends_at, before = time.monotonic() + END_SECONDS, found
        time.sleep(TICK_SECONDS)


def _wait(table: DecisionTable, items: int) -> int:
    """Wait until no item is due; return how many still are."""
    ends_at, before = time.monotonic() + END_SECONDS, items
    while True:
        states = list(table.states(unreadable=print))
        undecided = items - sum(state.due_at is None for state in states)
        if undecided < before:
            ends_at, before = time.monotonic() + END_SECONDS, undecided
        if undecided == 0 or time.monotonic() > ends_at:
            return undecided
        time.sleep(TICK_SECONDS)


@program(LocalError, StreamingError)
def main(argv: list[str] | None = None) -> int:
    """Run one soak; the exit status is 0 only if nothing is lost or made twice."""
    parser = Parser(prog="python -m tests.soak.decision_soak", description="Decisions under faults")
    parser.add_argument("--items", type=whole_number, default=1000, metavar="N")
    parser.add_argument("--seed", type=seed, default=1, metavar="N")
    parser.add_argument("--folder", type=Path, default=Path("build/soak-decisions"))
    options = parser.parse_args(argv)
    soak = run(options.items, options.seed, open_run_folder(options.folder))
    table = Table(title="Decisions under faults", show_header=False)
    faults = ", ".join(f"{name}: {count:,}" for name, count in sorted(soak.faults.items()))
    for name, value in (
        ("items", soak.items),
        ("records put", soak.records),
        ("decisions", soak.decisions),
        ("of them revisions", soak.revised),
        ("records published for them", soak.published),
        ("faults", faults),
        ("lost", soak.lost),
        ("made twice", soak.made_twice),
        ("undecided", soak.undecided),
    ):
        table.add_row(name, value if isinstance(value, str) else f"{value:,}")
    Console().print(table)
    return 0 if soak.passed else 1
