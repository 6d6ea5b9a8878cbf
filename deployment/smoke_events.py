"""Puts marked events on a stream and compares their predictions with a local model's."""

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from streaming import (
    DECODE_ERRORS,
    LATEST,
    Entry,
    Model,
    PredictionRecord,
    Publisher,
    StreamError,
    StreamReader,
    StreamRecord,
)
from streaming.publisher import PutRecordsClient

SHOWN = 3
"""How many problems are named one by one."""

DIGITS = 0.011
"""Two machines may round the second decimal differently: arm64 and x86 differ in a last bit."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event on the stream.

    Attributes:
        data: Its record's data.
        put_at: When the call that put it began, on the program's clock.
    """

    data: bytes
    put_at: float


class RecordingClient:
    """A Kinesis client that remembers where PutRecords placed each entry.

    Args:
        client: A boto3 Kinesis client.
        clock: Monotonic seconds.

    Attributes:
        sent: The accepted entries by event id, `shardId:sequenceNumber`.
    """

    def __init__(self, client: PutRecordsClient, clock: Callable[[], float]) -> None:
        self.sent: dict[str, Sent] = {}
        self._client = client
        self._clock = clock

    def put_records(self, *, StreamName: str, Records: Sequence[Entry]) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Call PutRecords."""
        began = self._clock()
        response = self._client.put_records(StreamName=StreamName, Records=Records)
        for entry, result in zip(Records, response["Records"], strict=True):
            if "SequenceNumber" in result:
                event_id = f"{result['ShardId']}:{result['SequenceNumber']}"
                self.sent[event_id] = Sent(entry["Data"], began)
        return response


@dataclass(frozen=True, slots=True)
class Streams:
    """The names of two streams.

    Attributes:
        events: The input stream.
        predictions: The output stream.
    """

    events: str
    predictions: str


@dataclass(slots=True)
class Answers:
    """Events, and their predictions.

    Attributes:
        sent: The events by event id.
        predicted: The expected model's predictions by event id, each with its partition key.
        seconds: From put to prediction, by event id, as this machine's clock has it; the reader
            asks each shard five times a second.
        others: How many predictions of these events came from each other model.
    """

    sent: Mapping[str, Sent]
    predicted: dict[str, tuple[str, PredictionRecord]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """Whether each event has its prediction."""
        return len(self.predicted) == len(self.sent)

    def add(self, record: StreamRecord, model_name: str, stream: str, read_at: float) -> None:
        """Add a record of the output stream, if it is a prediction of one of the events.

        Args:
            record: The record.
            model_name: The model whose predictions are expected.
            stream: The events' stream, which a prediction names.
            read_at: When it was read, on the clock of `Sent.put_at`.
        """
        try:
            prediction = msgspec.json.decode(record.data, type=PredictionRecord)
        except DECODE_ERRORS:
            return  # of another producer
        event_id = prediction.event_id
        if event_id is None or event_id not in self.sent or prediction.stream not in {None, stream}:
            return
        if prediction.model != model_name:
            self.others[prediction.model] += 1
            return
        self.predicted[event_id] = (record.partition_key, prediction)
        self.seconds[event_id] = read_at - self.sent[event_id].put_at


def put_and_read(
    client: Any,
    entries: Sequence[Entry],
    model_name: str,
    streams: Streams,
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Answers:
    """Put events, and read the output stream until each has its prediction, or until the timeout.

    The output stream is read from where it ends before the first event is put, so that no clock is
    relied on and nothing older is read.

    Args:
        client: A boto3 Kinesis client without retries of its own.
        entries: The events.
        model_name: The model whose predictions are waited for.
        streams: The two streams.
        timeout: Seconds, for putting the events and then for their predictions.
        clock: Monotonic seconds.
        sleep: Waits for a number of seconds.

    Raises:
        StreamError: A stream cannot be read, or an event was not accepted.
    """
    deadline = clock() + timeout

    def wait(seconds: float) -> None:
        if clock() >= deadline:
            reader.stop()
        sleep(seconds)

    reader = StreamReader(client, streams.predictions, LATEST, clock=clock, sleep=wait)
    reader.open()
    recorded = RecordingClient(client, clock)
    publisher = Publisher(recorded, streams.events, clock=clock, sleep=sleep)
    put = publisher.publish(entries, deadline)
    if put.accepted < len(entries):
        raise StreamError(
            f"{put.accepted:,} of {len(entries):,} events accepted by {streams.events}: "
            f"{put.failure or 'the others are too large, or their partition keys are'}"
        )
    deadline = clock() + timeout
    answers = Answers(recorded.sent)
    for record in reader:
        answers.add(record, model_name, streams.events, clock())
        if answers.complete or clock() >= deadline:  # a busy stream leaves nothing to wait for
            break
    return answers


@dataclass(frozen=True, slots=True)
class Comparison:
    """The predictions beside the local model's.

    Attributes:
        versions: How many predictions came from each version.
        wrong: What differs, one line for each event.
    """

    versions: Counter[str]
    wrong: list[str]


def compare(answers: Answers, model: Model[Any]) -> Comparison:
    """Compare each prediction with the local model's for the same event.

    The partition key, the event type and the names and types of the fields must be equal; the
    values too if the versions are, to the second decimal.
    """
    versions = Counter(prediction.version for _, prediction in answers.predicted.values())
    wrong = []
    for event_id, (partition_key, prediction) in answers.predicted.items():
        data = answers.sent[event_id].data
        differences = _differences(data, partition_key, prediction, model)
        if first := next(differences, None):
            wrong.append(f"{event_id}: {first}")
    return Comparison(versions, wrong)


def _differences(
    data: bytes, partition_key: str, got: PredictionRecord, model: Model[Any]
) -> Iterator[str]:
    try:
        arrived_at = datetime.fromisoformat(got.arrived_at).timestamp()
    except ValueError:
        yield f"arrived_at is {got.arrived_at!r}; allowed: ISO 8601"
        return
    try:
        (local,) = model.predict([model.decode(data, arrived_at)])
    except Exception as error:  # noqa: BLE001  another person's model
        yield f"the local model fails on the event: {type(error).__name__}: {error}"
        return
    if got.event_type != model.event_type:
        yield f"event_type is {got.event_type!r}; expected: {model.event_type!r}"
    if partition_key != local.partition_key:
        yield f"the partition key is {partition_key!r}; expected: {local.partition_key!r}"
    # As a reader sees it: tuples are lists, structs are objects.
    expected = _leaves(msgspec.json.decode(msgspec.json.encode(local.value)))
    found = _leaves(got.prediction)
    for name in sorted(expected.keys() ^ found.keys()):
        yield f"{name} is {'missing' if name in expected else 'not a field of the local model'}"
    for name in sorted(expected.keys() & found.keys()):
        if not _alike(expected[name], found[name], values=got.version == model.version):
            yield f"{name} is {found[name]!r}; expected: {expected[name]!r}"


def _leaves(value: Any, name: str = "prediction") -> dict[str, Any]:
    """Return what is not an object or a list, by its place."""
    if isinstance(value, dict) and value:
        inner = {f"{name}.{key}": child for key, child in value.items()}
    elif isinstance(value, list) and value:
        inner = {f"{name}[{index}]": child for index, child in enumerate(value)}
    else:
        return {name: value}
    return {leaf: x for key, child in inner.items() for leaf, x in _leaves(child, key).items()}


def _alike(expected: Any, found: Any, *, values: bool) -> bool:
    numbers = [_is_number(expected), _is_number(found)]
    if all(numbers):
        return not values or math.isclose(expected, found, rel_tol=1e-6, abs_tol=DIGITS)
    if values:
        return type(expected) is type(found) and bool(expected == found)
    return not any(numbers) and (None in (expected, found) or type(expected) is type(found))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def report(answers: Answers, model: Model[Any], timeout: float) -> tuple[list[str], list[str]]:
    """Say what came back.

    Args:
        answers: The events and their predictions.
        model: The local model.
        timeout: How long predictions were waited for, in seconds.

    Returns:
        Lines for the user, and the problems, a line each: none if the smoke test has passed.
    """
    compared = compare(answers, model)
    sent = answers.sent
    lines = [f"{len(answers.predicted):,} of {len(sent):,} predicted by {model.name}"]
    for version, count in compared.versions.items():
        same = version == model.version
        lines.append(
            f"version {version}: {count:,}, ids, fields and values compared"
            if same
            else f"version {version}: {count:,}, ids and fields compared; values not, as the local "
            f"model has version {model.version}"
        )
    if answers.others:
        names = ", ".join(f"{name} ({count:,})" for name, count in sorted(answers.others.items()))
        lines.append(f"predicted by other models: {names}")
    if seconds := list(answers.seconds.values()):
        median, longest = statistics.median(seconds), max(seconds)
        lines.append(f"put to prediction: p50 {median:.2f} s, max {longest:.2f} s")
    problems = _some(compared.wrong, "more predictions differ")
    if missing := [event_id for event_id in sent if event_id not in answers.predicted]:
        problems.append(
            f"{len(missing):,} of {len(sent):,} events have no prediction within {timeout:g} s: "
            "dead-lettered or skipped, no function reads the stream, its model has another name, "
            "or its batching window is longer"
        )
        problems += _some([f"{event_id}: no prediction" for event_id in missing], "more have none")
    return lines, problems


def _some(problems: list[str], more: str) -> list[str]:
    left_out = len(problems) - SHOWN
    return problems[:SHOWN] + ([f"{left_out:,} {more}"] if left_out > 0 else [])
