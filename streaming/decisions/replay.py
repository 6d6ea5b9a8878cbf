"""Decide every item that is kept again, with another policy."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streaming.decisions.check_results import Item
from streaming.decisions.decider import Decider
from streaming.decisions.decision_table import DecisionTable
from streaming.decisions.item_state import ItemState, advance
from streaming.decisions.policy import Policy
from streaming.errors import (
    PolicyError,
    StreamingError,
    StreamUnavailable,
    TableError,
    TableUnavailable,
)
from streaming.retries import Retries

ITEMS_AT_ONCE = 100
UNAVAILABLE_SECONDS = 60.0
"""How long to try to read a page of the table, and to write and publish `ITEMS_AT_ONCE`."""

UNDECIDED = "undecided"


@dataclass(slots=True)
class Replayed:
    """What a replay changes.

    Attributes:
        items: Items that were looked at, and brought up to date if they are not in `failures`.
        changes: How many go from one outcome to another, by both.
        failures: Why some could not be written, by item.
        unreadable: Keys in the table whose item is not a state: put or damaged by hand.
        stopped: Why it ended before the last item; None: it did not.
    """

    items: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: dict[Item, StreamingError] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    stopped: StreamingError | None = None

    def add(
        self, changing: Mapping[Item, tuple[str, str]], failures: Mapping[Item, StreamingError]
    ) -> None:
        """Count items that were to be brought up to date.

        Args:
            changing: The outcome of each, before and after.
            failures: Why some were not.

        Raises:
            TableUnavailable: Some would have needed more time; they are not counted.
            StreamUnavailable: The same.
        """
        unavailable: StreamingError | None = None
        for item, (before, after) in changing.items():
            failure = failures.get(item)
            if isinstance(failure, TableUnavailable | StreamUnavailable):
                unavailable = failure
                continue
            self.items += 1
            if failure is not None:
                self.failures[item] = failure
            elif before != after:
                self.changes[before, after] += 1
        if unavailable is not None:
            raise unavailable


def replay(
    table: DecisionTable,
    policy: Policy,
    now: Callable[[], float],
    decider: Decider | None = None,
    *,
    retries: Retries = Retries(),  # noqa: B008  it is immutable
) -> Replayed:
    """Evaluate a policy on the stored results, and publish the decisions that it revises.

    It ends early if the table cannot be read, or the table or the stream stays unavailable for
    `UNAVAILABLE_SECONDS`. It can be repeated: an item that is up to date is not written again.

    Args:
        table: The items.
        policy: The policy; its version is at least that of every decision.
        now: Seconds since the epoch.
        decider: Decides with that policy; None: only count.
        retries: Repeats reading the table. Its clock is the decider's.

    Raises:
        PolicyError: An item was decided with a newer policy; nothing after it is changed.
    """
    found = Replayed()
    changing: dict[Item, tuple[str, str]] = {}

    def attempt(call: Callable[[], Any]) -> Any:
        return retries.call(call, TableUnavailable, retries.clock() + UNAVAILABLE_SECONDS)

    def settle() -> None:
        items, deadline = dict.fromkeys(changing, ()), retries.clock() + UNAVAILABLE_SECONDS
        found.add(changing, {} if decider is None else decider.settle(items, deadline))
        changing.clear()

    try:
        for state in table.states(found.unreadable.append, attempt):
            after = _evaluated(state, policy, now())
            if after == state:
                found.items += 1
                continue
            changing[state.item] = _outcome(state), _outcome(after)
            if len(changing) == ITEMS_AT_ONCE:
                settle()
        settle()
    except (TableError, StreamUnavailable) as error:
        found.stopped = error
    return found


def _evaluated(state: ItemState, policy: Policy, now: float) -> ItemState:
    if state.decided is not None and state.decided.policy > policy.version:
        raise PolicyError(
            f"{policy.name} has version {policy.version}, and decisions of version "
            f"{state.decided.policy} exist; allowed: a version from {state.decided.policy}"
        )
    published = None if state.outbox is None else state.outbox.event_id
    return advance(state, (), policy, now, published)


def _outcome(state: ItemState) -> str:
    return UNDECIDED if state.decided is None else state.decided.outcome
