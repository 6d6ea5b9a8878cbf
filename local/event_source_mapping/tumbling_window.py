"""Tumbling windows: the function's state from one invocation of a window to the next.

The rules are from the Lambda developer guide, Implementing stateful Kinesis Data Streams processing
in Lambda. A shard's windows follow one another; the arrival of a record decides its window. When a
window is over, a last invocation without records gets its state.
"""

import contextlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import msgspec

from local.errors import FunctionError, FunctionUnavailable
from local.event_source_mapping.batch_processor import BatchProcessor
from local.event_source_mapping.invocation_event import STATE_BYTES, EncodedRecord, event_payload
from local.event_source_mapping.invoker import Invoker
from local.event_source_mapping.retry_policy import MappingStopped, RetryPolicy
from streaming.errors import DECODE_ERRORS

logger = logging.getLogger(__name__)

GRACE = timedelta(minutes=2)
"""How long AWS waits for more records of a window before it is over."""


class _Bounds(msgspec.Struct):
    start: str
    end: str


class _Members(msgspec.Struct, rename="camel"):
    window: _Bounds
    state: msgspec.Raw
    shard_id: str
    event_source_arn: str = msgspec.field(name="eventSourceARN")
    is_final_invoke_for_window: bool
    is_window_terminated_early: bool


class _Response(msgspec.Struct):
    state: msgspec.Raw


class TumblingWindow:
    """One shard's window and the function's state, and the events that carry them.

    Args:
        seconds: TumblingWindowInSeconds.
        shard_id: The shard.
        stream_arn: The stream's ARN.

    Attributes:
        is_final: Whether the next event is the last of its window.
        is_terminated_early: Whether the state grew too large before the window was over.
    """

    def __init__(self, seconds: int, shard_id: str, stream_arn: str) -> None:
        self.is_final = False
        self.is_terminated_early = False
        self._seconds = seconds
        self._shard_id = shard_id
        self._stream_arn = stream_arn
        self._start: int | None = None
        self._state = b"{}"

    @property
    def end(self) -> datetime | None:
        """When the window ends; None if none is open."""
        if self._start is None:
            return None
        return datetime.fromtimestamp(self._start + self._seconds, UTC)

    @property
    def is_too_large(self) -> bool:
        """Whether the state exceeds its limit."""
        return len(self._state) > STATE_BYTES

    def is_over(self, record: EncodedRecord) -> bool:
        """Return whether a window is open that a record comes after."""
        return self._start is not None and not self.holds(record)

    def open(self, record: EncodedRecord) -> None:
        """Open the window of a record, unless one is open."""
        if self._start is None:
            self._start = self._start_of(record)

    def holds(self, record: EncodedRecord) -> bool:
        """Return whether a record belongs to the open window; a late one does."""
        return self._start is not None and self._start_of(record) <= self._start

    def close(self) -> None:
        """End the window and forget its state."""
        self._start, self._state = None, b"{}"
        self.is_final = self.is_terminated_early = False

    def payload(self, records: Sequence[EncodedRecord]) -> bytes:
        """See `EventFormat`."""
        start = self._start or 0
        members = _Members(
            window=_Bounds(_time(start), _time(start + self._seconds)),
            state=msgspec.Raw(self._state),
            shard_id=self._shard_id,
            event_source_arn=self._stream_arn,
            is_final_invoke_for_window=self.is_final,
            is_window_terminated_early=self.is_terminated_early,
        )
        return event_payload(records)[:-1] + b"," + msgspec.json.encode(members)[1:]

    def accept(self, response: bytes, done: int) -> None:
        """See `EventFormat`; keeps the state if records are done.

        Raises:
            FunctionError: The response has no state.
        """
        try:
            state = bytes(msgspec.json.decode(response, type=_Response).state)
        except DECODE_ERRORS:
            state = b""
        if not state.startswith(b"{"):
            raise FunctionError("TumblingWindow", "the response has no object 'state'")
        if done:
            self._state = state

    def _start_of(self, record: EncodedRecord) -> int:
        return int(record.record.arrived_at.timestamp()) // self._seconds * self._seconds


class WindowedProcessor:
    """Processes batches window by window, and invokes the function last at each window's end.

    Args:
        processor: Processes the records of one window.
        window: The shard's window; also writes the events of `processor` and `invoker`.
        invoker: Invokes the function at the end of a window.
        policy: The mapping's limits. A last invocation that they end is logged, and its state is
            lost: it has no records that could be sent to an on-failure destination.
    """

    def __init__(
        self,
        processor: BatchProcessor,
        window: TumblingWindow,
        invoker: Invoker,
        policy: RetryPolicy,
    ) -> None:
        self._processor = processor
        self._window = window
        self._invoker = invoker
        self._policy = policy

    def due_in(self) -> float | None:
        """Return the seconds until the open window is over without more records, or None."""
        end = self._window.end
        if end is None:
            return None
        return max((end + GRACE - self._policy.now()).total_seconds(), 0.0)

    def process(self, records: Sequence[EncodedRecord]) -> bool:
        """Process a batch until each record is done or discarded; see `BatchProcessor.process`.

        Args:
            records: In the shard's order; none ends a window that is due.
        """
        try:
            if self.due_in() == 0 and not (records and self._window.holds(records[0])):
                self._finish_window()
            while records:
                records = self._process_window(records)
        except MappingStopped:
            return False
        return True

    def close(self) -> None:
        """End the window at the end of the shard."""
        if self._window.end is not None:
            with contextlib.suppress(MappingStopped):
                self._finish_window()

    def _process_window(self, records: Sequence[EncodedRecord]) -> Sequence[EncodedRecord]:
        """Process the first records, as far as they belong to one window; return the others."""
        if self._window.is_over(records[0]):
            self._finish_window()
        self._window.open(records[0])
        batch = list(takewhile(self._window.holds, records))
        if not self._processor.process(batch):
            raise MappingStopped
        if self._window.is_too_large:
            self._finish_window(early=True)
        return records[len(batch) :]

    def _finish_window(self, *, early: bool = False) -> None:
        self._window.is_final, self._window.is_terminated_early = True, early
        try:
            self._invoke_last()
        except MappingStopped:  # after a restart the window goes on
            self._window.is_final = self._window.is_terminated_early = False
            raise
        self._window.close()

    def _invoke_last(self) -> None:
        retries = service_errors = 0
        while not self._is_too_old():
            try:
                if not self._invoker.invoke([]).raised:
                    return
            except FunctionUnavailable:
                self._policy.pause(service_errors)
                service_errors += 1
                continue
            if self._policy.is_exhausted(retries):
                logger.warning("Discarded the state of a window: RetryAttemptsExhausted")
                return
            self._policy.pause_before_retry(retries)
            retries += 1

    def _is_too_old(self) -> bool:
        end = self._window.end
        is_too_old = end is not None and end < self._policy.oldest()
        if is_too_old:
            logger.warning("Discarded the state of a window: RecordAgeExceeded")
        return is_too_old


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
