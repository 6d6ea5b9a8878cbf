"""The same batches through every contender, taking turns."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from benchmarks.results import Spread, Throughput
from benchmarks.workers import Worker

HANDLING = "benchmarks.handling"
OURS, POWERTOOLS, REFERENCE = "ours", "powertools", "reference"
WARM_UP = 10
"""Records of the batch that fills caches and opens connections before anything counts."""

HANDLERS = {
    OURS: "lambda_function.lambda_handler",
    POWERTOOLS: "benchmarks.powertools.lambda_handler",
    REFERENCE: "benchmarks.reference.lambda_handler",
}


class Cell(NamedTuple):
    """What to measure.

    Attributes:
        contender: Whose handler.
        batch: Records in a batch.
        times: How often in each round.
        rounds: In how many rounds.
    """

    contender: str
    batch: int
    times: int
    rounds: int


def cells(*, quick: bool) -> list[Cell]:
    """List what to measure; who takes seconds for a batch is measured less often."""
    ours = [Cell(OURS, size, max(2, 100 // size), 5 if quick else 25) for size in (1, 10, 100)]
    ours += [Cell(OURS, size, 2, 5 if quick else 25) for size in (1_000, 10_000)]
    theirs = [Cell(POWERTOOLS, size, max(1, 20 // size), 5) for size in (1, 10, 100)]
    theirs += [
        Cell(REFERENCE, size, max(1, 20 // size), 3 if quick else 5) for size in (1, 10, 100)
    ]
    rare = 1 if quick else 3
    return [*ours, *theirs, Cell(POWERTOOLS, 1_000, 1, rare), Cell(REFERENCE, 1_000, 1, rare)]


def throughput(workers: Mapping[str, Worker], plan: Sequence[Cell]) -> list[Throughput]:
    """Measure round by round, so that what slows the machine down hits all contenders alike."""
    walls: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    cpus: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for cell in plan:
        _run(workers, cell._replace(batch=min(cell.batch, WARM_UP)), 1)
    for cell in _in_rounds(plan):
        wall, cpu = _run(workers, cell, cell.times)
        walls[cell.contender, cell.batch] += wall
        cpus[cell.contender, cell.batch] += cpu
    return [
        Throughput(contender, batch, Spread.of(seconds), Spread.of(cpus[contender, batch]))
        for (contender, batch), seconds in walls.items()
    ]


def _in_rounds(plan: Sequence[Cell]) -> Iterator[Cell]:
    """Give the cells of each round; the rare ones are spread evenly over the rounds."""
    rounds = max(cell.rounds for cell in plan)
    for number in range(rounds):
        for cell in plan:
            if (number + 1) * cell.rounds // rounds > number * cell.rounds // rounds:
                yield cell


def _run(workers: Mapping[str, Worker], cell: Cell, times: int) -> tuple[list[float], list[float]]:
    handler = HANDLERS[cell.contender]
    wall, cpu = workers[cell.contender].call(f"{HANDLING}.run", handler, cell.batch, times)
    return wall, cpu
