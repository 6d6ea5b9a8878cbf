"""Look through dead letters, and put them back on a stream.

It reads those of the function and those that Lambda writes to an on-failure destination on S3. It
changes nothing without --deliver, and can be interrupted: the same command goes on.
"""

import argparse
import hashlib
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botocore.exceptions import BotoCoreError
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from streaming.clients import aws_client, kinesis_client
from streaming.dead_letters import UNKNOWN_STREAM
from streaming.errors import SettingsError, StreamingError
from streaming.publisher import Publisher, PutRecordsClient
from streaming.redrive.delivery import Delivery, deliver
from streaming.redrive.delivery_log import DeliveryLog
from streaming.redrive.survey import Selection, Survey, survey
from streaming.storage import open_storage

INTERRUPTED = 130
"""A shell's exit status for Ctrl-C."""

UNREADABLE_SHOWN = 5


def main(
    argv: Sequence[str] | None = None,
    *,
    client: PutRecordsClient | None = None,
    console: Console | None = None,
) -> int:
    """Run the program; its exit status is 0 only if all that was meant is done."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.delete and not options.deliver:
        parser.error("--delete removes what was delivered: it needs --deliver")
    console = console or Console(highlight=False)
    try:
        return _replay(options, client, console)
    except (StreamingError, BotoCoreError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        console.print("Interrupted. The same command goes on with what is left.")
        return INTERRUPTED


def _replay(options: argparse.Namespace, client: PutRecordsClient | None, console: Console) -> int:
    objects = open_storage("location", options.location, partial(aws_client, "s3"))
    selection = Selection(
        frozenset(options.error), frozenset(options.shard), options.since, options.until
    )
    state = options.state or _state(options.location, options.stream)
    with DeliveryLog(state, options.location, options.stream) as delivery_log:
        names = objects.names()
        with _bar("objects read", len(names), console) as advance:
            found = survey(objects, names, selection, delivery_log, advance=advance)
        _show_sums(found, len(names), state, console)
        if options.list:
            console.print(_table(found))
        if not options.deliver:
            return _dry_run(found, options.stream, console)
        if options.stream is None and UNKNOWN_STREAM in found.streams:
            raise SettingsError("--stream", None, "a stream for letters that do not name theirs")
        puts = client or _client(options.endpoint_url)
        left = found.selected - found.delivered
        with _bar("letters delivered", left, console) as advance, _interruptible(advance) as step:
            done = deliver(
                objects,
                found.objects,
                selection,
                delivery_log,
                lambda origin: Publisher(puts, options.stream or origin),
                delete=options.delete,
                advance=step,
            )
    return _report(done, found, console)


def _show_sums(found: Survey, objects: int, state: Path, console: Console) -> None:
    parts = [f"{found.records:,} letters in {objects:,} objects", f"{found.selected:,} selected"]
    parts += [f"{found.duplicates:,} doubles dropped"] if found.duplicates else []
    parts += [f"{found.delivered:,} delivered earlier ({state})"] if found.delivered else []
    console.print(", ".join(parts), markup=False, soft_wrap=True)
    for name, reason in islice(found.unreadable.items(), UNREADABLE_SHOWN):
        console.print(f"Not read: {name}: {reason}", markup=False, soft_wrap=True)
    if len(found.unreadable) > UNREADABLE_SHOWN:
        console.print(f"... and {len(found.unreadable) - UNREADABLE_SHOWN:,} more not read")


def _table(found: Survey) -> Table:
    """Show each kind of error with an example."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("letters", justify="right")
    table.add_column("error")
    table.add_column("arrived (UTC)", no_wrap=True)
    table.add_column("example", overflow="fold")
    for (error_type, _), kind in sorted(
        found.kinds.items(), key=lambda item: (-item[1].count, item[0])
    ):
        first, last = (at[:19].replace("T", " ") for at in (kind.first, kind.last))
        arrived = first if first == last else f"{first}\n{last}"
        example = Text(f"{kind.example.error_message}\n")
        example.append(kind.example.event_id or "without an event id", style="dim")
        table.add_row(f"{kind.count:,}", Text(error_type), arrived, example)
    return table


def _dry_run(found: Survey, stream: str | None, console: Console) -> int:
    count = found.selected - found.delivered
    target = stream or ", ".join(sorted(found.streams)) or "any stream"
    console.print(
        f"Nothing was changed: --deliver puts {count:,} on {target}", markup=False, soft_wrap=True
    )
    return 1 if found.unreadable else 0


def _report(done: Delivery, found: Survey, console: Console) -> int:
    parts = [f"{done.delivered:,} letters delivered"]
    parts += [f"{done.unacceptable:,} that Kinesis never takes"] if done.unacceptable else []
    parts += [f"{done.deleted:,} objects deleted"] if done.deleted else []
    console.print(", ".join(parts), markup=False, soft_wrap=True)
    if done.failure:
        reason = done.failure.partition("\n")[0]
        console.print(
            f"Given up: {reason}. The same command goes on.", markup=False, soft_wrap=True
        )
    return 1 if done.failure or done.unacceptable or found.unreadable else 0


@contextmanager
def _bar(what: str, total: int, console: Console) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    hidden = not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hidden) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _interruptible(advance: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
    """Let Ctrl-C wait for the call in flight, so that its letters are noted as delivered.

    A second Ctrl-C does not wait; what it cuts off may be delivered twice.
    """
    asked = False

    def note(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(number, before)

    def step(count: int) -> None:
        advance(count)
        if asked:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield step
    finally:
        signal.signal(signal.SIGINT, before)


def _state(location: str, stream: str | None) -> Path:
    """Name the file by which the same command knows what it has delivered."""
    digest = hashlib.sha256(f"{location}\n{stream}".encode()).hexdigest()
    return Path(f"replay-{digest[:12]}.state")


def _client(endpoint_url: str | None) -> PutRecordsClient:
    # The publisher alone retries: it resends only what was refused.
    return kinesis_client(endpoint_url, retries={"total_max_attempts": 1, "mode": "standard"})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("location", help="s3://bucket/prefix or file:///folder")
    parser.add_argument("--list", action="store_true", help="each kind of error with an example")
    parser.add_argument("--deliver", action="store_true", help="put the letters on the stream")
    parser.add_argument(
        "--delete", action="store_true", help="remove each object once all of it is delivered"
    )
    parser.add_argument(
        "--error",
        action="append",
        default=[],
        metavar="TYPE",
        help="only letters with this error, such as InvalidEvent; may be repeated",
    )
    parser.add_argument(
        "--shard", action="append", default=[], metavar="ID", help="only from here; may be repeated"
    )
    parser.add_argument(
        "--since", type=_time, metavar="TIME", help="only what arrived then or later; ISO 8601, UTC"
    )
    parser.add_argument("--until", type=_time, metavar="TIME", help="only what arrived earlier")
    parser.add_argument("--stream", help="where to put them; default: where each came from")
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="remembers what was delivered; default: a name made of location and stream",
    )
    return parser


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a time in ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
