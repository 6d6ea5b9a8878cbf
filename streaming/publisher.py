"""PutRecords with retries, in order by partition key.

PutRecords may refuse some entries of a call and accept the others; the refused ones are resent
until the deadline. It guarantees no order among the entries of a call, so two entries of one
partition key are never in flight together: the later one waits until the earlier one is accepted.
By a switch, entries are packed into aggregated records, in which they are in order.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, Protocol, TypedDict

from streaming.aggregation_writer import Aggregation, Packed, pack
from streaming.aws_errors import describe_error
from streaming.errors import StreamError, StreamingError
from streaming.retries import backoff, error_code, is_transient

# PutRecords' limits (Kinesis Data Streams API reference, PutRecords).
CALL_ENTRIES = 500
PARTITION_KEY_CHARACTERS = 256

CALL_BYTES = 5 * 1024 * 1024
"""AWS takes 10 MiB; emulators still take what AWS took until 2025. A larger record goes alone."""

DEFAULT_ENTRY_BYTES = 1024 * 1024
ENTRY_BYTES = 10 * 1024 * 1024
"""The limit of a stream lies between these two (Kinesis developer guide, Handle large records).
What is larger than the default is put alone: the response tells whether the stream takes it."""

TOO_LARGE_CODES = frozenset({"InvalidArgumentException", "ValidationException"})


class Entry(TypedDict):
    """An entry of PutRecords, with AWS's names."""

    Data: bytes
    PartitionKey: str
    ExplicitHashKey: NotRequired[str]


class PutRecordsClient(Protocol):
    """What `Publisher` needs of a boto3 Kinesis client."""

    def put_records(self, *, StreamName: str, Records: Sequence[Any]) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Put up to 500 of `Entry`; return `FailedRecordCount` and `Records`, one per entry."""


@dataclass(frozen=True, slots=True)
class Published:
    """The result of publishing some entries.

    Attributes:
        accepted: How many entries Kinesis accepted.
        unacceptable: Positions of entries that the stream never accepts, for their size or
            partition key.
        refused: Positions of the other entries that were not accepted by the deadline, or could not
            be sent.
        retried: How many times an entry of PutRecords was sent again.
        failure: The last reason for a refusal; None if `refused` is empty.
        successive_calls: How many calls the partition key with the most entries needs, one after
            another, if nothing is refused.
    """

    accepted: int
    unacceptable: list[int]
    refused: list[int]
    retried: int
    failure: str | None
    successive_calls: int = 1


class Sink(Protocol):
    """Where a consumer's predictions go: `Publisher`, or something that keeps state."""

    def publish(self, entries: Sequence[Entry], deadline: float) -> Published:
        """Take entries; refuse those that are not safe by the deadline.

        Args:
            entries: The entries of each partition key are in order.
            deadline: On the consumer's clock.
        """


