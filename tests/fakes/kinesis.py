"""Kinesis in memory: boto3's methods, AWS's responses, limits and errors, and a controlled clock.

Faults are scheduled beforehand and occur in order, so that a test runs the same way each time.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.fakes.clock import EPOCH
from tests.fakes.stream import RETENTION_SECONDS, Record, Shard, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tests.fakes.clock import Clock

ACCOUNT = "123456789012"
ITERATOR_SECONDS = 300
READS_PER_SECOND = 5
CALL_ENTRIES, CALL_BYTES, ENTRY_BYTES, KEY_CHARACTERS = 500, 10 * 1024**2, 1024**2, 256


def client_error(
    code: str, operation: str, message: str = "injected", *, status: int = 400
) -> ClientError:
    """Build the error that botocore raises for an error code."""
    name = "".join(word.capitalize() for word in operation.split("_"))
    metadata: Any = {"HTTPStatusCode": status}
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, name
    )


class FakeKinesis:
    """A boto3 Kinesis client, and the service behind it.

    Attributes:
        calls: Every call's method and arguments, in order.
        page_size: Shards in a page of ListShards.
        record_bytes: The streams' MaxRecordSize.
        too_large: The error code with which PutRecords rejects a larger record.
        refuse: Returns the error code with which PutRecords rejects an entry, or None to accept it.
        unlisted: Shards that ListShards does not list yet.
        empty_reads: How many of the next GetRecords return no records although there are some.
    """

    def __init__(self, clock: Clock) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.page_size = 1000
        self.record_bytes = ENTRY_BYTES
        self.too_large = "ValidationException"
        self.refuse: Callable[[Mapping[str, Any]], str | None] = lambda _entry: None
        self.unlisted: set[str] = set()
        self.empty_reads = 0
        self._clock = clock
        self._failures: defaultdict[str, deque[Exception | None]] = defaultdict(deque)
        self._lost_answers: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self._streams: dict[str, Stream] = {}
        self._lock = threading.RLock()

    # For tests: faults and contents.

    def fail(self, operation: str, *failures: str | Exception | None) -> None:
        """Make an operation's next calls fail: an error code, an exception, or None for success."""
        self._failures[operation].extend(
            client_error(failure, operation) if isinstance(failure, str) else failure
            for failure in failures
        )

    def lose_answer(self, operation: str, failure: Exception) -> None:
        """Make an operation's next call take effect and then fail, as after a timeout."""
        self._lost_answers[operation].append(failure)

    def put(self, stream_name: str, partition_key: str, *payloads: bytes) -> list[str]:
        """Put payloads of one key, without a recorded call or a fault; return sequence numbers."""
        with self._lock:
            stream = self._streams[stream_name]
            return [str(stream.append(partition_key, data, None)[1]) for data in payloads]

    def payloads(self, stream_name: str) -> list[bytes]:
        """Return the data of a stream's records, in the order of arrival."""
        with self._lock:
            shards = self._streams[stream_name].shards.values()
            records = (record for shard in shards for record in shard.records)
            return [record.data for record in sorted(records, key=lambda record: record.number)]

    def create_again(self, stream_name: str) -> None:
        """Delete a stream and create another one of its name a second later.

        As in an emulator, its shard ids and sequence numbers are the same, and iterators of the
        earlier stream are accepted.
        """
        shards = len(self._streams[stream_name].open_shards())
        self.delete_stream(StreamName=stream_name)
        self._clock.advance(1)
        self.create_stream(StreamName=stream_name, ShardCount=shards)

    def open_shards(self, stream_name: str) -> list[Shard]:
        """Return the open shards, in the order of their hash keys."""
        return self._streams[stream_name].open_shards()

    def split(self, stream_name: str, shard_id: str) -> None:
        """Split a shard in the middle."""
        hashes = self._streams[stream_name].shards[shard_id].hashes
        middle = str((hashes.start + hashes.stop) // 2)
        self.split_shard(StreamName=stream_name, ShardToSplit=shard_id, NewStartingHashKey=middle)

    # boto3's methods.

    def create_stream(self, *, StreamName: str, ShardCount: int = 1) -> dict[str, Any]:
        with self._call("create_stream", StreamName=StreamName, ShardCount=ShardCount):
            if StreamName in self._streams:
                raise client_error("ResourceInUseException", "create_stream")
            self._streams[StreamName] = Stream(self._clock, ShardCount)
            return {}

    def delete_stream(self, *, StreamName: str) -> dict[str, Any]:
        with self._call("delete_stream", StreamName=StreamName):
            self._stream(StreamName, "delete_stream")
            del self._streams[StreamName]
            return {}

    def describe_stream_summary(self, *, StreamName: str) -> dict[str, Any]:
        with self._call("describe_stream_summary", StreamName=StreamName):
            stream = self._stream(StreamName, "describe_stream_summary")
            summary = {
                "StreamName": StreamName,
                "StreamARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{StreamName}",
                "StreamStatus": "ACTIVE",
                "StreamCreationTimestamp": stream.created,
                "RetentionPeriodHours": RETENTION_SECONDS // 3600,
                "OpenShardCount": len(stream.open_shards()),
            }
            headers = {"date": format_datetime(self._clock.utc(), usegmt=True)}
            metadata = {"HTTPHeaders": headers}
            return {"StreamDescriptionSummary": summary, "ResponseMetadata": metadata}

    def list_shards(self, *, StreamName: str = "", NextToken: str = "") -> dict[str, Any]:
        with self._call("list_shards", StreamName=StreamName, NextToken=NextToken):
            if bool(StreamName) == bool(NextToken):
                raise client_error("InvalidArgumentException", "list_shards", "Name or token.")
            name, start = NextToken.split("|") if NextToken else (StreamName, "0")
            stream = self._stream(name, "list_shards")
            shards = [s for s in stream.shards.values() if s.shard_id not in self.unlisted]
            end = int(start) + self.page_size
            more = {"NextToken": f"{name}|{end}"} if end < len(shards) else {}
            return {"Shards": [_shard_entry(shard) for shard in shards[int(start) : end]]} | more

    def get_shard_iterator(
        self,
        *,
        StreamName: str,
        ShardId: str,
        ShardIteratorType: str,
        Timestamp: datetime = EPOCH,
        StartingSequenceNumber: str = "0",
    ) -> dict[str, Any]:
        arguments = {
            "StreamName": StreamName,
            "ShardId": ShardId,
            "ShardIteratorType": ShardIteratorType,
            "Timestamp": Timestamp,
            "StartingSequenceNumber": StartingSequenceNumber,
        }
        with self._call("get_shard_iterator", **arguments):
            stream = self._stream(StreamName, "get_shard_iterator")
            shard = _shard(stream, ShardId, "get_shard_iterator")
            time = (Timestamp - EPOCH).total_seconds()
            earlier = bisect_left(shard.records, time, key=lambda record: record.arrived)
            if Timestamp is not None and Timestamp > self._clock.utc():
                raise client_error("InvalidArgumentException", "get_shard_iterator", "Future.")
            after = {
                "TRIM_HORIZON": 0,
                "LATEST": stream.newest,
                "AT_TIMESTAMP": shard.records[earlier - 1].number if earlier else 0,
                "AT_SEQUENCE_NUMBER": int(StartingSequenceNumber) - 1,
                "AFTER_SEQUENCE_NUMBER": int(StartingSequenceNumber),
            }[ShardIteratorType]
            return {"ShardIterator": self._iterator(StreamName, shard, after)}

    def get_records(self, *, ShardIterator: str, Limit: int = 10_000) -> dict[str, Any]:
        with self._call("get_records", ShardIterator=ShardIterator, Limit=Limit):
            name, shard_id, after, taken = ShardIterator.split("|")
            if self._clock.now() - float(taken) > ITERATOR_SECONDS:
                raise client_error("ExpiredIteratorException", "get_records", "Iterator expired.")
            shard = _shard(self._stream(name, "get_records"), shard_id, "get_records")
            self._count_read(shard)
            start = bisect_right(shard.records, int(after), key=lambda record: record.number)
            end = start if self.empty_reads else start + Limit
            self.empty_reads = max(0, self.empty_reads - 1)
            records, unread = shard.records[start:end], shard.records[end:]
            behind = int(1000 * (self._clock.now() - unread[0].arrived)) + 1 if unread else 0
            response = {"Records": [_record(r) for r in records], "MillisBehindLatest": behind}
            if shard.closed_at is not None and not unread:
                return response | {"ChildShards": [_child(child) for child in shard.children]}
            position = records[-1].number if records else int(after)
            return response | {"NextShardIterator": self._iterator(name, shard, position)}

    def put_record(
        self, *, StreamName: str, Data: bytes, PartitionKey: str, ExplicitHashKey: str = ""
    ) -> dict[str, Any]:
        with self._call("put_record", StreamName=StreamName, Data=Data, PartitionKey=PartitionKey):
            stream = self._stream(StreamName, "put_record")
            shard_id, number = stream.append(PartitionKey, Data, ExplicitHashKey)
            return {"ShardId": shard_id, "SequenceNumber": str(number)}

    def put_records(
        self, *, StreamName: str, Records: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        with self._call("put_records", StreamName=StreamName, Records=list(Records)):
            stream = self._stream(StreamName, "put_records")
            sizes = [len(entry["Data"]) + len(entry["PartitionKey"].encode()) for entry in Records]
            if not 1 <= len(Records) <= CALL_ENTRIES:
                raise client_error("ValidationException", "put_records", "Too many.")
            if max(sizes) > self.record_bytes:
                raise client_error(self.too_large, "put_records", "Too large.")
            if sum(sizes) > CALL_BYTES:
                raise client_error("InvalidArgumentException", "put_records", "Over 10 MiB.")
            if not all(1 <= len(entry["PartitionKey"]) <= KEY_CHARACTERS for entry in Records):
                raise client_error("ValidationException", "put_records", "Bad partition key.")
            results = [self._take(stream, entry) for entry in Records]
            failed = sum("ErrorCode" in result for result in results)
            return {"FailedRecordCount": failed, "Records": results}

    def split_shard(
        self, *, StreamName: str, ShardToSplit: str, NewStartingHashKey: str
    ) -> dict[str, Any]:
        with self._call("split_shard", StreamName=StreamName, ShardToSplit=ShardToSplit):
            stream = self._stream(StreamName, "split_shard")
            stream.split(_open(stream, ShardToSplit, "split_shard"), int(NewStartingHashKey))
            return {}

    def merge_shards(
        self, *, StreamName: str, ShardToMerge: str, AdjacentShardToMerge: str
    ) -> dict[str, Any]:
        with self._call("merge_shards", StreamName=StreamName, ShardToMerge=ShardToMerge):
            stream = self._stream(StreamName, "merge_shards")
            shard, adjacent = (
                _open(stream, shard_id, "merge_shards")
                for shard_id in (ShardToMerge, AdjacentShardToMerge)
            )
            stream.merge(shard, adjacent)
            return {}

    # Behind the methods.

    @contextmanager
    def _call(self, operation: str, **arguments: Any) -> Iterator[None]:
        with self._lock:
            self.calls.append((operation, arguments))
            failure = self._failures[operation].popleft() if self._failures[operation] else None
            if failure:
                raise failure
            for stream in self._streams.values():
                stream.expire()
            yield
            if self._lost_answers[operation]:
                raise self._lost_answers[operation].popleft()

    def _stream(self, name: str, operation: str) -> Stream:
        if name not in self._streams:
            message = f"Stream {name} under account {ACCOUNT} not found."
            raise client_error("ResourceNotFoundException", operation, message)
        return self._streams[name]

    def _iterator(self, stream_name: str, shard: Shard, after: int) -> str:
        return f"{stream_name}|{shard.shard_id}|{after}|{self._clock.now()}"

    def _count_read(self, shard: Shard) -> None:
        now = self._clock.now()
        # Slightly less than a second: five steps of 0.2 add up to slightly less than 1.
        while shard.reads and shard.reads[0] <= now - 1 + 1e-6:
            shard.reads.popleft()
        if len(shard.reads) == READS_PER_SECOND:
            code = "ProvisionedThroughputExceededException"
            raise client_error(code, "get_records", f"Rate exceeded for shard {shard.shard_id}")
        shard.reads.append(now)

    def _take(self, stream: Stream, entry: Mapping[str, Any]) -> dict[str, Any]:
        if code := self.refuse(entry):
            return {"ErrorCode": code, "ErrorMessage": "injected"}
        shard_id, number = stream.append(
            entry["PartitionKey"], entry["Data"], entry.get("ExplicitHashKey")
        )
        return {"ShardId": shard_id, "SequenceNumber": str(number)}


def _shard(stream: Stream, shard_id: str, operation: str) -> Shard:
    if shard_id not in stream.shards:
        message = f"Shard {shard_id} under account {ACCOUNT} does not exist"
        raise client_error("ResourceNotFoundException", operation, message)
    return stream.shards[shard_id]


def _open(stream: Stream, shard_id: str, operation: str) -> Shard:
    shard = _shard(stream, shard_id, operation)
    if shard.closed_at is not None:
        message = f"Shard {shard_id} has already been merged or split."
        raise client_error("InvalidArgumentException", operation, message)
    return shard


def _shard_entry(shard: Shard) -> dict[str, Any]:
    ends = {} if shard.last_number is None else {"EndingSequenceNumber": str(shard.last_number)}
    names = zip(("ParentShardId", "AdjacentParentShardId"), shard.parents, strict=False)
    return {
        "ShardId": shard.shard_id,
        "HashKeyRange": _hash_keys(shard),
        "SequenceNumberRange": {"StartingSequenceNumber": str(shard.first_number)} | ends,
    } | dict(names)


def _child(shard: Shard) -> dict[str, Any]:
    return {
        "ShardId": shard.shard_id,
        "ParentShards": list(shard.parents),
        "HashKeyRange": _hash_keys(shard),
    }


def _hash_keys(shard: Shard) -> dict[str, str]:
    return {
        "StartingHashKey": str(shard.hashes.start),
        "EndingHashKey": str(shard.hashes.stop - 1),
    }


def _record(record: Record) -> dict[str, Any]:
    return {
        "SequenceNumber": str(record.number),
        "PartitionKey": record.partition_key,
        "Data": record.data,
        "ApproximateArrivalTimestamp": EPOCH + timedelta(seconds=record.arrived),
    }
