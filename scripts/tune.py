"""Search a model's parameters on months to validate on, never on those to test on."""

from dataclasses import asdict
from itertools import chain
from pathlib import Path

from rich.console import Console

from cli.arguments import Parser, names, whole_number
from cli.program import program
from cli.step_progress import StepProgress
from training.errors import TrainingError
from training.fit import TARGETS
from training.trips import require_files
from training.tuning import Trial, tune


@program(TrainingError)
def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(argv)
    train, validate = (
        [Path(name) for name in chain.from_iterable(given)]
        for given in (options.data, options.validate)
    )
    require_files([*train, *validate])
    (target,) = (target for target in TARGETS if target.name == options.target)
    best: Trial | None = None
    with StepProgress(Console(stderr=True)) as progress:
        for trial in tune(target, train, validate, options.trials, progress):
            better = best is None or trial.score < best.score
            best = trial if better or best is None else best
            # Each line is flushed: whoever stops the search has what was found.
            print(_line(trial, target.unit), "best" if better else "", flush=True)
    if best is not None:
        print(f"The best is trial {best.number}; parameters are in training/fit.py.")
    return 0


def _line(trial: Trial, unit: str) -> str:
    names = ("leaves", "learning_rate", "min_samples_leaf", "l2_regularization", "max_features")
    values = asdict(trial.parameters)
    parameters = " ".join(f"{name}={values[name]:.4g}" for name in (*names, "half_life"))
    errors = f"{trial.exact:.4f} exact, {trial.noisy:.4f} noisy, {unit}"
    return f"{trial.number}: RMSE {errors}: {parameters}"


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    for option, purpose in (("--data", "to fit to"), ("--validate", "to measure on")):
        parser.add_argument(
            option,
            type=names,
            nargs="+",
            required=True,
            metavar="FILE",
            help=f"parquet files of months {purpose}",
        )
    parser.add_argument(
        "--target",
        choices=[target.name for target in TARGETS],
        default="duration",
        help="default: %(default)s",
    )
    parser.add_argument(
        "--trials", type=whole_number, default=30, metavar="N", help="default: %(default)s"
    )
    return parser
