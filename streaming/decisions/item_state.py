"""What is known of one item, and the one step that changes it.

`advance` is a function of its arguments alone. Everything that makes decisions survive a crash is
around it: what it returns is written at once, on the condition that nothing else was written since
the state was read.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from streaming.consumer.interface import PredictionRecord
from streaming.decisions.check_results import Arrival, Item, Result
from streaming.decisions.policy import KEPT_RESULTS, Policy, Verdict
from streaming.timestamps import iso_utc

REPUBLISH_SECONDS = 30.0
"""The age from which the schedule publishes a decision again that nobody has marked as published.
Whoever wrote it needs less, unless it was lost."""


class Decided(msgspec.Struct, frozen=True):
    """An item's last decision.

    Attributes:
        number: 1 for the first.
        outcome: The outcome.
        rule: The rule's id.
        policy: The version of the policy.
        at: Seconds since the epoch.
    """

    number: int
    outcome: str
    rule: str
    policy: int
    at: float


class ItemState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of an item.

    Attributes:
        item: The item.
        opened_at: When something about it was stored first, seconds since the epoch.
        results: The newest result of each check. Of checks that the policy does not name, another
            policy may; the oldest of those go where there are more than `KEPT_RESULTS`.
        carried: What its decisions repeat.
        decided: The last decision; None: there is none yet.
        outbox: The decision that is not known to be published; the next one waits for it.
        due_at: When the schedule has to look at the item, seconds since the epoch; None: never.
    """

    item: Item
    opened_at: float
    results: dict[str, Result] = {}
    carried: dict[str, Any] = {}
    decided: Decided | None = None
    outbox: PredictionRecord | None = None
    due_at: float | None = None


def advance(
    state: ItemState,
    arrivals: Iterable[Arrival],
    policy: Policy,
    now: float,
    published: str | None = None,
) -> ItemState:
    """Return an item's next state; an equal one if nothing is new.

    Args:
        state: The present one.
        arrivals: What is new.
        policy: The policy.
        now: Seconds since the epoch.
        published: The event id of a decision of the item that is on the stream.
    """
    state = _merged(state, arrivals, policy, published)
    former = state.decided
    if former is not None and state.outbox is not None:
        return replace(state, due_at=former.at + REPUBLISH_SECONDS)
    if former is not None and former.policy > policy.version:
        # A function with the newer policy takes it up.
        return replace(state, due_at=state.opened_at)

    ends_at = state.opened_at + policy.deadline_seconds
    predictions = {check: result.prediction for check, result in state.results.items()}
    verdict = policy.evaluate(predictions, time_up=now >= ends_at)
    if verdict is None:
        return replace(state, due_at=ends_at)
    if former is not None and (former.outcome, former.rule) == (verdict.outcome, verdict.rule):
        due_at = ends_at if verdict.missing and now < ends_at else None
        return replace(state, decided=replace(former, policy=policy.version), due_at=due_at)
    number = 1 if former is None else former.number + 1
    decided = Decided(number, verdict.outcome, verdict.rule, policy.version, now)
    record = _record(state, policy, verdict, decided)
    return replace(state, decided=decided, outbox=record, due_at=now + REPUBLISH_SECONDS)


def _merged(
    state: ItemState, arrivals: Iterable[Arrival], policy: Policy, published: str | None
) -> ItemState:
    results, carried = dict(state.results), dict(state.carried)
    for arrival in arrivals:
        carried = {**arrival.carried, **carried}
        found, check = arrival.result, arrival.check
        if found is None or check is None:
            continue
        present = results.get(check)
        if present is None or found.order > present.order:
            results[check] = found
    others = sorted(results.keys() - policy.checks.keys(), key=lambda each: results[each].order)
    for check in others[: max(0, len(results) - KEPT_RESULTS)]:
        del results[check]
    outbox = state.outbox
    if outbox is not None and outbox.event_id == published:
        outbox = None
    return replace(state, results=results, carried=carried, outbox=outbox)


def _record(
    state: ItemState, policy: Policy, verdict: Verdict, decided: Decided
) -> PredictionRecord:
    """Return a decision as it is published; `state` has the former one.

    Its event id says when the item was opened, since an item that has expired may come again.
    """
    opened = round(1000 * state.opened_at)
    decision = {
        policy.item: state.item,
        **state.carried,
        "decision": decided.number,
        "outcome": verdict.outcome,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "because": verdict.because,
        "missing": list(verdict.missing),
        "revises": None if state.decided is None else state.decided.outcome,
        "checks": {
            check: {
                "model": policy.checks[check],
                "version": result.version,
                "event_id": result.event_id,
                "prediction": result.prediction,
            }
            for check, result in sorted(state.results.items())
            if check in policy.checks
        },
    }
    return PredictionRecord(
        event_type=policy.event_type,
        event_id=f"{_unambiguous(state.item)}:{opened}:{decided.number}",
        model=policy.name,
        version=str(policy.version),
        prediction=decision,
        arrived_at=iso_utc(state.opened_at),
    )


def _unambiguous(item: Item) -> str:
    """Return an item as text that no other item has: 256 as it is, and the text "256" in quotes."""
    if isinstance(item, str) and (item[0] in '"-' or item[0].isdecimal()):
        return msgspec.json.encode(item).decode()
    return str(item)
