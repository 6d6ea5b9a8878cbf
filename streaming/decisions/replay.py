"""Decide every item that is kept again, with another policy."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from streaming.decisions.check_results import Item
from streaming.decisions.decider import Decider
from streaming.decisions.decision_table import DecisionTable
from streaming.decisions.item_state import ItemState, advance
from streaming.decisions.policy import Policy
from streaming.errors import PolicyError

ITEMS_AT_ONCE = 100
UNDECIDED = "undecided"


@dataclass(slots=True)
class Replayed:
    """What a replay changes.

    Attributes:
        items: Items that are kept.
        changes: How many go from one outcome to another, by both.
        failures: Why some could not be written, by item.
    """

    items: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: dict[Item, str] = field(default_factory=dict)


def replay(
    table: DecisionTable,
    policy: Policy,
    now: Callable[[], float],
    decider: Decider | None = None,
    deadline: float = float("inf"),
) -> Replayed:
    """Evaluate a policy on the stored results, and publish the decisions that it revises.

    Args:
        table: The items.
        policy: The policy; its version is at least that of every decision.
        now: Seconds since the epoch.
        decider: Decides with that policy; None: only count.
        deadline: On the decider's clock.

    Raises:
        PolicyError: An item was decided with a newer policy; nothing after it is changed.
        TableError: The table cannot be read.
    """
    found = Replayed()
    pending: list[Item] = []

    def settle() -> None:
        if decider is not None:
            found.failures |= decider.settle(dict.fromkeys(pending, ()), deadline)
        pending.clear()

    for state in table.states():
        found.items += 1
        if state.decided is not None and state.decided.policy > policy.version:
            raise PolicyError(
                f"{policy.name} has version {policy.version}, and decisions of version "
                f"{state.decided.policy} exist; allowed: a version from {state.decided.policy}"
            )
        before, after = _outcome(state), _outcome(_evaluated(state, policy, now()))
        if before != after:
            found.changes[before, after] += 1
        pending.append(state.item)
        if len(pending) == ITEMS_AT_ONCE:
            settle()
    settle()
    return found


def _evaluated(state: ItemState, policy: Policy, now: float) -> ItemState:
    pending = state.outbox
    published = None if pending is None else pending.event_id
    return advance(state, (), policy, now, published)


def _outcome(state: ItemState) -> str:
    return UNDECIDED if state.decided is None else state.decided.outcome
