"""Make a trained bundle the one that ships: verify it and copy it to models/."""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import msgspec

from cli.arguments import Parser
from cli.program import program
from demo.errors import RidesUnavailable
from demo.ride_generator import STATISTICS_PATH, read_statistics
from model import load_model
from streaming import DECODE_ERRORS, ModelBundleError, StreamingError, aws_client
from streaming.consumer.model_bundle import MANIFEST

SHIPPED = Path(__file__).resolve().parent.parent / "models"
STATISTICS = STATISTICS_PATH.name


class _Manifest(msgspec.Struct):
    version: str
    targets: dict[str, object]


@program(StreamingError, RidesUnavailable)
def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = Parser(description=__doc__)
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("build/bundle"))
    parser.add_argument("--to", type=Path, default=SHIPPED, help="default: models")
    options = parser.parse_args(argv)
    before = _manifest(options.to).version if (options.to / MANIFEST).exists() else "none"
    version = ship(options.bundle, options.to)
    print(f"{options.to} has version {version} now; before: {before}")
    print("Its figures belong in models/README.md: make evaluate DATA=<a later month>")
    return 0


def ship(bundle: Path, target: Path) -> str:
    """Verify a bundle, and replace that in `target` once it is copied; return its version.

    Raises:
        ModelBundleError: It is missing, damaged or incompatible.
        RidesUnavailable: Its statistics, from which the demo generates rides, are.
    """
    environment = {"MODEL_LOCATION": os.fspath(bundle)}
    load_model(environment, partial(aws_client, "s3"))  # checks hashes and predicts
    read_statistics(bundle / STATISTICS)
    manifest = _manifest(bundle)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        copied = Path(shutil.copytree(bundle, Path(folder) / "bundle"))
        for name in (*manifest.targets, STATISTICS, MANIFEST):
            if (target / name).is_dir():
                shutil.rmtree(target / name)
            (copied / name).replace(target / name)
    return manifest.version


def _manifest(bundle: Path) -> _Manifest:
    try:
        return msgspec.json.decode((bundle / MANIFEST).read_bytes(), type=_Manifest)
    except (OSError, *DECODE_ERRORS) as error:
        raise ModelBundleError(f"the bundle {bundle} has no manifest: {error}") from error
