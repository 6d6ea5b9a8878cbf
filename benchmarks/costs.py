"""From what a run measured to what rides cost."""

from benchmarks.cost import Plan, Program, Traffic, cheapest
from benchmarks.results import Line, Results
from benchmarks.throughput import OURS, REFERENCE

RATES = (10, 1_000, 100_000)
SIZING_RATES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
AT_ONCE = 1
"""Seconds: as long as Lambda waits between polls anyway."""

RIDES_PER_CALL = {OURS: 500, REFERENCE: 1}


def program(results: Results, name: str) -> Program:
    """Say what a contender needs, from its CPU time by batch size."""
    cells = [cell for cell in results.throughput if cell.contender == name]
    line = Line.through([cell.batch for cell in cells], [cell.cpu_seconds.median for cell in cells])
    parse = results.stages[-1].parse_microseconds / 1e6
    return Program(
        name=name,
        start_seconds=max(line.start, 0.0),
        ride_seconds=line.slope + parse,
        rides_per_call=RIDES_PER_CALL[name],
        resident_mb=results.resident_mb[name],
    )


def plans(results: Results) -> list[Plan]:
    """Give the cheapest settings: at once and with a window, ours and the reference's."""
    return [
        cheapest(program(results, name), Traffic(rate), longest_window=window)
        for rate in RATES
        for name in RIDES_PER_CALL
        for window in (AT_ONCE, 300)
    ]


def sizing(results: Results) -> list[Plan]:
    """Say what each rate takes, without a batch window and in the smallest memory that fits."""
    ours = program(results, OURS)
    return [cheapest(ours, Traffic(rate), longest_window=AT_ONCE) for rate in SIZING_RATES]


def cost_curve(results: Results, name: str, rates: list[float]) -> list[Plan]:
    """Give the cheapest setting for each rate."""
    return [cheapest(program(results, name), Traffic(rate)) for rate in rates]
