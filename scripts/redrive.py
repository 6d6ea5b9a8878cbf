"""List dead-letter records, and put them back on a stream.

It reads the function's dead-letter records and the batches that Lambda writes to an on-failure
destination on S3. Without --deliver it changes nothing. Interrupted, the same command continues.
"""

import argparse
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

from botocore.exceptions import BotoCoreError
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cli.arguments import Parser, location, not_allowed
from cli.endpoint import first_line, named_endpoint
from cli.printable import counted, printable
from cli.program import FAILED, INTERRUPTED, USAGE_ERROR, program, stop_on_signal
from streaming import (
    Delivery,
    DeliveryLog,
    Selection,
    SettingsError,
    StreamingError,
    Survey,
    aws_client,
    deliver,
    kinesis_client,
    open_storage,
    survey,
)
from streaming.clients import NO_RETRIES
from streaming.dead_letters import UNKNOWN_STREAM
from streaming.redrive.delivery import RedriveClient

UNREADABLE_SHOWN = 5


@program(StreamingError, BotoCoreError, OSError, status=USAGE_ERROR)
def main(
    argv: Sequence[str] | None = None,
    *,
    client: RedriveClient | None = None,
    console: Console | None = None,
) -> int:
    """Run the program; its exit status is 0 only if everything was read and delivered."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.delete and not options.deliver:
        parser.error("--delete removes delivered records, so it needs --deliver")
    console = console or Console(highlight=False)
    try:
        return _redrive(options, client, console)
    except KeyboardInterrupt:
        console.print("Interrupted. Run the same command again to continue.")
        return INTERRUPTED


def _redrive(options: argparse.Namespace, client: RedriveClient | None, console: Console) -> int:
    storage = open_storage("location", options.location, partial(aws_client, "s3"))
    selection = Selection(
        frozenset(options.error), frozenset(options.shard), options.since, options.until
    )
    path = options.delivery_log or _delivery_log_path(options)
    log = DeliveryLog(path, options.location, options.stream)
    # Opened before anything is read or put: what cannot be logged must not be put.
    with log if options.deliver else nullcontext():
        names = storage.names()
        with _bar("objects read", len(names), console) as advance:
            found = survey(
                storage, names, selection, log, location=options.location, advance=advance
            )
        _show_counts(found, len(names), path, console)
        if options.list:
            console.print(_table(found))
        if not options.deliver:
            return _dry_run(found, options.stream, console)
        _check_streams(found, options)
        client = client or kinesis_client(options.endpoint_url, retries=NO_RETRIES)
        left = found.selected - found.delivered
        with _bar("records delivered", left, console) as advance, _interruptible(advance) as step:
            delivery = deliver(
                storage,
                found.objects,
                selection,
                log,
                client,
                delete=options.delete,
                advance=step,
            )
    return _report(delivery, found, console)


def _check_streams(found: Survey, options: argparse.Namespace) -> None:
    """Reject records that may not belong on the stream that they name, if any."""
    if options.stream is not None:
        return
    if UNKNOWN_STREAM in found.streams:
        raise SettingsError("--stream", None, "a stream for records that do not name theirs")
    if found.misplaced and not options.allow_other_streams:
        raise SettingsError(
            "--stream", None, f"a stream, or --allow-other-streams: {_misplaced(found)}"
        )


def _misplaced(found: Survey) -> str:
    (folder, stream), count = found.misplaced.most_common(1)[0]
    records, name = counted(count, "record"), "names" if count == 1 else "name"
    return f"{records} among the dead letters of {folder} {name} the stream {stream}"


def _show_counts(found: Survey, objects: int, log_path: Path, console: Console) -> None:
    parts = [f"{counted(found.records, 'record')} in {counted(objects, 'object')}"]
    parts += [f"{found.selected:,} selected"]
    parts += [f"{counted(found.duplicates, 'duplicate')} dropped"] if found.duplicates else []
    parts += [f"{found.delivered:,} delivered earlier ({log_path})"] if found.delivered else []
    _print(console, ", ".join(parts))
    if found.misplaced:
        _print(console, f"Another stream: {_misplaced(found)}")
    for name, reason in islice(found.unreadable.items(), UNREADABLE_SHOWN):
        _print(console, f"Not read: {name}: {reason}")
    if len(found.unreadable) > UNREADABLE_SHOWN:
        _print(console, f"... and {len(found.unreadable) - UNREADABLE_SHOWN:,} more not read")


def _table(found: Survey) -> Table:
    """Return a table of the kinds of errors, each with an example."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("records", justify="right")
    table.add_column("error")
    table.add_column("arrived (UTC)", no_wrap=True)
    table.add_column("example", overflow="fold")
    for (error_type, _), kind in sorted(
        found.kinds.items(), key=lambda item: (-item[1].count, item[0])
    ):
        first, last = (at[:19].replace("T", " ") for at in (kind.first, kind.last))
        arrived = first if first == last else f"{first}\n{last}"
        example = Text(f"{printable(kind.example.error_message)}\n")
        example.append(printable(kind.example.event_id or "no event id"), style="dim")
        table.add_row(f"{kind.count:,}", Text(printable(error_type)), arrived, example)
    return table


