"""Model faults: a model that needs something it cannot always reach.

- Outage: every call fails for 5 of every 30 seconds.
- Blip: one call of 20 fails, and the calls before and after it do not.

Neither is the fault of an event, so none may be dead-lettered because of them.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from streaming import Model, Prediction
from tests.soak.fault_injection import MESSAGE, is_outage

SEED, STARTED = "SOAK_SEED", "SOAK_STARTED"
"""Environment variables of the function: the seed, and the start in seconds since the epoch."""

BLIP_EVERY = 20
CALLS_BETWEEN_BLIPS = 3
"""At least: the consumer tries another event, and then the one that failed, before it blames it."""

LOG_PREFIX = "soak: injected "


class ModelFault(Enum):
    """One way in which a call of the model fails; the value is its name in the report."""

    OUTAGE = "model calls during an outage"
    BLIP = "model calls that failed alone"


def plan(seed: int, number: int, elapsed: float) -> ModelFault | None:
    """Return the fault of one call of `predict`.

    Args:
        seed: The same seed gives the same plan.
        number: How many calls of this process came before.
        elapsed: Seconds since the soak's start.
    """
    if is_outage(seed, "model", elapsed):
        return ModelFault.OUTAGE
    blip = Random(f"{seed} blip {number // BLIP_EVERY}").randrange(
        BLIP_EVERY - CALLS_BETWEEN_BLIPS + 1
    )
    return ModelFault.BLIP if number % BLIP_EVERY == blip else None


class UnreliableModel:
    """A model whose `predict` meets faults; everything else is the model's own.

    Args:
        model: The model.
        seed: See `plan`.
        started: The soak's start, in seconds since the epoch.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        model: Model[Any],
        seed: int,
        started: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._model = model
        self._seed = seed
        self._started = started
        self._clock = clock
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        """Return the model's attribute."""
        return getattr(self._model, name)

    def predict(self, events: Sequence[Any]) -> Sequence[Prediction]:
        """Predict as the model does, or fail."""
        fault = plan(self._seed, self._calls, self._clock() - self._started)
        self._calls += 1
        if fault is not None:
            _fail(fault)
        return self._model.predict(events)


def _fail(fault: ModelFault) -> NoReturn:
    print(f"{LOG_PREFIX}{fault.value}", flush=True)  # noqa: T201  to the function's log
    raise ConnectionError(MESSAGE)


def injected_faults(log: Path) -> Counter[str]:
    """Count the faults by name in the function's log."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        return Counter(
            line.removeprefix(LOG_PREFIX).rstrip() for line in lines if line.startswith(LOG_PREFIX)
        )
