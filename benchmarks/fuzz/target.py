"""One target under libFuzzer: `python -m benchmarks.fuzz.target NAME [libFuzzer's options]`."""

import sys

import atheris

with atheris.instrument_imports(include=["streaming", "model"]):
    from benchmarks.fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer's options end it; a broken promise ends it with its input kept."""
    program, name, *options = sys.argv
    atheris.Setup([program, *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
