"""The same batches through every contender, in turns."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from benchmarks.contenders import COURSE, OURS, POWERTOOLS, run
from benchmarks.results import Spread, Throughput

WARM_UP_RECORDS = 10
"""Records of the batch that fills caches and opens connections before the measurement."""


class Cell(NamedTuple):
    """One cell of the comparison.

    Attributes:
        contender: The contender's name.
        batch: Records in a batch.
        times: Invocations in each round.
        rounds: Number of rounds.
    """

    contender: str
    batch: int
    times: int
    rounds: int


def schedule(*, quick: bool) -> list[Cell]:
    """Return the cells to measure; a contender that needs seconds for a batch has fewer rounds."""
    cells = [
        Cell(OURS, size, max(2, 100 // size), 5 if quick else 25)
        for size in (1, 10, 100, 1_000, 10_000)
    ]
    for name, rounds in ((POWERTOOLS, 5), (COURSE, 3 if quick else 5)):
        cells += [Cell(name, size, max(1, 20 // size), rounds) for size in (1, 10, 100)]
        cells.append(Cell(name, 1_000, 1, 1 if quick else 3))
    return cells


def throughput(processes: Mapping[str, Executor], cells: Sequence[Cell]) -> list[Throughput]:
    """Measure round by round, so that whatever slows the machine down affects all contenders.

    Args:
        processes: Each contender's process by the contender's name.
        cells: What to measure.
    """
    walls: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    cpus: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for cell in cells:
        warm_up = min(cell.batch, WARM_UP_RECORDS)
        processes[cell.contender].submit(run, cell.contender, warm_up, 1).result()
    for name, batch, times, _ in in_rounds(cells):
        wall, cpu = processes[name].submit(run, name, batch, times).result()
        walls[name, batch] += wall
        cpus[name, batch] += cpu
    return [
        Throughput(name, batch, Spread.of(seconds), Spread.of(cpus[name, batch]))
        for (name, batch), seconds in walls.items()
    ]


def in_rounds(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Yield the cells of each round; those with fewer rounds are spread evenly over the run."""
    rounds = max(cell.rounds for cell in cells)
    for number in range(rounds):
        for cell in cells:
            if (number + 1) * cell.rounds // rounds > number * cell.rounds // rounds:
                yield cell
