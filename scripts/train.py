"""Train both models on months of trips and write the bundle that a function loads."""

import argparse
import sys
from pathlib import Path

from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.download import TripData
from training.errors import TrainingError
from training.pipeline import Order, train


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    options = _parser().parse_args(arguments)
    data = TripData(options.cache)
    try:
        with Progress() as progress:
            order = Order(
                train=options.data or data.files(options.months, progress),
                validate=_files(options.validate, data, progress),
                test=_files(options.test, data, progress),
                output=options.output,
            )
            version = train(order, progress)
    except TrainingError as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    print(f"version {version} is in {options.output}")
    return 0


def _files(names: list[str], data: TripData, progress: Progress) -> list[Path]:
    """Return the files of names that are files or months."""
    return [
        Path(name) if name.endswith(".parquet") else data.files([name], progress)[0]
        for name in names
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--months",
        type=lambda text: [month.strip() for month in text.split(",")],
        metavar="YYYY-MM,…",
        help="months to download (once) and train on",
    )
    source.add_argument(
        "--data", type=Path, nargs="+", metavar="FILE", help="parquet files to train on"
    )
    parser.add_argument(
        "--validate",
        nargs="+",
        default=[],
        metavar="MONTH|FILE",
        help="months to measure on (default: the last fifth of the trips, learnt in the final fit)",
    )
    parser.add_argument(
        "--test",
        nargs="+",
        default=[],
        metavar="MONTH|FILE",
        help="months to measure the final models on",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("models"), help="the bundle's folder (default: models)"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("data"), help="folder of downloads (default: data)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
