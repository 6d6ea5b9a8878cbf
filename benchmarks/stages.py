"""Where a batch's time goes: the real consumer, with a stopwatch between its collaborators.

Everything timed is injected, so nothing of the consumer is changed or copied. Runs in a process of
its own.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from timeit import repeat

from benchmarks.results import Stages
from benchmarks.ride_batches import ARRIVED, batch
from lambda_function import CALL_LIMITS
from model import ModelSettings, RideFeatures, RideModel
from model_graph import Run, Vector, load_graph
from streaming import (
    Consumer,
    Entry,
    Prediction,
    Published,
    Publisher,
    Telemetry,
    kinesis_client,
    read_bundle,
)
from streaming.consumer.records import user_records
from streaming.publisher import PutRecordsClient

DECODE, CHECK, FEATURES = "decode", "check", "features"
PREDICT, ENCODE, PUBLISH, LOG = "predict", "encode", "publish", "log"
STAGES = (DECODE, CHECK, FEATURES, PREDICT, ENCODE, PUBLISH, LOG)


class Stopwatch:
    """Adds the time since the last lap to a stage."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Reset all stages and begin the first lap."""
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a lap."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


class TimedModel(RideModel):
    """The ride model; the time before its prediction is that of decoding and checking."""

    def __init__(self, watch: Stopwatch, runs: Mapping[str, Run], version: str) -> None:
        super().__init__({name: _timed(watch, run) for name, run in runs.items()}, version)
        self._watch = watch

    def predict(self, events: Sequence[RideFeatures]) -> list[Prediction]:
        """See `RideModel.predict`."""
        self._watch.lap(CHECK)
        return super().predict(events)


def _timed(watch: Stopwatch, run: Run) -> Run:
    def timed(inputs: Mapping[str, Vector]) -> Sequence[Vector]:
        watch.lap(FEATURES)
        outputs = run(inputs)
        watch.lap(PREDICT)
        return outputs

    return timed


class TimedPublisher(Publisher):
    """The publisher; the time before it is that of encoding."""

    def __init__(self, watch: Stopwatch, client: PutRecordsClient, stream_name: str) -> None:
        super().__init__(client, stream_name)
        self._watch = watch

    def publish(self, entries: Sequence[Entry], deadline: float) -> Published:
        """See `Publisher.publish`."""
        self._watch.lap(ENCODE)
        published = super().publish(entries, deadline)
        self._watch.lap(PUBLISH)
        return published


def measure(rides: int, times: int) -> Stages:
    """Process a batch several times and return the medians."""
    watch = Stopwatch()
    consumer = _consumer(watch)
    event = batch(rides)
    consumer.handle(event)
    laps: list[dict[str, float]] = []
    for _ in range(times):
        watch.start()
        consumer.handle(event)
        watch.lap(LOG)
        laps.append(watch.seconds)
    seconds = {stage: median(lap[stage] for lap in laps) for stage in STAGES}
    # The consumer interleaves decoding and checking: decoding is timed alone and subtracted.
    seconds[DECODE] = _median(lambda: list(user_records(event["Records"], ARRIVED)), times)
    seconds[CHECK] -= seconds[DECODE]
    body = json.dumps(event).encode()
    parse = _median(lambda: json.loads(body), times)
    return Stages(
        batch=rides,
        microseconds={stage: 1e6 * seconds[stage] / rides for stage in STAGES},
        parse_microseconds=1e6 * parse / rides,
    )


def _consumer(watch: Stopwatch) -> Consumer[RideFeatures]:
    settings = ModelSettings.from_environment(os.environ)
    bundle = read_bundle(settings.location, settings.targets, lambda: None)
    runs = {target: load_graph(target, graph) for target, graph in bundle.models.items()}
    client = kinesis_client(**CALL_LIMITS)
    publisher = TimedPublisher(watch, client, os.environ["PREDICTIONS_STREAM_NAME"])
    return Consumer(
        TimedModel(watch, runs, bundle.manifest.version),
        publisher=publisher,
        dead_letters=None,
        telemetry=Telemetry("benchmark", "Benchmark"),
    )


def _median(work: Callable[[], object], times: int) -> float:
    """Return the median seconds of a call, garbage collection included as in the consumer."""
    return median(repeat(work, "import gc; gc.enable()", number=1, repeat=times))
