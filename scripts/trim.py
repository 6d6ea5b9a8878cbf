"""Remove from installed packages what the function never uses; a step of `docker build`.

It runs in the base image, on the standard library alone.
"""

import shutil
import sys
from pathlib import Path

SERVICES = {"dynamodb", "kinesis", "s3", "sts"}
"""Whose descriptions botocore keeps: a decision service's state is in dynamodb; sts is there for
credentials of an assumed role."""

UNUSED = (
    "bin",  # commands of the packages
    "**/tests",
    "onnxruntime/backend",
    "onnxruntime/capi/libonnxruntime.so*",  # for programs in C; Python's module holds its own
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
)
"""Patterns below the folder; what goes from onnxruntime is for making models, not for running."""


def trim(packages: Path) -> None:
    """Remove what is not used.

    Args:
        packages: The folder that pip installed into.

    Raises:
        FileNotFoundError: Something is not where it is expected: a release has moved it, so what to
            remove has to be looked at again.
    """
    services = packages / "botocore" / "data"
    missing = [str(services / name) for name in SERVICES if not (services / name).is_dir()]
    missing += [pattern for pattern in UNUSED if not any(packages.glob(pattern))]
    if missing:
        raise FileNotFoundError(f"{packages} has no {', '.join(sorted(missing))}")
    unused = [path for pattern in UNUSED for path in packages.glob(pattern)]
    unused += [path for path in services.iterdir() if path.is_dir() and path.name not in SERVICES]
    for path in unused:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