def _dry_run(found: Survey, stream: str | None, console: Console) -> int:
    count = found.selected - found.delivered
    target = stream or ", ".join(sorted(found.streams)) or "any stream"
    _print(console, f"Nothing was changed: --deliver puts {count:,} on {target}")
    return FAILED if found.unreadable else 0


def _report(delivery: Delivery, found: Survey, console: Console) -> int:
    parts = [f"{counted(delivery.delivered, 'record')} delivered"]
    parts += [f"{delivery.unacceptable:,} never acceptable"] if delivery.unacceptable else []
    parts += [f"{counted(delivery.deleted, 'object')} deleted"] if delivery.deleted else []
    _print(console, ", ".join(parts))
    if delivery.repeated:
        reason = "a call with them got no response, or one that contradicts itself"
        _print(console, f"{delivery.repeated:,} may be on the stream twice: {reason}")
    for stream, reason in delivery.failures.items():
        _print(console, f"Stopped for {stream}: {first_line(reason)}")
    if delivery.failures:
        _print(console, "Run the same command again to continue.")
    return FAILED if delivery.failures or delivery.unacceptable or found.unreadable else 0


def _print(console: Console, line: str) -> None:
    """Print a line without rich's markup and line breaks; it may quote what others wrote."""
    console.print(printable(line), markup=False, soft_wrap=True)


@contextmanager
def _bar(what: str, total: int, console: Console) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    hidden = not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hidden) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _interruptible(advance: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
    """Let Ctrl-C wait for the call in flight, so that its records are logged as delivered.

    A second Ctrl-C does not wait: the next run puts the records in flight again.
    """
    stop = threading.Event()

    def step(count: int) -> None:
        advance(count)
        if stop.is_set():
            raise KeyboardInterrupt

    with stop_on_signal(stop.set):
        yield step


def _delivery_log_path(options: argparse.Namespace) -> Path:
    """Return the default delivery log, the same for each run of the same redrive."""
    redrive = [options.location, options.stream, named_endpoint(options.endpoint_url)]
    digest = hashlib.sha256("\n".join(map(str, redrive)).encode()).hexdigest()
    return Path(f"redrive-{digest[:12]}.log")


def _parser() -> Parser:
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("location", type=location, help="s3://bucket/prefix or a folder")
    parser.add_argument("--list", action="store_true", help="each kind of error, with an example")
    parser.add_argument("--deliver", action="store_true", help="put the records on the stream")
    parser.add_argument(
        "--delete",
        action="store_true",
        help="delete each object when all its records are delivered",
    )
    parser.add_argument(
        "--error",
        action="append",
        default=[],
        metavar="TYPE",
        help="only records with this error, such as InvalidEvent; may be repeated",
    )
    parser.add_argument(
        "--shard",
        action="append",
        default=[],
        metavar="ID",
        help="only records from this shard; may be repeated",
    )
    parser.add_argument(
        "--since",
        type=_time,
        metavar="TIME",
        help="only records that arrived at this time or later; ISO 8601 (without an offset: UTC)",
    )
    parser.add_argument(
        "--until", type=_time, metavar="TIME", help="only records that arrived before this time"
    )
    parser.add_argument("--stream", help="the stream to put them on; default: their own")
    parser.add_argument(
        "--allow-other-streams",
        action="store_true",
        help="also put records that name another stream than the folder that they are in",
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="default: KINESIS_ENDPOINT_URL, AWS")
    parser.add_argument(
        "--delivery-log",
        type=Path,
        metavar="FILE",
        help="keeps the ids of delivered records; default: redrive-….log in this folder, "
        "one for each location, stream and endpoint",
    )
    return parser


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise not_allowed(text, "a time in ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
