"""The fuzz targets: each takes any bytes, and raises if a promise is broken."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

import msgspec

from lifecycle.ride_ended import ALLOWED as ALLOWED_AT_THE_END
from lifecycle.ride_ended import decode_ride_ended, ended_at
from model import ALLOWED, RideFeatures, load_model
from streaming.aggregation import AGGREGATE_MAGIC, is_hash_key
from streaming.consumer.batch import BatchCounts
from streaming.consumer.consumer import Consumer
from streaming.consumer.interface import Model
from streaming.consumer.records import DECOMPRESSED_LIMIT, GZIP_MAGIC, user_records
from streaming.errors import (
    CorruptRecord,
    InvalidDeadLetter,
    InvalidEvent,
    SettingsError,
    UnexpectedEvent,
)
from streaming.locations import S3Location, parse_location
from streaming.publisher import PARTITION_KEY_CHARACTERS, Publisher
from streaming.redrive.formats import entry_of, position, read_dead_letter_records
from streaming.redrive.survey import Selection, Survey, identified
from streaming.redrive.waves import waves
from streaming.storage import S3Storage
from tests.fakes.clock import EPOCH
from tests.fakes.last_batch import LastBatch
from tests.fuzz.decision_target import fuzz_check_result
from tests.fuzz.draw import draw_event
from tests.fuzz.web_target import fuzz_web_body
from tests.kpl_aggregation import aggregate
from tests.lambda_events import ARRIVED, record

FRAMES: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    aggregate,
    lambda data: GZIP_MAGIC + data,
    lambda data: AGGREGATE_MAGIC + data,
)

MESSAGE_LIMIT = 300
"""Bytes of an error message, whatever the size of the event."""


LOGGED = {f"{field} is not {allowed}" for field, allowed in ALLOWED.items()}
"""Every reason that an event can be logged with: none holds a value of an event."""


LOGGED_AT_THE_END = {f"{field} is not {allowed}" for field, allowed in ALLOWED_AT_THE_END.items()}


class BrokenPromise(Exception):
    """A promise that holds for every input does not hold for this one."""


class Sink:
    """A fake Kinesis and S3 that accepts everything and keeps it."""

    def __init__(self) -> None:
        self.entries: list[Mapping[str, Any]] = []
        self.dead_letters: list[dict[str, Any]] = []

    def put_records(self, **call: Any) -> Mapping[str, Any]:
        """Accept every entry."""
        self.entries.extend(call["Records"])
        return {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1"}] * len(call["Records"])}

    def put_object(self, **call: Any) -> None:
        """Accept every dead-letter record."""
        call["Key"].encode()
        self.dead_letters.extend(msgspec.json.decode(line) for line in call["Body"].splitlines())


class SilentTelemetry(LastBatch):
    """Writes no logs or metrics: a log line costs more time than a batch."""

    def poison(self, found: Any, before: int = 0) -> None:  # noqa: ARG002
        """Encode the fields as the logger does."""
        for user_record, error in found:
            json.dumps([user_record.event_id, error.reason], ensure_ascii=False).encode()

    def failure(self, message: str) -> None:
        """Raise: the sink never fails."""
        raise BrokenPromise(message)

    def batch(self, counts: BatchCounts, **_rest: Any) -> None:
        """Keep the counts."""
        self.counts = counts


MODEL = load_model({}, dict)
TELEMETRY = SilentTelemetry("fuzz", "Fuzz")


def fuzz_record(data: bytes) -> None:
    """Check that any bytes are user records or corrupt; the first byte chooses their frame."""
    frame = FRAMES[data[0] % len(FRAMES)] if data else bytes
    found = list(user_records([record(frame(data[1:]))], ARRIVED))
    ids = [user_record.event_id for user_record in found]
    _check(len(set(ids)) == len(ids), "two user records with one event id")
    for user_record in found:
        hash_key = user_record.explicit_hash_key
        _check(hash_key is None or is_hash_key(hash_key), "an explicit hash key that is none")
        try:
            content = user_record.content()
        except CorruptRecord as error:
            _check(error.reason, "poison without a reason")
        else:
            _check(len(content) <= DECOMPRESSED_LIMIT, "decompressed beyond the limit")


def fuzz_event(data: bytes) -> None:
    """Check that any bytes are a ride that can be predicted, an unrecognised event, or invalid."""
    try:
        ride = MODEL.decode(data, ARRIVED)
    except InvalidEvent as error:
        _check(len(str(error).encode()) < MESSAGE_LIMIT, "an error message as long as the event")
        _check(error.reason in LOGGED, "a reason that is not known beforehand")
        _check(str(error).isprintable(), "an error message that is not printable")
        return
    if ride is not None:
        _check_features(ride)
        (prediction,) = MODEL.predict([ride])
        _check_prediction(prediction.value, prediction.partition_key)


def fuzz_ride_ended(data: bytes) -> None:
    """Check that any bytes are a ride that has ended, an event of another type, or invalid."""
    try:
        event = decode_ride_ended(data)
    except InvalidEvent as error:
        _check(len(str(error).encode()) < MESSAGE_LIMIT, "an error message as long as the event")
        _check(error.reason in LOGGED_AT_THE_END, "a reason that is not known beforehand")
        _check(str(error).isprintable(), "an error message that is not printable")
        return
    if event is not None:
        _check(1 <= len(str(event.ride_id)) <= 128, "a ride id out of range")
        _check(0 <= (event.tip_amount or 0) <= 1000, "a tip out of range")
        _check((event.payment_type or 0) in range(7), "a payment type out of range")
        _check(ended_at(event, EPOCH).tzinfo is UTC, "a drop-off that is not in UTC")
        _check(MODEL.decode(data, ARRIVED) is None, "the ride function does not skip it")


def fuzz_handler(data: bytes) -> None:
    """Check that a damaged Lambda event is processed, and every user record accounted for."""
    check_batch(draw_event(data))


def fuzz_dead_letters(data: bytes) -> None:
    """Check that any bytes are dead-letter records that can be redriven, or invalid."""
    try:
        dead_letter_records = read_dead_letter_records(data)
    except InvalidDeadLetter:
        return
    survey = Survey()
    for dead_letter in dead_letter_records:
        survey.count(dead_letter)
        _check(dead_letter in Selection(), "a dead-letter record that cannot be selected")
        entry = entry_of(dead_letter)
        _check(entry["PartitionKey"] or not dead_letter.stream, "no partition key")
        entry["PartitionKey"].encode()
        hash_key = entry.get("ExplicitHashKey")
        _check(hash_key is None or is_hash_key(hash_key), "an explicit hash key that is none")
        position(dead_letter)
    identities = list(identified("object", dead_letter_records))
    together = [each for wave in waves(identities) for each in wave]
    _check(sorted(i for i, _ in together) == sorted(i for i, _ in identities), "records lost")


def fuzz_location(data: bytes) -> None:
    """Check that any text is a location that can be used, or an error in one line."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        location = parse_location("DEAD_LETTERS", text)
    except SettingsError as error:
        _check(str(error).isprintable(), "an error message that is not printable")
        return
    if isinstance(location, S3Location):
        _check(location.bucket in text, "another bucket")
        location.prefix.encode()
    else:
        _check("\0" not in str(location), "a path that no file can have")


