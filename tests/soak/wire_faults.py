"""What goes wrong on the wire, and when: a plan that depends on its seed alone.

The n-th call of an operation meets the same fault in every run with the same seed. Which call is
the n-th depends on the run, whose threads and processes race as they do anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random


class Fault(Enum):
    """One way in which a call to AWS goes wrong; the value is what a report calls it."""

    REFUSED_ENTRIES = "entries refused"
    THROTTLED = "throttled"
    FAILED = "failed inside AWS"
    UNANSWERED = "written, never answered"
    RESET_BEFORE = "connection reset before it was done"
    RESET_AFTER = "connection reset after it was done"
    SLOW = "answered slowly"
    EXPIRED = "iterator expired"
    OUTAGE = "store out of service"


Mix = Mapping[Fault, float]

PUT_RECORDS, GET_RECORDS, PUT_OBJECT = "PutRecords", "GetRecords", "PutObject"

MIXES: Mapping[str, Mix] = {
    PUT_RECORDS: {
        Fault.REFUSED_ENTRIES: 0.15,
        Fault.THROTTLED: 0.03,
        Fault.FAILED: 0.01,
        Fault.UNANSWERED: 0.01,
        Fault.RESET_BEFORE: 0.015,
        Fault.RESET_AFTER: 0.015,
        Fault.SLOW: 0.05,
    },
    "PutRecord": {  # one ride a call: as many throttled as PutRecords' refused entries
        Fault.THROTTLED: 0.04,
        Fault.FAILED: 0.01,
        Fault.UNANSWERED: 0.002,
        Fault.RESET_BEFORE: 0.005,
        Fault.RESET_AFTER: 0.005,
    },
    GET_RECORDS: {
        Fault.THROTTLED: 0.04,
        Fault.EXPIRED: 0.02,
        Fault.FAILED: 0.01,
        Fault.RESET_BEFORE: 0.01,
        Fault.SLOW: 0.02,
    },
    "GetShardIterator": {Fault.THROTTLED: 0.05, Fault.RESET_BEFORE: 0.02},
    "ListShards": {Fault.THROTTLED: 0.05, Fault.RESET_BEFORE: 0.02},
    PUT_OBJECT: {Fault.THROTTLED: 0.05, Fault.RESET_AFTER: 0.02, Fault.SLOW: 0.05},
}
"""By operation: how likely a call meets each fault. Other operations meet none."""

SPARED_CALLS = 5
"""So many calls of each operation pass at first, so that everything starts."""

OUTAGE_EVERY_SECONDS, OUTAGE_SECONDS = 30.0, 5.0
"""How often the dead-letter store is out of service, and for how long."""


@dataclass(frozen=True, slots=True)
class Injection:
    """The fault that one call meets.

    Attributes:
        fault: None: the call is passed on.
        chance: Decides what the fault leaves open, such as which entries are refused.
    """

    fault: Fault | None
    chance: Random


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Draws the faults.

    Attributes:
        seed: The same seed gives the same faults.
    """

    seed: int

    def draw(self, operation: str, number: int, elapsed: float) -> Injection:
        """Give the fault of one call.

        Args:
            operation: AWS's name of it, such as `PutRecords`.
            number: How many calls of this operation came before.
            elapsed: Seconds since the start.
        """
        chance = Random(f"{self.seed} {operation} {number}")
        if operation == PUT_OBJECT and self._is_outage(elapsed):
            return Injection(Fault.OUTAGE, chance)
        if number < SPARED_CALLS:
            return Injection(None, chance)
        place = chance.random()
        for fault, share in MIXES.get(operation, {}).items():
            place -= share
            if place < 0:
                return Injection(fault, chance)
        return Injection(None, chance)

    def _is_outage(self, elapsed: float) -> bool:
        shift = Random(f"{self.seed} outage").uniform(0, OUTAGE_EVERY_SECONDS / 2)
        return (elapsed - shift) % OUTAGE_EVERY_SECONDS > OUTAGE_EVERY_SECONDS - OUTAGE_SECONDS
