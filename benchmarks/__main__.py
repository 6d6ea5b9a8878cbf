"""One run: ours, Powertools' and the course's handler side by side. `make bench`."""

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from cli.arguments import Parser
from cli.program import program, run_program

if __name__ == "__main__":
    run_program("benchmarks.__main__")  # before the slow imports

import msgspec
from rich.console import Console

from benchmarks.contenders import HANDLERS, call, open_process
from benchmarks.end_to_end import latency, sustained
from benchmarks.growth import NewProcess, growth, resident
from benchmarks.machine import describe
from benchmarks.null_kinesis import null_kinesis
from benchmarks.results import Results, Stages
from benchmarks.startup import measure_starts
from benchmarks.tables import tables
from benchmarks.throughput import schedule, throughput

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path("build")
STAGE_BATCHES = (1, 10, 100, 1_000, 10_000)
STAGE_RECORDS = 20_000
"""Approximate number of records measured at each batch size."""


@program()
def main(argv: list[str] | None = None) -> int:
    """Measure everything, print the tables and write them to `build/`."""
    parser = Parser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: two minutes")
    quick = parser.parse_args(argv).quick
    console = Console()
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.resolve() / "bench.log"
    log.unlink(missing_ok=True)
    results = measure(quick=quick, log=log, show=console.print)
    (BUILD / "bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    found = tables(results)
    (folder / "tables.md").write_text("\n".join(table.markdown() for table in found))
    for table in found:
        console.print(table.drawn())
    console.print(f"Results: {BUILD / 'bench.json'}, tables: {folder / 'tables.md'}")
    console.print(f"Output of the measured processes: {folder / log.name}")
    return 0


def measure(*, quick: bool, log: Path, show: Callable[[str], None]) -> Results:
    """Make one run.

    Args:
        quick: Fewer repetitions: within two minutes.
        log: File for the output of the processes; the course's model is saved beside it.
        show: Shows the user what is being measured.
    """
    load_before, starts = os.getloadavg()[0], 3 if quick else 11
    with null_kinesis(log) as endpoint_url:
        model = log.parent / "course-model"
        environment = _environment(endpoint_url, model)
        new_process = partial(open_process, log, environment)
        _make_course_model(model, new_process)
        show("Throughput: ours, Powertools and the course in turns ...")
        with ExitStack() as stack:
            processes = {name: stack.enter_context(new_process()) for name in HANDLERS}
            by_batch = throughput(processes, schedule(quick=quick))
        show("Stages ...")
        by_stage = _stages(new_process)
        show("Memory ...")
        resident_mb = resident(new_process, log.parent)
        show("Starts ...")
        by_contender = measure_starts(environment, starts)
        show("Growth ...")
        by_size = growth(new_process, starts)
    show("End to end ...")
    return Results(
        latency=[latency(rate, 5 if quick else 30) for rate in (100, 1_000)],
        sustained=[sustained(shards, 6_000 if quick else 40_000) for shards in (1, 2, 4)],
        machine=describe(load_before),
        throughput=by_batch,
        stages=by_stage,
        starts=by_contender,
        resident_mb=resident_mb,
        growth=by_size,
    )


def _make_course_model(model: Path, new_process: NewProcess) -> None:
    """Make the course's model once: it takes half a minute on a slow machine."""
    if model.exists():
        return
    unfinished = model.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with new_process() as process:
        process.submit(call, "benchmarks.mlflow_handler_model.save", unfinished).result()
    unfinished.rename(model)


def _environment(endpoint_url: str, model: Path) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "COURSE_MODEL": str(model),
        "KINESIS_ENDPOINT_URL": endpoint_url,
        "LAMBDA_TASK_ROOT": str(ROOT),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONDONTWRITEBYTECODE": "",  # the image's bytecode is compiled, too
        "PREDICTIONS_STREAM_NAME": "ride_predictions",
        "TEST_RUN": "False",
    }


def _stages(new_process: NewProcess) -> list[Stages]:
    with new_process() as process:
        return [
            process.submit(
                call, "benchmarks.stages.measure", size, max(5, min(200, STAGE_RECORDS // size))
            ).result()
            for size in STAGE_BATCHES
        ]
