"""Answers on their way to the ledger: predictions from their stream, dead letters from folders."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from demo.ride_tracker import Dead, Ledger, Prediction, Route
from streaming.files import UNFINISHED
from streaming.reader.shard_reader import StreamRecord

LOOK_UP_SECONDS = 1.0
"""A look-up is a read of the shard, of which Kinesis allows five a second in all."""


class _Values(msgspec.Struct):
    ride_duration: float | None = None
    ride_tip: float | None = None


class _Predicted(msgspec.Struct):
    prediction: msgspec.Raw
    event_id: str | None = None


class _Route(msgspec.Struct):
    PULocationID: int
    DOLocationID: int


class _RideStarted(msgspec.Struct):
    ride: _Route


class _DeadLetter(msgspec.Struct):
    partition_key: str | None = None
    error_message: str = "without a reason"


class _Kinesis(msgspec.Struct, rename="camel"):
    partition_key: str


class _Record(msgspec.Struct):
    kinesis: _Kinesis


class _Event(msgspec.Struct):
    Records: list[_Record]


class _RequestContext(msgspec.Struct):
    condition: str


class _Discarded(msgspec.Struct, rename={"request_context": "requestContext"}):
    payload: str
    request_context: _RequestContext


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_predictions(
    records: Iterable[StreamRecord], ledger: Ledger, route_of: Callable[[str], Route | None]
) -> None:
    """Match each prediction with its ride, until the records end.

    Args:
        records: The predictions' stream; what is no prediction is passed over.
        ledger: Knows the rides.
        route_of: Finds the zones of a ride that somebody else put, by its event id.
    """
    for record in records:
        try:
            event = msgspec.json.decode(record.data, type=_Predicted)
            prediction = _prediction(record.partition_key, event.prediction)
        except UNREADABLE:
            continue
        if event.event_id and not ledger.knows(prediction.key):
            prediction = dataclasses.replace(prediction, route=route_of(event.event_id))
        ledger.predicted(prediction)


def _prediction(key: str, said: msgspec.Raw) -> Prediction:
    try:
        values = msgspec.json.decode(said, type=_Values)
    except msgspec.ValidationError:
        values = _Values()
    text = None
    if values.ride_duration is values.ride_tip is None:
        text = msgspec.json.format(bytes(said), indent=-1).decode()
    return Prediction(key=key, duration=values.ride_duration, tip=values.ride_tip, text=text)


class RouteLookUp:
    """Finds a ride's zones on the stream that it was put on, at most once a second.

    Args:
        client: A boto3 Kinesis client.
        stream_name: The rides' stream.
        clock: Seconds, from any origin, never going back.
    """

    def __init__(
        self,
        client: Any,
        stream_name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._stream_name = stream_name
        self._clock = clock
        self._next = clock()

    def __call__(self, event_id: str) -> Route | None:
        """Find a ride's zones.

        Args:
            event_id: `shardId:sequenceNumber`, with `:index` inside an aggregate.

        Returns:
            Pickup and dropoff zone; None if it is too early for another look-up, or the record is
            not there or not plain JSON.
        """
        if self._clock() < self._next:
            return None
        self._next = self._clock() + LOOK_UP_SECONDS
        try:
            shard_id, sequence_number = event_id.split(":")[:2]
            data = self._record(shard_id, sequence_number)
            ride = msgspec.json.decode(data, type=_RideStarted).ride
        # An id of another kind, a record that is gone, a payload that is no plain ride.
        except (BotoCoreError, ClientError, LookupError, ValueError):
            return None
        return ride.PULocationID, ride.DOLocationID

    def _record(self, shard_id: str, sequence_number: str) -> bytes:
        answer = self._client.get_shard_iterator(
            StreamName=self._stream_name,
            ShardId=shard_id,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            StartingSequenceNumber=sequence_number,
        )
        records = self._client.get_records(ShardIterator=answer["ShardIterator"], Limit=1)
        return bytes(records["Records"][0]["Data"])


class DeadLetterFolders:
    """The function's dead letters and the mapping's discarded records, as they appear on disk.

    Args:
        dead_letters: Where the function writes its dead letters, JSON lines.
        discarded: The mapping's on-failure destination, one JSON object a file.
    """

    def __init__(self, dead_letters: Path, discarded: Path) -> None:
        self._dead_letters = dead_letters
        self._discarded = discarded
        self._read: set[Path] = set()

    def read(self, ledger: Ledger) -> None:
        """Tell the ledger of what is new since the last time."""
        self._read_new(self._dead_letters.rglob("*.jsonl"), _letters, ledger)
        files = (
            path
            for path in self._discarded.rglob("*")
            if path.is_file() and path.suffix != UNFINISHED
        )
        self._read_new(files, _given_up, ledger)

    def _read_new(
        self,
        paths: Iterable[Path],
        dead_in: Callable[[bytes], Iterator[Dead]],
        ledger: Ledger,
    ) -> None:
        for path in paths:
            if path in self._read:
                continue
            self._read.add(path)
            for record in dead_in(path.read_bytes()):
                ledger.dead(record)


def _letters(lines: bytes) -> Iterator[Dead]:
    for line in lines.splitlines():
        letter = msgspec.json.decode(line, type=_DeadLetter)
        yield Dead(letter.partition_key, letter.error_message)


def _given_up(invocation_record: bytes) -> Iterator[Dead]:
    discarded = msgspec.json.decode(invocation_record, type=_Discarded)
    reason = f"given up by the event source mapping: {discarded.request_context.condition}"
    for record in msgspec.json.decode(discarded.payload, type=_Event).Records:
        yield Dead(record.kinesis.partition_key, reason)
