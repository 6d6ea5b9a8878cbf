"""Joins what is new about items with what is known of them, decides, and publishes.

For each item: read its state, advance it, write it on the condition that nobody else has, publish
the decision in it, and write that it is published. Wherever this ends, the next attempt or the
schedule goes on from what is written.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec

from streaming.consumer.interface import PredictionRecord
from streaming.decisions.check_results import Arrival, Item
from streaming.decisions.decision_table import DecisionTable, Stored
from streaming.decisions.item_state import ItemState, advance
from streaming.decisions.policy import Policy
from streaming.errors import (
    StreamError,
    StreamingError,
    StreamUnavailable,
    TableError,
    TableUnavailable,
)
from streaming.publisher import Entry, Published, Sink
from streaming.retries import Retries

WORKERS = 8
"""Items that are read and written at once: DynamoDB takes milliseconds for each call."""


class _Entry(msgspec.Struct):
    prediction: Arrival


@dataclass(frozen=True, slots=True)
class _Work:
    """What to do with an item next.

    Attributes:
        arrivals: What is new.
        known: Its state as it was written last; None: read it.
        published: The event id of the decision that is on the stream now.
    """

    arrivals: Sequence[Arrival] = ()
    known: Stored | None = None
    published: str | None = None


class Decider:
    """The sink of a consumer whose model is `Results`.

    Args:
        policy: The policy.
        table: The items.
        publisher: Puts decisions on their stream.
        now: Seconds since the epoch.
        workers: Items that are read and written at once.
        retries: Repeats reading and writing an item. Its clock is the consumer's.
    """

    def __init__(
        self,
        policy: Policy,
        table: DecisionTable,
        publisher: Sink,
        *,
        now: Callable[[], float] = time.time,
        workers: int = WORKERS,
        retries: Retries = Retries(),  # noqa: B008  it is immutable
    ) -> None:
        self._policy = policy
        self._table = table
        self._publisher = publisher
        self._now = now
        self._workers = workers
        self._retries = retries

    def publish(self, entries: Sequence[Entry], deadline: float) -> Published:
        """Take the consumer's entries; see `Sink`.

        An entry is accepted once its result is written, and the decisions that it led to are on
        their stream.
        """
        positions: dict[Item, list[int]] = {}
        arrivals: dict[Item, list[Arrival]] = {}
        for position, entry in enumerate(entries):
            arrival = msgspec.json.decode(entry["Data"], type=_Entry).prediction
            positions.setdefault(arrival.item, []).append(position)
            arrivals.setdefault(arrival.item, []).append(arrival)
        failures = self.settle(arrivals, deadline)
        refused = sorted(at for item in failures for at in positions[item])
        return Published(
            accepted=len(entries) - len(refused),
            unacceptable=[],
            refused=refused,
            retried=0,
            failure=next(map(str, failures.values()), None),
        )

    def settle(
        self, arrivals: Mapping[Item, Sequence[Arrival]], deadline: float
    ) -> dict[Item, StreamingError]:
        """Bring items up to date; nothing of the others is left to do when this returns.

        Args:
            arrivals: What is new of each item; nothing, for an item that is due.
            deadline: On the clock. No call starts after it.

        Returns:
            Why it failed, of each item for which it did: `TableError`, or `StreamError` if its
            decision is written and not known to be published. `TableUnavailable` and
            `StreamUnavailable`: it may succeed later.
        """
        failures: dict[Item, StreamingError] = {}
        work = {item: _Work(found) for item, found in arrivals.items()}
        while work:
            written: dict[Item, Stored] = {}
            for item, outcome in self._advance_all(work, deadline):
                if isinstance(outcome, TableError):
                    failures[item] = outcome
                else:
                    written[item] = outcome
            work = self._publish_outboxes(written, deadline, failures)
        return failures

    def _advance_all(
        self, work: Mapping[Item, _Work], deadline: float
    ) -> Iterable[tuple[Item, Stored | TableError]]:
        def one(item: Item) -> tuple[Item, Stored | TableError]:
            try:
                return item, self._advance(item, work[item], deadline)
            except TableError as error:
                return item, error

        if self._workers == 1 or len(work) == 1:
            return list(map(one, work))
        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(one, work))

    def _advance(self, item: Item, work: _Work, deadline: float) -> Stored:
        """Read, advance and write one item, until nobody else writes it in between."""
        known = work.known

        def attempt() -> Stored:
            nonlocal known
            if self._retries.clock() >= deadline:
                raise TableUnavailable("out of time")
            stored, known = known or self._table.read(item), None
            if stored.state is None and not work.arrivals:
                return stored
            state = stored.state or ItemState(item, self._now())
            after = advance(state, work.arrivals, self._policy, self._now(), work.published)
            if after == stored.state:
                return stored
            return self._table.write(after, stored.tag, self._policy.keep_seconds)

        return self._retries.call(attempt, TableUnavailable, deadline)

    def _publish_outboxes(
        self, written: Mapping[Item, Stored], deadline: float, failures: dict[Item, StreamingError]
    ) -> dict[Item, _Work]:
        """Publish the decisions in some states; return what is to be done next."""
        outboxes = [
            (item, stored, stored.state.outbox)
            for item, stored in written.items()
            if stored.state is not None and stored.state.outbox is not None
        ]
        if not outboxes:
            return {}
        published = self._publisher.publish(
            [_entry(item, record) for item, _, record in outboxes], deadline
        )
        for position in published.refused:
            reason = published.failure or "out of time"
            failures[outboxes[position][0]] = StreamUnavailable(f"not published: {reason}")
        for position in published.unacceptable:
            failures[outboxes[position][0]] = StreamError(
                "not published: the stream never accepts it"
            )
        return {
            item: _Work(known=stored, published=record.event_id)
            for item, stored, record in outboxes
            if item not in failures
        }


def _entry(item: Item, record: PredictionRecord) -> Entry:
    return {"Data": msgspec.json.encode(record), "PartitionKey": str(item)}