def check_batch(event: Any, model: Model[RideFeatures] = MODEL) -> None:
    """Hand a Lambda event to a consumer and check its response and all that it writes.

    Raises:
        BrokenPromise: A user record is unaccounted for, or a prediction is invalid.
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
        _check(not _is_kinesis_batch(event), "a Kinesis batch was refused")
        return
    _check(response == {"batchItemFailures": []}, "a batch item failure")
    counts = TELEMETRY.counts
    _check(len(sink.entries) == counts.published, "published predictions are miscounted")
    _check(len(sink.dead_letters) == counts.dead_lettered, "dead-letter records are miscounted")
    for entry in sink.entries:
        prediction = json.loads(entry["Data"], parse_constant=_reject_constant)
        _check_prediction(prediction["prediction"], entry["PartitionKey"])


def _check(holds: object, otherwise: str) -> None:
    if not holds:
        raise BrokenPromise(otherwise)


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
    _check(1 <= pickup <= 265, "a zone out of range")
    _check(1 <= dropoff <= 265, "a zone out of range")
    _check(0 <= miles <= 1000, "a distance out of range")
    _check(0 <= hour < 24, "an hour out of range")
    _check(weekday in range(7), "a weekday out of range")


def _check_prediction(values: Mapping[str, Any], partition_key: str) -> None:
    _check(str(values["ride_id"]) == partition_key, "a partition key that is not the ride's")
    _check(1 <= len(partition_key) <= PARTITION_KEY_CHARACTERS, "no valid partition key")
    for name in ("ride_duration", "ride_tip"):
        value = values[name]  # msgspec writes NaN as null
        _check(value is not None and math.isfinite(value), f"{name} is not finite")
        _check(value >= 0, f"{name} is negative")
    if "ride_duration_low" in values:
        low, minutes, high = (values[f"ride_duration{end}"] for end in ("_low", "", "_high"))
        _check(0 <= low <= minutes <= high, "a range that does not hold its prediction")


def _reject_constant(constant: str) -> None:
    raise BrokenPromise(f"{constant} in a prediction")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "record": fuzz_record,
    "event": fuzz_event,
    "ride_ended": fuzz_ride_ended,
    "handler": fuzz_handler,
    "dead_letters": fuzz_dead_letters,
    "location": fuzz_location,
    "check_result": fuzz_check_result,
    "web_body": fuzz_web_body,
}
