"""Puts marked events on a stream and compares their predictions with a local model's."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from cli.printable import counted
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


@dataclass(slots=True)
class Answers:
    """Events, and their predictions.

    Attributes:
        sent: The events' data by event id, `shardId:sequenceNumber`.
        predicted: The expected model's predictions by event id, each with its partition key.
        others: How many predictions of these events came from each other model.
        seconds: From the first put to the last prediction.
    """

    sent: Mapping[str, bytes]
    predicted: dict[str, tuple[str, PredictionRecord]] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, record: StreamRecord, model_name: str, stream: str) -> None:
        """Add a record of the output stream, if it is a prediction of one of the events."""
        try:
            found = msgspec.json.decode(record.data, type=PredictionRecord)
        except DECODE_ERRORS:
            return  # of another producer
        event_id = found.event_id or ""
        if event_id not in self.sent or found.stream not in {None, stream}:
            return
        if found.model == model_name:
            self.predicted[event_id] = record.partition_key, found
        else:
            self.others[found.model] += 1


@dataclass(slots=True)
class _RecordingClient:
    """A Kinesis client that remembers where PutRecords placed each entry."""

    client: PutRecordsClient
    sent: dict[str, bytes] = field(default_factory=dict)

    def put_records(self, *, StreamName: str, Records: Sequence[Entry]) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        response = self.client.put_records(StreamName=StreamName, Records=Records)
        for entry, result in zip(Records, response["Records"], strict=True):
            if "SequenceNumber" in result:
                self.sent[f"{result['ShardId']}:{result['SequenceNumber']}"] = entry["Data"]
        return response


def put_and_read(
    client: Any,
    entries: Sequence[Entry],
    model_name: str,
    stream: str,
    predictions: str,
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
        stream: The input stream.
        predictions: The output stream.
        timeout: Seconds, for putting the events and then for their predictions.
        clock: Monotonic seconds.
        sleep: Waits for a number of seconds.

    Raises:
        StreamError: A stream cannot be read, or an event was not accepted.
    """
    began = clock()
    deadline = began + timeout

    def wait(seconds: float) -> None:
        if clock() >= deadline:
            reader.stop()
        sleep(seconds)

    reader = StreamReader(client, predictions, LATEST, clock=clock, sleep=wait)
    reader.open()
    recording = _RecordingClient(client)
    put = Publisher(recording, stream, clock=clock, sleep=sleep).publish(entries, deadline)
    if put.accepted < len(entries):
        raise StreamError(
            f"{put.accepted:,} of {counted(len(entries), 'event')} accepted by {stream}: "
            f"{put.failure or 'the others are too large, or their partition keys are'}"
        )
    deadline = clock() + timeout
    answers = Answers(recording.sent)
    for record in reader:
        answers.add(record, model_name, stream)
        if len(answers.predicted) == len(answers.sent):
            answers.seconds = clock() - began
            break
        if clock() >= deadline:  # a busy stream leaves nothing to wait for
            break
    return answers


def report(answers: Answers, model: Model[Any], timeout: float) -> tuple[list[str], list[str]]:
    """Say what came back, and compare it with the local model's predictions for the same events.

    The partition key, the event type and the names and types of the fields must be equal; the
    values too if the versions are, to the second decimal.

    Args:
        answers: The events and their predictions.
        model: The local model.
        timeout: How long predictions were waited for, in seconds.

    Returns:
        Lines for the user, and the problems, a line each: none if the smoke test has passed.
    """
    sent, predicted = answers.sent, answers.predicted
    took = f" in {answers.seconds:.1f} s" if answers.seconds else ""
    lines = [f"{len(predicted):,} of {len(sent):,} predicted by {model.name}{took}"]
    for version, count in Counter(found.version for _, found in predicted.values()).items():
        lines.append(
            f"version {version}: {count:,}, ids, fields and values compared"
            if version == model.version
            else f"version {version}: {count:,}, ids and fields compared; values not, as the local "
            f"model has version {model.version}"
        )
    if answers.others:
        names = ", ".join(f"{name} ({count:,})" for name, count in sorted(answers.others.items()))
        lines.append(f"predicted by other models: {names}")
    differing = [
        f"{event_id}: {difference}"
        for event_id, (key, found) in predicted.items()
        if (difference := next(_differences(sent[event_id], key, found, model), None))
    ]
    problems = _some(differing, "more predictions differ")
    if missing := [f"{event_id}: no prediction" for event_id in sent if event_id not in predicted]:
        problems.append(
            f"no prediction of {len(missing):,} of {counted(len(sent), 'event')} in {timeout:g} s: "
            "dead-lettered or skipped, no function reads the stream, its model has another name, "
            "or its batching window is longer"
        )
        problems += _some(missing, "more have none")
    return lines, problems


def _some(problems: list[str], more: str) -> list[str]:
    left_out = len(problems) - SHOWN
    return problems[:SHOWN] + ([f"{left_out:,} {more}"] if left_out > 0 else [])


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
    expected = msgspec.json.decode(msgspec.json.encode(local.value))
    yield from _differing(expected, got.prediction, "prediction", got.version == model.version)


def _differing(expected: Any, found: Any, place: str, values: bool) -> Iterator[str]:  # noqa: FBT001
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted(expected.keys() ^ found.keys()):
            missing = "missing" if name in expected else "not a field of the local model"
            yield f"{place}.{name} is {missing}"
        for name in sorted(expected.keys() & found.keys()):
            yield from _differing(expected[name], found[name], f"{place}.{name}", values)
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{place} is of length {len(found)}; expected: {len(expected)}"
        for index, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from _differing(one, other, f"{place}[{index}]", values)
    elif not _alike(expected, found, values=values):
        yield f"{place} is {found!r}; expected: {expected!r}"


def _alike(expected: Any, found: Any, *, values: bool) -> bool:
    numbers = [_is_number(expected), _is_number(found)]
    if all(numbers):
        return not values or math.isclose(expected, found, rel_tol=1e-6, abs_tol=DIGITS)
    if values:
        return type(expected) is type(found) and bool(expected == found)
    return type(expected) is type(found) or (None in (expected, found) and not any(numbers))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
