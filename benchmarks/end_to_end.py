"""The whole pipeline on this machine: its latency and the highest rate that it sustains."""

import tempfile
import threading
from dataclasses import replace
from pathlib import Path

from benchmarks.results import Latency, Sustained
from demo.demo import Demo, exit_status
from demo.ride_generator import read_statistics
from demo.ride_pipeline import ride_pipeline
from demo.ride_sources import drawn_rides
from demo.snapshot import Snapshot
from local.errors import StartError
from local.pipeline import open_pipeline

SEED = 1
UNLIMITED = 1e6
"""Rides a second: more than any machine sustains."""


def latency(rate: float, seconds: float) -> Latency:
    """Put rides at a steady rate and measure the time until each prediction can be read.

    Args:
        rate: Rides a second.
        seconds: Duration of the load.
    """
    last = _drive(rate, int(rate * seconds), shards=1)
    if last.p50 is None or last.p99 is None:
        raise StartError("no ride was predicted")
    return Latency(rate, 1000 * last.p50, 1000 * last.p99)


def sustained(shards: int, rides: int) -> Sustained:
    """Put rides as fast as the stream accepts them."""
    last = _drive(UNLIMITED, rides, shards)
    return Sustained(shards, last.counts.predicted / last.elapsed)


def _drive(rate: float, count: int, shards: int) -> Snapshot:
    with tempfile.TemporaryDirectory() as folder:
        config = replace(ride_pipeline(Path(folder)), shards=shards)
        with open_pipeline(config, lambda _: None) as pipeline:
            rides = drawn_rides(read_statistics(), count=count, seed=SEED)
            demo = Demo(pipeline, rides, rate, threading.Event(), watch_others=False)
            last = demo.run(lambda _: None)
    if demo.failure is not None:
        raise demo.failure
    if exit_status(last.counts, count) != 0:
        raise StartError(f"not every ride was accounted for: {last.counts}")
    return last