class Publisher:
    """Puts entries on one stream.

    Args:
        client: A boto3 Kinesis client without retries of its own.
        stream_name: The stream.
        aggregation: Which entries are packed into aggregated records.
        clock: Monotonic seconds.
        sleep: Waits for a number of seconds.
        jitter: Returns a random number, uniform from 0 to 1.
    """

    def __init__(
        self,
        client: PutRecordsClient,
        stream_name: str,
        *,
        aggregation: Aggregation = "off",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._stream_name = stream_name
        self._aggregation = aggregation
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    def publish(self, entries: Sequence[Entry], deadline: float) -> Published:
        """Put entries; resend the refused ones until the deadline.

        Args:
            entries: The entries of each partition key must be in order.
            deadline: On the publisher's clock. No call starts after it, and no wait ends after it.
        """
        unacceptable = [position for position, entry in enumerate(entries) if _is_invalid(entry)]
        excluded = frozenset(unacceptable)
        acceptable = [position for position in range(len(entries)) if position not in excluded]
        packed = pack(entries, acceptable, self._aggregation)
        queue = _Queue(packed)
        failure: str | None = None
        retried = attempt = 0
        while queue.ready and self._clock() < deadline:
            call = queue.next_call()
            try:
                refused = self._put([packed.records[index] for index in call])
            except StreamError as error:
                queue.settle(call, range(len(call)))
                failure = str(error)
                break
            if _is_too_large(packed.records[call[0]], refused.get(0)):
                unacceptable += packed.members[call[0]]
                refused = {}
            queue.settle(call, refused)
            failure = next(iter(refused.values()), failure)
            if not queue.refused:
                attempt = 0
            elif not queue.ready:
                wait = backoff(attempt, self._jitter)
                attempt += 1
                if self._clock() + wait >= deadline:
                    break
                self._sleep(wait)
                retried += queue.resend()
        pending = sorted(at for index in queue.pending() for at in packed.members[index])
        return Published(
            accepted=len(entries) - len(unacceptable) - len(pending),
            unacceptable=sorted(unacceptable),
            refused=pending,
            retried=retried,
            failure=failure if pending else None,
            successive_calls=queue.successive_calls,
        )

    def _put(self, call: Sequence[Entry]) -> dict[int, str]:
        """Make one call; return the reasons by index of the refused entries.

        Raises:
            StreamError: A retry cannot help (no such stream, no permission, no credentials).
        """
        try:
            response = self._client.put_records(StreamName=self._stream_name, Records=call)
            return refused_entries(response, len(call))
        except (MemoryError, StreamingError):  # StreamingError: the client's own, such as a log's
            raise
        except Exception as error:  # botocore's parser raises anything on a malformed response
            code = error_code(error)
            if _is_too_large(call[0], code):
                return {0: str(code)}
            if not is_transient(error):
                raise StreamError(
                    f"cannot put on {self._stream_name}: {describe_error(error)}"
                ) from error
            # Some entries may have been written. Resending can duplicate those; readers drop
            # duplicates by event id.
            return dict.fromkeys(range(len(call)), describe_error(error))


def refused_entries(response: Mapping[str, Any], entries: int) -> dict[int, str]:
    """Return the refused entries of a PutRecords response: error codes by index.

    Args:
        response: The response.
        entries: How many entries were sent.

    Raises:
        ValueError: The response contradicts itself or the call: any entry may be on the stream. An
            AttributeError, KeyError or TypeError means the same.
    """
    count, results = response["FailedRecordCount"], response["Records"]
    refused = {
        index: str(result.get("ErrorCode"))
        for index, result in enumerate(results)
        if result.get("ErrorCode") or not result.get("SequenceNumber")
    }
    if len(results) != entries or len(refused) != count:
        raise ValueError(f"{len(results)} results, {count} of them failed, for {entries} entries")
    return refused


def _is_too_large(entry: Entry, code: str | None) -> bool:
    """Return whether the stream refuses an entry for its size, which it takes only if configured.

    An entry of such a size is alone in its call.
    """
    return code in TOO_LARGE_CODES and entry_bytes(entry) > DEFAULT_ENTRY_BYTES


class _Queue:
    """The records still to be sent; only the first of each order key may be in flight.

    Attributes:
        ready: Indices of the records that may be sent now.
        refused: Indices that were refused since the last `resend`.
        successive_calls: As in `Published`.
    """

    def __init__(self, packed: Packed) -> None:
        self._records = packed.records
        self._order_keys = packed.order_keys
        self._waiting: dict[str, deque[int]] = {}  # by order key
        self.ready: deque[int] = deque()
        self.refused: list[int] = []
        keys: set[str] = set()
        for index, key in enumerate(self._order_keys):
            if key in keys:
                self._waiting.setdefault(key, deque()).append(index)
            else:
                keys.add(key)
                self.ready.append(index)
        self.successive_calls = 1 + max(map(len, self._waiting.values()), default=0)

    def next_call(self) -> list[int]:
        """Take the indices for one call: at least one, within the limits of PutRecords."""
        call: list[int] = []
        total = 0
        while self.ready and len(call) < CALL_ENTRIES:
            size = entry_bytes(self._records[self.ready[0]])
            total += size if size <= DEFAULT_ENTRY_BYTES else CALL_BYTES
            if total > CALL_BYTES:
                break
            call.append(self.ready.popleft())
        return call

    def settle(self, call: Sequence[int], refused: Container[int]) -> None:
        """Record the result of a call; each accepted record makes its key's next one ready.

        Args:
            call: The indices that were sent.
            refused: Which of them, by their place in `call`, were refused.
        """
        for place, index in enumerate(call):
            if place in refused:
                self.refused.append(index)
            elif waiting := self._waiting.get(self._order_keys[index]):
                self.ready.append(waiting.popleft())

    def resend(self) -> int:
        """Make the refused records ready again; return how many there are."""
        count = len(self.refused)
        self.ready.extend(self.refused)
        self.refused = []
        return count

    def pending(self) -> list[int]:
        """Return the indices that were not accepted."""
        waiting = [index for key in self._waiting.values() for index in key]
        return [*self.ready, *self.refused, *waiting]


def entry_bytes(entry: Entry) -> int:
    """Return an entry's size as Kinesis counts it: its data plus its partition key in UTF-8."""
    key = entry["PartitionKey"]
    return len(entry["Data"]) + (len(key) if key.isascii() else len(key.encode()))


def _is_invalid(entry: Entry) -> bool:
    return (
        entry_bytes(entry) > ENTRY_BYTES
        or not 1 <= len(entry["PartitionKey"]) <= PARTITION_KEY_CHARACTERS
    )
