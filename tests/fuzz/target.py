"""One target under libFuzzer: `python -m tests.fuzz.target NAME [libFuzzer's options]`."""

import sys

import atheris

with atheris.instrument_imports(include=["streaming", "model"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer's options end it; a broken promise ends it with its input kept."""
    program, name, *options = sys.argv
    atheris.Setup([program, *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
