import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.produce import main
from streaming.publisher import Entry
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

SMALLEST = (
    b'{"ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}, "ride_id": 256}'
)


@pytest.fixture
def kinesis(clock: Clock) -> Any:
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName="ride_events")
    return kinesis


def produce(kinesis: Any, clock: Clock, *arguments: str, stdin: Any = None) -> int:
    return main(list(arguments), client=kinesis, stdin=stdin, clock=clock.now, sleep=clock.sleep)


def put_entries(kinesis: Any) -> list[Entry]:
    calls = [arguments for name, arguments in kinesis.calls if name == "put_records"]
    return [entry for call in calls for entry in call["Records"]]


def events(kinesis: Any) -> list[dict[str, Any]]:
    return [json.loads(entry["Data"]) for entry in put_entries(kinesis)]


def test_generated_rides_are_put_under_their_ids(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert produce(kinesis, clock, "--generate", "1200") == 0
    assert capsys.readouterr().out == "1,200 of 1,200 rides accepted by ride_events in 0.0 s\n"
    entries = put_entries(kinesis)
    assert [e["PartitionKey"] for e in entries] == [str(e["ride_id"]) for e in events(kinesis)]
    assert len({entry["PartitionKey"] for entry in entries}) == 1200


def test_a_seed_repeats_the_same_rides(kinesis: Any, clock: Clock) -> None:
    produce(kinesis, clock, "--generate", "20", "--seed", "7")
    produce(kinesis, clock, "--generate", "20", "--seed", "7")
    rides = [event["ride"] for event in events(kinesis)]
    assert rides[:20] == rides[20:]


def test_rides_are_put_at_the_rate(kinesis: Any, clock: Clock) -> None:
    produce(kinesis, clock, "--generate", "1001", "--rate", "100")
    assert clock.now() == pytest.approx(10, abs=0.1)


def test_trips_are_replayed_and_invalid_rows_are_counted(
    kinesis: Any, clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    month = {
        "lpep_pickup_datetime": [datetime(2025, 3, 1, hour) for hour in (9, 8, 7)],  # noqa: DTZ001  as in the files
        "PULocationID": [130, 74, 0],
        "DOLocationID": [205, 75, 1],
        "trip_distance": [3.66, 1.2, 1.0],
        "passenger_count": [1, 1, 1],
        "payment_type": [1, 2, 1],
    }
    pq.write_table(pa.table(month), tmp_path / "month.parquet")
    assert produce(kinesis, clock, "--replay", str(tmp_path / "month.parquet")) == 0
    assert [event["ride"]["PULocationID"] for event in events(kinesis)] == [74, 130]
    out = capsys.readouterr().out
    assert "1 invalid rows" in out
    assert "2 of 2 rides accepted" in out


def test_lines_of_standard_input_are_put_as_they_are(kinesis: Any, clock: Clock) -> None:
    stdin = io.BytesIO(SMALLEST + b'\n\n{"ride_id": "abc"}\nnot JSON\n[1]\n')
    assert produce(kinesis, clock, "--stdin", stdin=stdin) == 0
    assert [(entry["PartitionKey"], entry["Data"]) for entry in put_entries(kinesis)] == [
        ("256", SMALLEST),
        ("abc", b'{"ride_id": "abc"}'),
        ("line-4", b"not JSON"),
        ("line-5", b"[1]"),
    ]


def test_refused_rides_are_sent_again(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    throttles = iter(["ProvisionedThroughputExceededException"] * 3)
    kinesis.refuse = lambda _entry: next(throttles, None)
    assert produce(kinesis, clock, "--generate", "10") == 0
    assert len(kinesis.payloads("ride_events")) == 10
    assert "10 of 10 rides accepted, 3 resent" in capsys.readouterr().out


def test_the_first_rides_that_are_refused_for_a_minute_end_the_program(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    kinesis.refuse = lambda _entry: "ProvisionedThroughputExceededException"
    assert produce(kinesis, clock, "--generate", "600") == 1
    printed = capsys.readouterr()
    assert "0 of 500 rides accepted, 500 not accepted" in printed.out
    assert "Stopped: ProvisionedThroughputExceededException" in printed.err
    assert 50 < clock.now() <= 60


def test_a_ride_that_kinesis_never_accepts_does_not_stop_the_others(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin = io.BytesIO(SMALLEST + b"\n" + b"x" * (1024 * 1024 + 1) + b"\n" + SMALLEST + b"\n")
    assert produce(kinesis, clock, "--stdin", stdin=stdin) == 1
    assert len(kinesis.payloads("ride_events")) == 2
    printed = capsys.readouterr()
    assert "2 of 3 rides accepted, 1 not accepted" in printed.out
    assert printed.err == (
        "Line 2 has 1,048,583 bytes with its partition key; allowed: 1,048,576, "
        "or the stream's MaxRecordSizeInKiB\n"
    )


def test_a_ride_id_too_long_for_a_partition_key_is_reported_by_line(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin = io.BytesIO(SMALLEST + b'\n{"ride_id": "' + b"x" * 300 + b'"}\n')
    assert produce(kinesis, clock, "--stdin", stdin=stdin) == 1
    assert capsys.readouterr().err == "Line 2 has a ride_id of 300 characters; allowed: 256\n"


def test_an_unreachable_kinesis_is_reported_at_once_and_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    unreachable = 'Could not connect to the endpoint URL: "http://127.0.0.1:1/"'
    arguments = ["--generate", "3", "--endpoint-url", "http://127.0.0.1:1"]
    assert main(arguments, clock=clock.now, sleep=clock.sleep) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{unreachable}; retrying for 60 s",
        f"Stopped: cannot put on ride_events: {unreachable}",
    ]


def test_a_stream_that_does_not_exist_is_named(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert produce(kinesis, clock, "--generate", "3", "--stream", "nowhere") == 1
    assert "cannot put on nowhere" in capsys.readouterr().err


class Typed(io.BytesIO):
    """Standard input on which lines come one at a time."""

    def __init__(self, lines: list[bytes], before_end: Callable[[], None]) -> None:
        super().__init__()
        self._lines = iter(lines)
        self._before_end = before_end

    def read1(self, _size: int | None = -1) -> bytes:
        for line in self._lines:
            return line + b"\n"
        self._before_end()
        return b""


def test_a_line_is_put_before_the_next_one_arrives(kinesis: Any, clock: Clock) -> None:
    seen: list[int] = []
    stdin = Typed([SMALLEST, SMALLEST], lambda: seen.append(len(put_entries(kinesis))))
    assert produce(kinesis, clock, "--stdin", stdin=stdin) == 0
    assert seen == [2]


def test_ctrl_c_ends_with_the_counts(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    assert produce(kinesis, clock, "--stdin", stdin=Typed([SMALLEST] * 3, interrupt)) == 130
    assert capsys.readouterr().err == "Interrupted: 3 of 3 rides accepted\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --generate --replay --stdin is required"),
        (["--generate", "0"], "error: --generate is '0'; allowed: 1, 2, 3"),
        (["--generate", "1", "--rate", "0"], "error: --rate is '0'; allowed: a number above 0"),
        (["--generate", "1", "--seed", "x"], "error: --seed is 'x'; allowed: a whole number"),
        (["--generate", "1", "--stdin"], "not allowed with argument"),
    ],
    ids=str,
)
def test_an_invalid_option_is_an_error_of_one_line(
    kinesis: Any,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    with pytest.raises(SystemExit, match="2"):
        produce(kinesis, clock, *arguments)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_file_of_trips_is_named(
    kinesis: Any, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert produce(kinesis, clock, "--replay", "nowhere.parquet") == 2
    assert capsys.readouterr().err == "error: no such file: nowhere.parquet\n"
