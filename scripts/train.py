"""Train both models on months of trips and write the bundle that a function loads."""

from pathlib import Path

from rich.progress import Progress

from cli.arguments import Parser
from cli.program import program
from training.download import TripData
from training.errors import TrainingError
from training.training_run import TrainingConfig, train
from training.trips import require_files


@program(TrainingError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(arguments)
    data = TripData(options.cache)
    evaluated = [*options.validate, *options.test]
    require_files([*(options.data or []), *(Path(name) for name in evaluated if _is_file(name))])
    with Progress() as progress:
        config = TrainingConfig(
            train=options.data or data.files(options.months, progress),
            validate=_files(options.validate, data, progress),
            test=_files(options.test, data, progress),
            output=options.output,
        )
        version = train(config, progress)
    print(f"wrote version {version} to {options.output}")
    return 0


def _files(names: list[str], data: TripData, progress: Progress) -> list[Path]:
    """Return the files that are given by path or by month."""
    return [Path(name) if _is_file(name) else data.files([name], progress)[0] for name in names]


def _is_file(name: str) -> bool:
    return name.endswith(".parquet")


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--months",
        type=lambda text: [month.strip() for month in text.split(",")],
        metavar="YYYY-MM,…",
        help="months to train on; downloaded once",
    )
    source.add_argument(
        "--data", type=Path, nargs="+", metavar="FILE", help="parquet files to train on"
    )
    parser.add_argument(
        "--validate",
        nargs="+",
        default=[],
        metavar="MONTH|FILE",
        help="months to validate on (default: the last fifth of the trips, by time)",
    )
    parser.add_argument(
        "--test",
        nargs="+",
        default=[],
        metavar="MONTH|FILE",
        help="months to test the final models on",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("models"), help="the bundle's folder (default: models)"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("data"), help="folder of downloads (default: data)"
    )
    return parser
