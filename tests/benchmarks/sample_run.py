"""The results of a run, with figures as wide as they get."""

from __future__ import annotations

from benchmarks.contenders import COURSE, OURS, POWERTOOLS
from benchmarks.results import (
    Growth,
    Latency,
    Results,
    Spread,
    Stages,
    Start,
    Sustained,
    Throughput,
)

STAGES = ("decode", "check", "features", "predict", "encode", "publish", "log")


def sample_run() -> Results:
    sizes = {
        OURS: (1, 10, 100, 1_000, 10_000),
        POWERTOOLS: (1, 10, 100, 1_000),
        COURSE: (1, 10, 100, 1_000),
    }
    ride_seconds = {OURS: 0.000_013, POWERTOOLS: 0.001, COURSE: 0.008}
    packages = {"standard library": 90.0, "aws_lambda_powertools": 6.0, "model": 100.0}
    return Results(
        machine={"processor": "AMD EPYC 7R13 Processor, 2 cores", "libraries": "numpy 2.4.6, " * 9},
        throughput=[
            Throughput(name, size, *[Spread.of([0.001 + size * ride_seconds[name]] * 3)] * 2)
            for name in sizes
            for size in sizes[name]
        ],
        stages=[Stages(size, dict.fromkeys(STAGES, 1_234.5), 12.345) for size in sizes[OURS]],
        starts=[
            Start(name, Spread.of([12.3]), Spread.of([12.4]), Spread.of([1_234.0]), packages)
            for name in (OURS, COURSE)
        ],
        resident_mb={OURS: 119.0, POWERTOOLS: 110.0, COURSE: 278.0},
        growth=[
            Growth(what, [100, 1_000, 10_000], [1.6, 13.4, 131.0], [105.1, 106.2, 119.3])
            for what in ("batch", "aggregate")
        ],
        latency=[Latency(1_000, 1_234.5, 12_345.6)],
        sustained=[Sustained(4, 5_432.1)],
    )
