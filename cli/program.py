"""What every program does alike: start, end, and react to signals."""

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import NoReturn, ParamSpec

from cli.printable import printable

FAILED = 1
USAGE_ERROR = 2
"""The exit status for an option that is not allowed, as argparse has it."""

INTERRUPTED = 130
"""A shell's exit status for Ctrl-C."""

P = ParamSpec("P")


def run_program(module: str) -> NoReturn:
    """Import a module and exit with the status that its `main` returns.

    The import may take seconds; Ctrl-C during it ends the program without a traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main = import_module(module).main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())


def program(
    *errors: type[Exception], status: int = FAILED
) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Decorate a `main` so that it ends without a traceback.

    Ctrl-C becomes the status 130. Output that nobody reads any more (`| head`) is dropped.

    Args:
        errors: The errors that are printed as one line, `error: …`.
        status: The exit status for them.
    """

    def decorate(main: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(main)
        def run(*args: P.args, **kwargs: P.kwargs) -> int:
            try:
                return main(*args, **kwargs)
            except BrokenPipeError:
                return FAILED
            except errors as error:
                print(f"error: {printable(str(error))}", file=sys.stderr)
                return status
            except KeyboardInterrupt:
                return INTERRUPTED
            finally:
                _flush_stdout()

        return run

    return decorate


@contextmanager
def stop_on_signal(stop: Callable[[], object], *others: int) -> Iterator[None]:
    """Let Ctrl-C or SIGTERM request a stop within this context, instead of ending the program.

    A second Ctrl-C does not wait. A second SIGTERM does: timeout and make send it twice.

    Args:
        stop: Called in the signal handler: it must not take a lock that the main thread may hold.
        others: Other signals that are like SIGTERM.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before[signal.SIGINT])
        stop()

    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, *others)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _flush_stdout() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would fail again when the interpreter flushes it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
