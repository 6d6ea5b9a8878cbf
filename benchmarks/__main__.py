"""The benchmark: one run, ours beside the others. `make bench`."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import growth, startup
from benchmarks.end_to_end import latency, sustained
from benchmarks.machine import describe
from benchmarks.null_kinesis import null_kinesis
from benchmarks.results import Growth, Results, Start
from benchmarks.ride_batches import batch
from benchmarks.tables import TableOf, all_markdown, tables
from benchmarks.throughput import HANDLERS, OURS, REFERENCE, cells, throughput
from benchmarks.workers import Worker, open_worker

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path("build")
LARGEST = {OURS: 10_000, "powertools": 1_000, REFERENCE: 100}
"""Records of the batches after which memory is read: ours full, the others' what time allows."""

STAGE_BATCHES = (1, 10, 100, 1_000, 10_000)
STAGE_RECORDS = 20_000
"""About so many records go through for each batch size."""

Say = Callable[[str], None]
NewWorker = Callable[[], AbstractContextManager[Worker]]


def main(argv: list[str] | None = None) -> int:
    """Measure everything, print the tables, write them to `build/`."""
    quick = _parser().parse_args(argv).quick
    console = Console()
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "bench.log"
    log.unlink(missing_ok=True)
    results = measure(quick=quick, log=log, say=console.print)
    (BUILD / "bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    (folder / "tables.md").write_text(all_markdown(results))
    for table in tables(results):
        console.print(_drawn(table))
    console.print(f"Written to {BUILD / 'bench.json'}; what the programs printed is in {log}")
    return 0


def measure(*, quick: bool, log: Path, say: Say) -> Results:
    """Make one run.

    Args:
        quick: Fewer repetitions: within two minutes.
        log: The file that gets what the programs print; the reference's model is made beside it.
        say: Tells the user what happens.
    """
    load = os.getloadavg()[0]
    with null_kinesis(log) as endpoint_url:
        model = log.parent.resolve() / "reference-model"
        environment = _environment(endpoint_url, model)
        worker = partial(open_worker, log, environment)
        _make_reference_model(model, worker)
        say("Throughput: ours, Powertools and the reference in turns ...")
        with ExitStack() as stack:
            workers = {name: stack.enter_context(worker()) for name in HANDLERS}
            through = throughput(workers, cells(quick=quick))
        say("Stages ...")
        with worker() as process:
            split = [
                process.call(
                    "benchmarks.stages.measure", size, max(5, min(200, STAGE_RECORDS // size))
                )
                for size in STAGE_BATCHES
            ]
        say("Memory ...")
        resident = {name: _resident(worker, name, log.parent) for name in HANDLERS}
        say("Starts ...")
        starts = _starts(environment, 3 if quick else 11)
        say("Growth ...")
        grown = _growth(worker, 3 if quick else 11)
    say("End to end ...")
    latencies = [latency(rate, 5 if quick else 30) for rate in (100, 1_000)]
    most = [sustained(shards, 6_000 if quick else 40_000) for shards in (1, 2, 4)]
    return Results(
        machine=describe(load),
        throughput=through,
        stages=split,
        starts=starts,
        resident_mb=resident,
        growth=grown,
        latency=latencies,
        sustained=most,
    )


def _make_reference_model(model: Path, worker: NewWorker) -> None:
    """Make the reference's model, once: half a minute's work on a slow machine."""
    if model.exists():
        return
    unfinished = model.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with worker() as process:
        process.call("benchmarks.reference_model.save", unfinished)
    unfinished.rename(model)


def _environment(endpoint_url: str, model: Path) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "KINESIS_ENDPOINT_URL": endpoint_url,
        "LAMBDA_TASK_ROOT": str(ROOT),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONDONTWRITEBYTECODE": "",  # the image has its bytecode compiled, too
        "PREDICTIONS_STREAM_NAME": "ride_predictions",
        "REFERENCE_MODEL": str(model),
        "TEST_RUN": "False",
    }


def _resident(worker: NewWorker, name: str, folder: Path) -> float:
    event = folder.resolve() / f"event-{LARGEST[name]}.json"
    event.write_text(json.dumps(batch(LARGEST[name])))
    with worker() as process:
        megabytes: float = process.call(
            "benchmarks.handling.resident_after", HANDLERS[name], event, 5
        )
    return megabytes


def _starts(environment: dict[str, str], times: int) -> list[Start]:
    found: dict[str, list[startup.FirstPrediction]] = {OURS: [], REFERENCE: []}
    for name in found:
        startup.first_prediction(HANDLERS[name], environment)  # compiles the bytecode
    for _ in range(times):
        for name, starts in found.items():
            starts.append(startup.first_prediction(HANDLERS[name], environment))
    return [
        startup.summary(
            name,
            starts,
            startup.import_times(HANDLERS[name].rpartition(".")[0], environment),
        )
        for name, starts in found.items()
    ]


def _growth(worker: NewWorker, times: int) -> list[Growth]:
    return [
        growth.growth("batch", "run", growth.BATCHES, times, worker),
        growth.growth("aggregate", "run_aggregated", growth.AGGREGATES, times, worker),
    ]


def _drawn(table: TableOf) -> Table:
    named = any(table.header)
    drawn = Table(
        title=table.title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_header=named,
    )
    for index, name in enumerate(table.header):
        numbers = named and index > 0
        drawn.add_column(name, justify="right" if numbers else "left", no_wrap=index == 0)
    for row in table.rows:
        drawn.add_row(*row)
    return drawn


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: two minutes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
