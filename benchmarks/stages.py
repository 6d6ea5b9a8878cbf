"""Where a batch's time goes: the real consumer, with a stopwatch between its collaborators.

Everything that is timed is handed in, so nothing of the consumer is changed or copied. Called in a
worker.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from benchmarks.results import Stages
from benchmarks.ride_batches import ARRIVED, batch
from lambda_function import CALL_LIMITS
from model import ModelSettings, RideFeatures, RideModel, Run, Vector, load_graph
from streaming.clients import kinesis_client
from streaming.consumer.consumer import Consumer
from streaming.consumer.interface import Prediction
from streaming.consumer.model_bundle import read_bundle
from streaming.consumer.records import user_records
from streaming.consumer.telemetry import Telemetry
from streaming.publisher import Entry, Published, Publisher, PutRecordsClient

DECODE, CHECK, FEATURES = "decode", "check", "features"
PREDICT, ENCODE, PUBLISH, LOG = "predict", "encode", "publish", "log"
STAGES = (DECODE, CHECK, FEATURES, PREDICT, ENCODE, PUBLISH, LOG)


class Stopwatch:
    """Adds the time since the last lap to a stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._last = time.perf_counter()

    def start(self) -> None:
        """Forget everything; the first lap begins."""
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a lap."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


class TimedModel(RideModel):
    """The ride model; what comes before its prediction is the decoding and checking."""

    def __init__(self, watch: Stopwatch, runs: Mapping[str, Run], version: str) -> None:
        super().__init__({name: _timed(watch, run) for name, run in runs.items()}, version)
        self._watch = watch

    def predict(self, events: Sequence[RideFeatures]) -> list[Prediction]:
        """See `RideModel.predict`."""
        self._watch.lap(CHECK)
        return super().predict(events)


def _timed(watch: Stopwatch, run: Run) -> Run:
    def timed(inputs: Mapping[str, Vector]) -> Vector:
        watch.lap(FEATURES)
        answer = run(inputs)
        watch.lap(PREDICT)
        return answer

    return timed


class TimedPublisher(Publisher):
    """The publisher; what comes before it is the encoding."""

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
    """Take a batch some times; give the medians."""
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
    # The consumer takes payloads one by one: only alone can their decoding be told from the rest.
    seconds[DECODE] = _timed_median(lambda: list(user_records(event["Records"], ARRIVED)), times)
    seconds[CHECK] -= seconds[DECODE]
    body = json.dumps(event).encode()
    parse = _timed_median(lambda: json.loads(body), times)
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


def _timed_median(work: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return median(seconds)
