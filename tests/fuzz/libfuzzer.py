"""One target under libFuzzer: `python -m tests.fuzz.libfuzzer TARGET [libFuzzer options]`."""

import sys

import atheris

with atheris.instrument_imports(include=["streaming", "model"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer's options end it; an input that breaks a promise ends it and is saved."""
    program, name, *options = sys.argv
    atheris.Setup([program, *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
