"""PutRecords: everything that Kinesis will take is put, in each partition key's order.

PutRecords answers by position and may refuse some entries of a call while it takes others; the
refused ones are resent until the deadline. It keeps no order across its entries, so two entries of
one partition key are never in flight together: the later one waits until the earlier is accepted.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict

from streaming.errors import StreamError
from streaming.retries import backoff, is_transient

# PutRecords' limits (Kinesis Data Streams API reference, PutRecords).
CALL_ENTRIES = 500
CALL_BYTES = 5 * 1024 * 1024
ENTRY_BYTES = 1024 * 1024
PARTITION_KEY_CHARACTERS = 256


class Entry(TypedDict):
    """One entry of PutRecords, under AWS's names."""

    Data: bytes
    PartitionKey: str


class PutRecordsClient(Protocol):
    """The one call of a boto3 Kinesis client that is needed here, with AWS's arguments."""

    def put_records(self, *, StreamName: str, Records: Sequence[Any]) -> Mapping[str, Any]:  # noqa: N803  AWS's names
        """Put up to 500 of `Entry`; answers `FailedRecordCount` and `Records`, by position."""


@dataclass(frozen=True, slots=True)
class Published:
    """What became of the entries.

    Attributes:
        accepted: How many Kinesis took.
        unacceptable: Positions of entries that Kinesis never takes, however often they are sent.
        refused: Positions of entries not taken by the deadline, or that could not be sent.
        retried: How many times an entry was sent again.
        failure: The last reason for a refusal; None if nothing was refused at the end.
    """

    accepted: int
    unacceptable: list[int]
    refused: list[int]
    retried: int
    failure: str | None


class Publisher:
    """Puts entries on one stream.

    Args:
        client: A boto3 Kinesis client that does not retry by itself.
        stream_name: The stream.
        clock: Seconds, from any origin, never going back.
        sleep: Waits for some seconds.
        jitter: Draws evenly from 0 to 1.
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
        """Put every entry, and resend what is refused until the deadline.

        Args:
            entries: In the order that each partition key's entries must keep.
            deadline: On this publisher's clock. No call and no wait begins after it.
        """
        unacceptable = [position for position, entry in enumerate(entries) if _never(entry)]
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
        """Make one call; give the indices of the entries it refused, and one of the reasons.

        Raises:
            StreamError: Sending again cannot help (no such stream, permission or credentials).
        """
        try:
            answer = self._client.put_records(StreamName=self._stream_name, Records=call)
            refused = _refused(answer, len(call))
        except MemoryError:
            raise
        except Exception as error:  # botocore's parser raises anything on what is no answer
            if not is_transient(error):
                raise StreamError(f"cannot put on {self._stream_name}: {error}") from error
            # It is unknown what was written: sent again, it may stand there twice, and its readers
            # know it by its event id.
            return frozenset(range(len(call))), f"{type(error).__name__}: {error}"
        return frozenset(refused), next(iter(refused.values()), None)


def _refused(answer: Mapping[str, Any], entries: int) -> dict[int, str]:
    """Read an answer of PutRecords: which entries were refused, by index, and why.

    Raises:
        ValueError: It contradicts itself or the call.
    """
    count = answer["FailedRecordCount"]
    if count == 0:
        return {}
    results = answer["Records"]
    refused = {
        index: str(result["ErrorCode"])
        for index, result in enumerate(results)
        if result.get("ErrorCode")
    }
    if len(results) != entries or len(refused) != count:
        raise ValueError(f"{len(results)} results, {count} of them failed, for {entries} entries")
    return refused


class _Queue:
    """The entries still to be sent: of each partition key only the first may go.

    Attributes:
        ready: Positions that may be sent now, in order.
        refused: Positions that were refused since the last `resend`.
    """

    def __init__(self, entries: Sequence[Entry], without: frozenset[int]) -> None:
        self._entries = entries
        self._behind: dict[str, deque[int]] = {}
        self.ready: deque[int] = deque()
        self.refused: list[int] = []
        keys: set[str] = set()
        for position, entry in enumerate(entries):
            key = entry["PartitionKey"]
            if position in without:
                continue
            if key in keys:
                self._behind.setdefault(key, deque()).append(position)
            else:
                keys.add(key)
                self.ready.append(position)

    def next_call(self) -> list[int]:
        """Take what one call may carry: at least one position, in order."""
        call: list[int] = []
        size = 0
        while self.ready and len(call) < CALL_ENTRIES:
            size += entry_bytes(self._entries[self.ready[0]])
            if size > CALL_BYTES:
                break
            call.append(self.ready.popleft())
        return call

    def settle(self, call: Sequence[int], refused: frozenset[int]) -> None:
        """Take the outcome of a call: who waited behind an accepted entry is ready now.

        Args:
            call: The positions that were sent.
            refused: Indices into `call`.
        """
        for index, position in enumerate(call):
            if index in refused:
                self.refused.append(position)
            elif behind := self._behind.get(self._entries[position]["PartitionKey"]):
                self.ready.append(behind.popleft())

    def resend(self) -> int:
        """Make the refused entries ready again; give their number."""
        count = len(self.refused)
        self.ready.extend(self.refused)
        self.refused = []
        return count

    def pending(self) -> list[int]:
        """Give every position that was not accepted, sorted."""
        waiting = [position for behind in self._behind.values() for position in behind]
        return sorted([*self.ready, *self.refused, *waiting])


def entry_bytes(entry: Entry) -> int:
    """Count an entry as Kinesis does: its data and its partition key in UTF-8."""
    key = entry["PartitionKey"]
    return len(entry["Data"]) + (len(key) if key.isascii() else len(key.encode()))


def _never(entry: Entry) -> bool:
    return (
        entry_bytes(entry) > ENTRY_BYTES
        or not 1 <= len(entry["PartitionKey"]) <= PARTITION_KEY_CHARACTERS
    )
