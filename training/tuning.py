"""Search a model's parameters with Optuna, on months to validate on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from rich.progress import Progress

from training.errors import TripDataError
from training.fit import Parameters, Target, fit, inputs_and_target, with_noise
from training.metrics import measure
from training.trips import month_of, read_trips

_SEED = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """Parameters that were tried.

    Attributes:
        number: From 0; trial 0 has the target's own parameters.
        parameters: What was fitted.
        exact: RMSE of the months to validate on, in the target's unit.
        noisy: The same with estimated distances.
    """

    number: int
    parameters: Parameters
    exact: float
    noisy: float

    @property
    def score(self) -> float:
        """What is minimised: the mean of both errors."""
        return (self.exact + self.noisy) / 2


def tune(
    target: Target,
    train: Sequence[Path],
    validate: Sequence[Path],
    trials: int,
    progress: Progress,
) -> Iterator[Trial]:
    """Try parameters, the target's own first, then what Optuna's sampler (TPE, seeded) suggests.

    Neither the number of trees nor the most leaves grow: they are the time that a prediction takes.

    Args:
        target: What to predict, and the parameters to begin with.
        train: Files to fit to.
        validate: Files of other months, which each trial is measured on.
        trials: How many.
        progress: Shows the steps.

    Yields:
        Each trial when it is done.

    Raises:
        TripDataError: Trips cannot be read, or a month is used for both.
    """
    if leaked := sorted({*map(month_of, train)} & {*map(month_of, validate)}):
        raise TripDataError(f"used both for training and for evaluation: {', '.join(leaked)}")
    fitted, measured = read_trips(train, progress), read_trips(validate, progress)
    rides, truth = inputs_and_target(target, measured)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=_SEED))
    own = target.parameters
    study.enqueue_trial({name: getattr(own, name) for name in _SPACE})
    for number in range(trials):
        asked = study.ask()
        found: dict[str, Any] = {name: suggest(asked, own) for name, suggest in _SPACE.items()}
        parameters = replace(own, **found)
        model = fit(replace(target, parameters=parameters, range=None), fitted, progress)
        errors = [measure(model.predict(seen), truth).rmse for seen in (rides, with_noise(rides))]
        trial = Trial(number, parameters, *np.asarray(errors, float).tolist())
        study.tell(asked, trial.score)
        yield trial


_SPACE: dict[str, Callable[[optuna.Trial, Parameters], float]] = {
    "leaves": lambda t, own: t.suggest_int("leaves", 2, own.leaves, log=True),
    "learning_rate": lambda t, _: t.suggest_float("learning_rate", 0.02, 0.5, log=True),
    "min_samples_leaf": lambda t, _: t.suggest_int("min_samples_leaf", 5, 2_000, log=True),
    "l2_regularization": lambda t, _: t.suggest_float("l2_regularization", 0.1, 100, log=True),
    "max_features": lambda t, _: t.suggest_float("max_features", 0.1, 1),
    "half_life": lambda t, _: t.suggest_float("half_life", 1, 48, log=True),
}
