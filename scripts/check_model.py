"""Check model.py before any event comes: its members, its predictions for examples, its image."""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from cli.arguments import Parser
from cli.printable import counted
from cli.program import FAILED, program
from scripts.image_contents import missing_files, missing_packages
from scripts.model_loading import ModelProblem, checked_predictions, load, raised
from streaming import Poison, StreamingError
from streaming.errors import excerpt

MALFORMED = (b"", b"\xff", b"null", b"[]", b"{}", b'{"', b"7", b"[" * 100_000)
"""What is on a stream now and then; `decode` rejects or skips it."""

NEARLY = 1e-3
"""Relative difference of predictions that are equal but for rounding."""

BEFORE = frozenset(sys.modules)
"""What is loaded without the model."""


@program(ModelProblem, StreamingError, OSError)
def main(argv: list[str] | None = None, *, module: str = "model") -> int:
    """Run the program and return its exit status.

    Args:
        argv: The command line.
        module: The name of the model's module.
    """
    options = _parser().parse_args(argv)
    given = _lines(options.events) if options.events else None
    opened: set[Path] = set()
    sys.addaudithook(partial(_note_opened, opened))
    loaded_module, model = load(module)
    examples = _examples(loaded_module) if given is None else given
    problems = [*behaviour(model, examples)]
    loaded = [sys.modules[name] for name in sys.modules.keys() - BEFORE]
    used = {Path(file) for each in loaded if (file := getattr(each, "__file__", None))} | opened
    problems += [*missing_files(used), *missing_packages(used)]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        return FAILED
    if not options.quiet:
        _report(model, len(examples))
    return 0


def _lines(path: Path) -> list[bytes]:
    if not path.is_file():
        raise ModelProblem(f"no such file: {path}")
    return path.read_bytes().splitlines()


def _examples(module: ModuleType) -> tuple[bytes, ...]:
    examples: Any = getattr(module, "EXAMPLES", ())
    if isinstance(examples, bytes) or not all(isinstance(each, bytes) for each in examples):
        raise ModelProblem("EXAMPLES must be a tuple of bytes, each a user record")
    return tuple(examples)


def behaviour(model: Any, examples: Sequence[bytes]) -> Iterator[str]:
    """Decode and predict examples, and decode what is malformed; return a line for each problem.

    Args:
        model: It has the members of `streaming.Model`.
        examples: User records that the model predicts.
    """
    now = time.time()
    events = []
    for content in examples:
        try:
            event = model.decode(content, now)
        except Poison as error:
            yield f"decode rejects an example: {error}"
        except Exception as error:  # noqa: BLE001  a model may raise anything
            yield raised("decode", error, content)
        else:
            events.append(event)
            if event is None:
                yield (
                    f"decode returned None for the example {excerpt(content)}, so it would be "
                    "skipped; it must return the event"
                )
    for content in MALFORMED:
        try:
            model.decode(content, now)
        except Poison:
            pass
        except Exception as error:  # noqa: BLE001  a model may raise anything
            yield raised("decode", error, content) + "; it must raise InvalidEvent"
    if events and None not in events:
        yield from _predictions(model, events)


def _predictions(model: Any, events: list[Any]) -> Iterator[str]:
    try:
        together = checked_predictions(model, events)
        alone = [checked_predictions(model, [event])[0] for event in events]
    except Poison as error:
        yield str(error)
    except Exception as error:  # noqa: BLE001  a model may raise anything
        yield raised("predict", error)
    else:
        for number, (one, other) in enumerate(zip(together, alone, strict=True), 1):
            if not _alike(msgspec.to_builtins(one), msgspec.to_builtins(other)):
                yield (
                    f"predict returned {one} for example {number} of {len(events)}, but {other} "
                    "for it alone; predictions must be in the order of the events"
                )


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=NEARLY, abs_tol=NEARLY)
    return bool(one == other)


def _note_opened(opened: set[Path], event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str) and arguments[1] in {"r", "rb"}:
        path = Path(arguments[0])
        if path.suffix != ".py":  # a traceback shows lines of it; modules are found where they are
            opened.add(path)


def _report(model: Any, examples: int) -> None:
    if examples:
        decoded = f"{counted(examples, 'example')} decoded and predicted"
        print(f"{model.name}, version {model.version}: {decoded}")
    else:
        print(
            f"{model.name}, version {model.version}: only its members were checked; to check its "
            "predictions, put events into EXAMPLES in model.py, or into a file (EVENTS=)"
        )


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    parser.add_argument("--events", type=Path, help="example events, one per line")
    parser.add_argument("--quiet", action="store_true", help="print nothing if all is well")
    return parser
