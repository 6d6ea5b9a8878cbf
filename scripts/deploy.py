"""Deploy to AWS: build and push the image, apply infrastructure/, move traffic in steps.

Ctrl-C, SIGTERM, SIGHUP or a rollback alarm puts the traffic back on the version before.
"""

import argparse
from collections.abc import Callable, Sequence

from cli.arguments import Parser, not_allowed, rate_or_none
from cli.program import INTERRUPTED, program
from deployment.alias_move import ALL
from deployment.commands import Commands, DryRun, Processes
from deployment.errors import DeploymentError
from deployment.image_architecture import download
from deployment.image_push import PLATFORMS
from deployment.release import Release
from deployment.target import ROOT, Ask, Clients, add_target_options, open_target, terminal
from deployment.traffic_shift import StopRequest
from streaming import StreamingError

STEPS, BAKE_SECONDS = (10, 50), 300.0

Start = Callable[[dict[str, str]], Commands]
"""Returns commands whose environment has these variables besides."""


@program(DeploymentError, StreamingError, OSError)
def main(
    argv: Sequence[str] | None = None,
    *,
    start: Start = lambda environment: Processes(ROOT, environment),
    clients: Clients | None = None,
    stop: StopRequest | None = None,
    ask: Ask | None = None,
    download: Callable[[str], bytes] = download,
) -> int:
    """Run the program; return its exit status."""
    options = _parser().parse_args(argv)
    target = open_target(options, clients, ask or terminal())

    def commands(image: str | None) -> Commands:
        started = start(target.variables(architecture=options.architecture, image=image))
        return DryRun(started, say) if options.dry_run else started

    release = Release(options, target, commands, say, stop or StopRequest(), download)
    try:
        release.run()
    except KeyboardInterrupt:
        say("Interrupted.")
        return INTERRUPTED
    return 0


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def _steps(text: str) -> tuple[int, ...]:
    """Parse rising percentages, such as `10,50`."""
    try:
        steps = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise not_allowed(text, "percentages such as 10,50") from None
    if list(steps) != sorted(set(steps)) or not all(0 < step <= ALL for step in steps):
        raise not_allowed(text, "rising percentages from 1 to 100, such as 10,50")
    return tuple(step for step in steps if step < ALL)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_target_options(parser)
    parser.add_argument(
        "--image", metavar="NAME@DIGEST", help="a pushed image; default: build this checkout's"
    )
    parser.add_argument(
        "--architecture", choices=sorted(PLATFORMS), help="default: terraform.tfvars, or arm64"
    )
    parser.add_argument(
        "--steps",
        type=_steps,
        default=STEPS,
        metavar="10,50",
        help="percentages of the new version before 100; default: 10,50",
    )
    parser.add_argument(
        "--bake",
        type=rate_or_none,
        default=BAKE_SECONDS,
        metavar="SECONDS",
        help="how long the alarms are watched after each step; default: %(default)s",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be run")
    parser.add_argument(
        "--force",
        action="store_true",
        help="also with uncommitted changes, an alarm raised, or a version rolled back from",
    )
    parser.add_argument(
        "--lose-data", action="store_true", help="also if data, or a place on the stream, is lost"
    )
    return parser
