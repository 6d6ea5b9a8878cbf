"""What must hold for every input, whatever its bytes.

A target takes bytes and raises if a promise is broken; `TARGETS` names them.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from model import RideFeatures, load_model
from streaming.aggregation import AGGREGATE_MAGIC
from streaming.consumer.batch import BatchCounts
from streaming.consumer.consumer import Consumer
from streaming.consumer.interface import Model
from streaming.consumer.records import DECOMPRESSED_LIMIT, GZIP_MAGIC, user_records
from streaming.consumer.telemetry import Telemetry
from streaming.errors import (
    CorruptRecord,
    InvalidDeadLetter,
    InvalidEvent,
    UnexpectedEvent,
)
from streaming.locations import S3Location
from streaming.publisher import PARTITION_KEY_CHARACTERS, Publisher
from streaming.redrive.formats import entry_of, read_dead_letter_records
from streaming.redrive.survey import Selection, Survey
from streaming.storage import S3Storage
from tests.fuzz.draw import ARRIVED, aggregate, draw_event, record

FRAMES: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    aggregate,
    lambda data: GZIP_MAGIC + data,
    lambda data: AGGREGATE_MAGIC + data,
)

MESSAGE_LIMIT = 300
"""Characters of an error's message, whatever the size of the event."""


class BrokenPromise(Exception):
    """What must hold for every input does not hold for this one."""


class Sink:
    """Stands in for Kinesis and S3: takes everything, and keeps it."""

    def __init__(self) -> None:
        self.entries: list[Mapping[str, Any]] = []
        self.letters: list[dict[str, Any]] = []

    def put_records(self, **call: Any) -> Mapping[str, Any]:
        """Take every entry."""
        self.entries.extend(call["Records"])
        return {"FailedRecordCount": 0, "Records": []}

    def put_object(self, **call: Any) -> None:
        """Take every letter."""
        call["Key"].encode()
        self.letters.extend(msgspec.json.decode(line) for line in call["Body"].splitlines())


class LastBatch(Telemetry):
    """Keeps the last batch's counts, and says nothing: a log line costs more than a batch."""

    counts: BatchCounts

    def poison(self, found: Any) -> None:
        """Write down what would be logged, as the logger does."""
        for payload, error in found:
            json.dumps([payload.event_id, error.reason], ensure_ascii=False).encode()

    def failure(self, message: str) -> None:
        """Nothing can fail here."""
        raise BrokenPromise(message)

    def batch(self, counts: BatchCounts, **_rest: Any) -> None:
        """Keep the counts."""
        self.counts = counts


MODEL = load_model({}, dict)
TELEMETRY = LastBatch("fuzz", "Fuzz")


def fuzz_record(data: bytes) -> None:
    """A record of any bytes is read, or corrupt; the first byte chooses what is put around it."""
    frame = FRAMES[data[0] % len(FRAMES)] if data else bytes
    found = list(user_records([record(frame(data[1:]))], ARRIVED))
    ids = [payload.event_id for payload in found]
    _hold(len(set(ids)) == len(ids), "two payloads under one event id")
    for payload in found:
        try:
            content = payload.content()
        except CorruptRecord as error:
            _hold(error.reason, "poison without a reason")
        else:
            _hold(len(content) <= DECOMPRESSED_LIMIT, "unpacked beyond the limit")


def fuzz_event(data: bytes) -> None:
    """A payload of any bytes is a ride that can be predicted, somebody else's, or invalid."""
    try:
        ride = MODEL.decode(data, ARRIVED)
    except InvalidEvent as error:
        _hold(len(str(error).encode()) < MESSAGE_LIMIT, "a message as long as the event")
        return
    if ride is not None:
        _check_features(ride)
        (prediction,) = MODEL.predict([ride])
        _check_prediction(prediction.value, prediction.partition_key)


def fuzz_handler(data: bytes) -> None:
    """A damaged event is answered, and every payload in it accounted for."""
    check_batch(draw_event(data))


def fuzz_letters(data: bytes) -> None:
    """An object of any bytes holds dead letters that can be chosen, told and put; or none."""
    try:
        letters = read_dead_letter_records(data)
    except InvalidDeadLetter:
        return
    found = Survey()
    for letter in letters:
        found.count(letter)
        _hold(letter in Selection(), "a letter that nobody can choose")
        entry = entry_of(letter)
        _hold(entry["PartitionKey"] or not letter.stream, "no partition key")
        entry["PartitionKey"].encode()


def check_batch(event: Any, model: Model[RideFeatures] = MODEL) -> None:
    """Hand an event to a consumer and check everything that comes out of it.

    Raises:
        BrokenPromise: Something is lost, or no prediction.
    """
    sink = Sink()
    consumer = Consumer(
        model,
        publisher=Publisher(sink, "ride_predictions"),
        dead_letters=S3Storage(lambda: sink, S3Location("dead", "")),
        telemetry=TELEMETRY,
        now=lambda: ARRIVED,
    )
    try:
        response = consumer.handle(event)
    except UnexpectedEvent:
        _hold(not _is_kinesis_batch(event), "a Kinesis batch was refused")
        return
    _hold(response == {"batchItemFailures": []}, "something was left over")
    counts = TELEMETRY.counts
    _hold(len(sink.entries) == counts.published, "published is miscounted")
    _hold(len(sink.letters) == counts.dead_lettered, "dead letters are miscounted")
    for entry in sink.entries:
        answer = json.loads(entry["Data"], parse_constant=_refuse)
        _check_prediction(answer["prediction"], entry["PartitionKey"])


def _hold(promise: object, broken: str) -> None:
    if not promise:
        raise BrokenPromise(broken)


def _is_kinesis_batch(event: Any) -> bool:
    if not isinstance(event, dict) or not isinstance(event.get("Records"), list):
        return False
    sources = [
        record.get("eventSource", record.get("EventSource", "aws:kinesis"))
        for record in event["Records"][:1]
        if isinstance(record, dict)
    ]
    return all(source == "aws:kinesis" for source in sources)


def _check_features(ride: RideFeatures) -> None:
    pickup, dropoff, miles, hour, weekday, *_codes = ride.values
    _hold(1 <= pickup <= 265, "a zone out of range")
    _hold(1 <= dropoff <= 265, "a zone out of range")
    _hold(0 <= miles <= 1000, "a distance out of range")
    _hold(0 <= hour < 24, "an hour out of range")
    _hold(weekday in range(7), "a weekday out of range")


def _check_prediction(values: Mapping[str, Any], partition_key: str) -> None:
    _hold(str(values["ride_id"]) == partition_key, "another ride's partition key")
    _hold(1 <= len(partition_key) <= PARTITION_KEY_CHARACTERS, "no partition key")
    for name in ("ride_duration", "ride_tip"):
        value = values[name]  # JSON has no NaN: it is written as null
        _hold(value is not None and math.isfinite(value), f"{name} is not finite")
        _hold(value >= 0, f"{name} is negative")


def _refuse(constant: str) -> None:
    raise BrokenPromise(f"{constant} in an answer")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "record": fuzz_record,
    "event": fuzz_event,
    "handler": fuzz_handler,
    "letters": fuzz_letters,
}
