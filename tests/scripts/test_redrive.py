from __future__ import annotations

import io
import signal
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from moto import mock_aws
from rich.console import Console

from scripts.redrive import main
from streaming.redrive.delivery_log import DeliveryLog
from tests.dead_letter_objects import (
    CORRUPT,
    dead_letter,
    write_dead_letters,
    write_discarded_batch,
)
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

REPEATED = "a call with them got no response, or one that contradicts itself"


class Terminal:
    """The program, its folder of dead-letter records and the stream to put them on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "dead"
        self.location = self.folder.as_uri()
        self.delivery_log = folder / "redrive.log"
        self.kinesis = FakeKinesis(Clock())
        self.kinesis.create_stream(StreamName="ride_events", ShardCount=1)
        self.status: int | None = None

    def run(self, *arguments: str, location: str | None = None) -> str:
        screen = Console(file=io.StringIO(), width=160, highlight=False)
        self.status = main(
            [location or self.location, "--delivery-log", str(self.delivery_log), *arguments],
            client=self.kinesis,
            console=screen,
        )
        shown = screen.file
        assert isinstance(shown, io.StringIO)
        return shown.getvalue()

    def on_stream(self) -> list[bytes]:
        return self.kinesis.payloads("ride_events")


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    terminal = Terminal(tmp_path)
    write_dead_letters(
        terminal.folder,
        dead_letter(b"one", 1),
        dead_letter(b"two", 2, CORRUPT),
        dead_letter(b"two", 2, CORRUPT),
    )
    write_discarded_batch(terminal.folder, 3)
    return terminal


def test_without_options_nothing_is_changed(terminal: Terminal) -> None:
    assert terminal.run().splitlines() == [
        "4 records in 2 objects, 3 selected, 1 duplicate dropped",
        "Nothing was changed: --deliver puts 3 on ride_events",
    ]
    assert terminal.status == 0
    assert terminal.on_stream() == []
    assert not terminal.delivery_log.exists()


def test_records_are_delivered_once_over_several_runs(terminal: Terminal) -> None:
    assert terminal.run("--deliver", "--error", "InvalidEvent").splitlines() == [
        "4 records in 2 objects, 1 selected",
        "1 record delivered",
    ]
    found, delivered = terminal.run("--deliver", "--delete").splitlines()
    assert found.endswith(
        f"3 selected, 1 duplicate dropped, 1 delivered earlier ({terminal.delivery_log})"
    )
    assert delivered == "2 records delivered, 2 objects deleted"
    assert sorted(terminal.on_stream()) == [b"event 3", b"one", b"two"]
    assert terminal.status == 0
    assert terminal.run().startswith("0 records in 0 objects")


def test_the_list_shows_each_kind_of_error_with_its_count_and_an_example(
    terminal: Terminal,
) -> None:
    shown = terminal.run("--list")

    kinds = ["CorruptRecord", "InvalidEvent", "RetryAttemptsExhausted"]
    lines = [line for line in shown.splitlines() if any(kind in line for kind in kinds)]
    assert [line.split()[:4] for line in lines] == [
        ["1", kind, "2025-03-01", "13:15:00"] for kind in kinds
    ]
    assert "ride_id is ''; allowed: a string of 1 to 128 characters" in shown
    assert "damaged gzip: no end" in shown
    assert "shardId-000000000000:1" in shown


def test_shard_and_time_narrow_the_selection(terminal: Terminal) -> None:
    def selected(*arguments: str) -> str:
        return terminal.run(*arguments).splitlines()[0]

    assert "0 selected" in selected("--shard", "shardId-000000000001")
    assert "3 selected" in selected("--shard", "shardId-000000000000")
    assert "0 selected" in selected("--since", "2025-03-02")
    assert "3 selected" in selected("--since", "2025-03-01T13:15", "--until", "2025-03-02")


def test_the_records_can_be_put_on_another_stream(terminal: Terminal) -> None:
    terminal.kinesis.create_stream(StreamName="again", ShardCount=1)

    terminal.run("--deliver", "--stream", "again")

    assert terminal.on_stream() == []
    assert len(terminal.kinesis.payloads("again")) == 3


def test_a_record_without_a_stream_needs_the_option(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dead_letters(terminal.folder, dead_letter(b"lost", 9, stream=None))

    terminal.run("--deliver")

    assert terminal.status == 2
    assert "error: --stream is not set; allowed: a stream for records" in capsys.readouterr().err
    assert terminal.on_stream() == []
    terminal.run("--deliver", "--stream", "ride_events")
    assert len(terminal.on_stream()) == 4


def test_unreadable_objects_are_named_and_fail(terminal: Terminal) -> None:
    for number in range(7):
        (terminal.folder / f"note [{number}]").write_text("hello")

    shown = terminal.run()

    assert "Not read: note [0]: line 1 is not a dead-letter record" in shown.replace("\n", " ")
    assert "... and 2 more not read" in shown
    assert terminal.status == 1


def test_the_same_command_continues_after_ctrl_c(terminal: Terminal) -> None:
    terminal.kinesis.fail("put_records", None, KeyboardInterrupt())  # type: ignore[arg-type]  # Ctrl-C

    shown = terminal.run("--deliver")

    assert terminal.status == 130
    assert "Interrupted. Run the same command again to continue." in shown
    assert terminal.run("--deliver").splitlines()[-2:] == [
        "1 record delivered",
        f"1 may be on the stream twice: {REPEATED}",
    ]
    assert sorted(terminal.on_stream()) == [b"event 3", b"one", b"two"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_call_in_flight_so_that_nothing_is_put_twice(
    terminal: Terminal, number: signal.Signals
) -> None:
    def interrupt(_entry: object) -> None:
        signal.raise_signal(number)
        terminal.kinesis.refuse = lambda _entry: None

    terminal.kinesis.refuse = interrupt

    terminal.run("--deliver")

    assert terminal.status == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert terminal.run("--deliver").splitlines()[-1] == "1 record delivered"
    assert sorted(terminal.on_stream()) == [b"event 3", b"one", b"two"]


def test_a_refused_delivery_fails_with_the_reason(terminal: Terminal) -> None:
    terminal.kinesis.fail("put_records", "AccessDeniedException")

    shown = terminal.run("--deliver")

    assert "0 records delivered\nStopped for ride_events: cannot put on ride_events: " in shown
    assert "AccessDeniedException" in shown
    assert shown.endswith("Run the same command again to continue.\n")
    assert terminal.status == 1


def test_a_bucket_is_redriven_too(terminal: Terminal) -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="dead")
        for path in terminal.folder.rglob("*-*-*"):
            key = f"rides/{path.relative_to(terminal.folder).as_posix()}"
            s3.put_object(Bucket="dead", Key=key, Body=path.read_bytes())

        terminal.run("--deliver", "--delete", location="s3://dead/rides")

        assert s3.list_objects_v2(Bucket="dead")["KeyCount"] == 0
    assert terminal.on_stream() == [b"event 3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: location"),
        (["file:///", "--delete"], "--delete removes delivered records, so it needs --deliver"),
        (["file:///", "--since", "yesterday"], "--since is 'yesterday'; allowed: a time in ISO"),
    ],
)
def test_an_invalid_option_is_an_error_of_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("s4://dead", "location is 's4://dead'; allowed: s3://bucket/prefix or file:///folder"),
        ("no/such/folder", f"there is no folder {Path.cwd()}/no/such/folder"),
        ("file:///no/such/folder", "there is no folder /no/such/folder"),
    ],
)
def test_an_invalid_location_is_an_error_of_one_line(
    location: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([location]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_the_delivery_log_of_another_redrive_is_refused(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.run("--deliver")

    terminal.run("--deliver", "--stream", "ride_events")

    assert terminal.status == 2
    assert "logs a redrive from" in capsys.readouterr().err


def test_a_delivery_log_that_cannot_be_written_is_an_error_before_anything_is_put(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.delivery_log = terminal.folder / "no such folder" / "redrive.log"

    for _ in range(2):
        assert terminal.run("--deliver", "--delete") == ""

    assert terminal.status == 2
    assert capsys.readouterr().err.splitlines() == 2 * [
        f"error: cannot write {terminal.delivery_log}: No such file or directory"
    ]
    assert terminal.on_stream() == []


def test_a_second_redrive_with_the_same_delivery_log_is_refused(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    with DeliveryLog(terminal.delivery_log, terminal.location, None):
        terminal.run("--deliver")

    assert terminal.status == 2
    assert "is in use by another redrive" in capsys.readouterr().err
    assert terminal.on_stream() == []


def test_the_delivery_log_of_a_rehearsal_is_refused_and_nothing_is_deleted(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.run("--deliver")
    real = FakeKinesis(Clock())
    real.meta.endpoint_url = "https://kinesis.eu-west-1.amazonaws.com"
    real.create_stream(StreamName="ride_events")
    terminal.kinesis = real

    terminal.run("--deliver", "--delete")

    assert terminal.status == 2
    assert "use another --delivery-log" in capsys.readouterr().err
    assert len(list(terminal.folder.rglob("*.jsonl"))) == 1


def test_records_that_name_another_stream_than_their_folder_need_an_option(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.kinesis.create_stream(StreamName="payments")
    (kept,) = terminal.folder.rglob("*.jsonl")
    text = kept.read_text()
    kept.write_text(text.replace('"stream":"ride_events"', '"stream":"payments"'))
    warning = "2 records among the dead letters of ride_events name the stream payments"

    assert f"Another stream: {warning}" in terminal.run()
    assert terminal.status == 0
    terminal.run("--deliver")

    assert terminal.status == 2
    assert f"allowed: a stream, or --allow-other-streams: {warning}" in capsys.readouterr().err
    assert terminal.on_stream() == []
    terminal.run("--deliver", "--allow-other-streams")
    assert terminal.status == 0
    assert (len(terminal.on_stream()), len(terminal.kinesis.payloads("payments"))) == (1, 2)


def test_records_of_a_stream_that_is_gone_do_not_hold_up_the_others(terminal: Terminal) -> None:
    write_dead_letters(terminal.folder, dead_letter(b"lost", 9, stream="gone"))

    shown = terminal.run("--deliver", "--delete")

    assert "3 records delivered, 2 objects deleted" in shown
    assert "Stopped for gone: cannot describe gone: " in shown
    assert terminal.status == 1


def test_by_default_each_location_stream_and_endpoint_has_its_own_delivery_log(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KINESIS_ENDPOINT_URL", raising=False)

    def redrive(*arguments: str) -> Any:
        screen = Console(file=io.StringIO(), width=100)
        return main([terminal.location, *arguments], client=terminal.kinesis, console=screen)

    assert redrive("--deliver") == redrive("--deliver") == 0
    assert len(terminal.on_stream()) == 3
    assert len(list(tmp_path.glob("redrive-*.log"))) == 1
    redrive("--deliver", "--stream", "ride_events")
    assert len(list(tmp_path.glob("redrive-*.log"))) == 2
    redrive("--deliver", "--endpoint-url", "http://127.0.0.1:4566")
    assert len(list(tmp_path.glob("redrive-*.log"))) == 3


def test_what_records_hold_cannot_control_the_terminal(terminal: Terminal) -> None:
    poison = dead_letter(b"three", 4, stream="\x1b]0;stream\x07")
    poison = msgspec.structs.replace(poison, error_type="\x1b[1A", error_message="\x1b[2J\x9b")
    write_dead_letters(terminal.folder, poison)
    (terminal.folder / "note \x1b[2J").write_text("hello")

    shown = terminal.run("--list")

    assert r"\u001b[2J\u009b" in shown
    assert r"\u001b]0;stream\u0007" in shown
    assert r"note \u001b[2J" in shown
    assert all(line.isprintable() for line in shown.splitlines())
