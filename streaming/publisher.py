"""PutRecords with retries, in order by partition key.

PutRecords may refuse some entries of a call and accept the others; the refused ones are resent
until the deadline. It guarantees no order among the entries of a call, so two entries of one
partition key are never in flight together: the later one waits until the earlier one is accepted.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict

from streaming.aws_errors import describe_error
from streaming.errors import StreamError
from streaming.retries import backoff, is_transient

# PutRecords' limits (Kinesis Data Streams API reference, PutRecords).
CALL_ENTRIES = 500
CALL_BYTES = 5 * 1024 * 1024
ENTRY_BYTES = 1024 * 1024
PARTITION_KEY_CHARACTERS = 256


class Entry(TypedDict):
    """An entry of PutRecords, with AWS's names."""

    Data: bytes
    PartitionKey: str


class PutRecordsClient(Protocol):
    """What `Publisher` needs of a boto3 Kinesis client."""

    def put_records(self, *, StreamName: str, Records: Sequence[Any]) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Put up to 500 of `Entry`; return `FailedRecordCount` and `Records`, one per entry."""


@dataclass(frozen=True, slots=True)
class Published:
    """The result of publishing some entries.

    Attributes:
        accepted: How many entries Kinesis accepted.
        unacceptable: Positions of entries that Kinesis never accepts, for their size or partition
            key; they were not sent.
        refused: Positions of the other entries that were not accepted by the deadline, or could not
            be sent.
        retried: How many times an entry was sent again.
        failure: The last reason for a refusal; None if `refused` is empty.
    """

    accepted: int
    unacceptable: list[int]
    refused: list[int]
    retried: int
    failure: str | None


class Publisher:
    """Puts entries on one stream.

    Args:
        client: A boto3 Kinesis client without retries of its own.
        stream_name: The stream.
        clock: Monotonic seconds.
        sleep: Waits for a number of seconds.
        jitter: Returns a random number, uniform from 0 to 1.
    """

    def __init__(
        self,
        client: PutRecordsClient,
        stream_name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._stream_name = stream_name
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
        queue = _Queue(entries, frozenset(unacceptable))
        failure: str | None = None
        retried = attempt = 0
        while queue.ready and self._clock() < deadline:
            call = queue.next_call()
            try:
                refused, reason = self._put([entries[position] for position in call])
            except StreamError as error:
                queue.settle(call, frozenset(range(len(call))))
                failure = str(error)
                break
            queue.settle(call, refused)
            failure = reason or failure
            attempt = attempt if len(refused) == len(call) else 0
            if not queue.ready and queue.refused:
                wait = backoff(attempt, self._jitter)
                attempt += 1
                if self._clock() + wait >= deadline:
                    break
                self._sleep(wait)
                retried += queue.resend()
        pending = queue.pending()
        return Published(
            accepted=len(entries) - len(unacceptable) - len(pending),
            unacceptable=unacceptable,
            refused=pending,
            retried=retried,
            failure=failure if pending else None,
        )

    def _put(self, call: Sequence[Entry]) -> tuple[frozenset[int], str | None]:
        """Make one call; return the indices of the refused entries, and one of the reasons.

        Raises:
            StreamError: A retry cannot help (no such stream, no permission, no credentials).
        """
        try:
            response = self._client.put_records(StreamName=self._stream_name, Records=call)
            refused = _refused(response, len(call))
        except MemoryError:
            raise
        except Exception as error:  # botocore's parser raises anything on a malformed response
            if not is_transient(error):
                raise StreamError(
                    f"cannot put on {self._stream_name}: {describe_error(error)}"
                ) from error
            # Some entries may have been written. Resending can duplicate those; readers drop
            # duplicates by event id.
            return frozenset(range(len(call))), describe_error(error)
        return frozenset(refused), next(iter(refused.values()), None)


def _refused(response: Mapping[str, Any], entries: int) -> dict[int, str]:
    """Return the refused entries of a PutRecords response: error codes by index.

    Raises:
        ValueError: The response contradicts itself or the call.
    """
    count = response["FailedRecordCount"]
    if count == 0:
        return {}
    results = response["Records"]
    refused = {
        index: str(result["ErrorCode"])
        for index, result in enumerate(results)
        if result.get("ErrorCode")
    }
    if len(results) != entries or len(refused) != count:
        raise ValueError(f"{len(results)} results, {count} of them failed, for {entries} entries")
    return refused


class _Queue:
    """The entries still to be sent; only the first of each partition key may be in flight.

    Attributes:
        ready: Positions of the entries that may be sent now.
        refused: Positions that were refused since the last `resend`.
    """

    def __init__(self, entries: Sequence[Entry], excluded: frozenset[int]) -> None:
        self._entries = entries
        self._waiting: dict[str, deque[int]] = {}  # by partition key
        self.ready: deque[int] = deque()
        self.refused: list[int] = []
        keys: set[str] = set()
        for position, entry in enumerate(entries):
            key = entry["PartitionKey"]
            if position in excluded:
                continue
            if key in keys:
                self._waiting.setdefault(key, deque()).append(position)
            else:
                keys.add(key)
                self.ready.append(position)

    def next_call(self) -> list[int]:
        """Take the positions for one call: at least one, within the limits of PutRecords."""
        call: list[int] = []
        size = 0
        while self.ready and len(call) < CALL_ENTRIES:
            size += entry_bytes(self._entries[self.ready[0]])
            if size > CALL_BYTES:
                break
            call.append(self.ready.popleft())
        return call

    def settle(self, call: Sequence[int], refused: frozenset[int]) -> None:
        """Record the result of a call; each accepted entry makes its key's next entry ready.

        Args:
            call: The positions that were sent.
            refused: Indices into `call`.
        """
        for index, position in enumerate(call):
            if index in refused:
                self.refused.append(position)
            elif waiting := self._waiting.get(self._entries[position]["PartitionKey"]):
                self.ready.append(waiting.popleft())

    def resend(self) -> int:
        """Make the refused entries ready again; return how many there are."""
        count = len(self.refused)
        self.ready.extend(self.refused)
        self.refused = []
        return count

    def pending(self) -> list[int]:
        """Return the positions that were not accepted, sorted."""
        waiting = [position for key in self._waiting.values() for position in key]
        return sorted([*self.ready, *self.refused, *waiting])


def entry_bytes(entry: Entry) -> int:
    """Return an entry's size as Kinesis counts it: its data plus its partition key in UTF-8."""
    key = entry["PartitionKey"]
    return len(entry["Data"]) + (len(key) if key.isascii() else len(key.encode()))


def _is_invalid(entry: Entry) -> bool:
    return (
        entry_bytes(entry) > ENTRY_BYTES
        or not 1 <= len(entry["PartitionKey"]) <= PARTITION_KEY_CHARACTERS
    )
