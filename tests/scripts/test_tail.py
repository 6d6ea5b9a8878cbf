import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from scripts.tail import as_json, as_line, main
from streaming.reader.shard_reader import StreamRecord
from tests.fakes.clock import EPOCH, Clock
from tests.fakes.kinesis import FakeKinesis

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 30


def prediction(ride_id: int | str, **changed: Any) -> bytes:
    answer = {
        "event_type": "ride_predicted",
        "event_id": f"shardId-000000000000:{ride_id}",
        "model": "ride_duration_tip_prediction_model",
        "version": "2025-03",
        "prediction": {"ride_id": ride_id, "ride_duration": 21.3, "ride_tip": 2.41},
        "arrived_at": "2025-03-01T13:15:00.000Z",
    }
    return json.dumps(answer | changed).encode()


def record_of(data: bytes) -> StreamRecord:
    arrived_at = EPOCH + timedelta(seconds=0.8)
    return StreamRecord("shardId-000000000000", "49", "256", data, arrived_at)


@pytest.fixture
def kinesis(clock: Clock) -> FakeKinesis:
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName="ride_predictions", ShardCount=1)
    return kinesis


def tail(kinesis: FakeKinesis, clock: Clock, *arguments: str) -> int:
    return main(
        ["--no-follow", *arguments],
        client=kinesis,
        clock=clock.now,
        sleep=clock.sleep,
        now=clock.utc,
    )


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            prediction(256),
            (
                "ride 256           21.3 min   $2.41 tip   after 0.8 s  "
                "ride_duration_tip_prediction_model 2025-03"
            ),
        ),
        (
            prediction(
                "NYC-7",
                model="ride_duration_prediction_model",
                prediction={"ride_id": "NYC-7", "ride_duration": 4.0},
            ),
            (
                "ride NYC-7          4.0 min           -   after 0.8 s  "
                "ride_duration_prediction_model 2025-03"
            ),
        ),
        (
            prediction(
                8,
                model="ride_tip_prediction_model",
                prediction={"ride_id": 8, "ride_tip": 0.0},
                arrived_at=None,
            ),
            (
                "ride 8                    -   $0.00 tip   -            "
                "ride_tip_prediction_model 2025-03"
            ),
        ),
        (
            prediction(
                9,
                event_type="comment_moderated",
                model="moderation",
                prediction={"label": "ok", "score": [0.9, 0.1]},
            ),
            '{"label":"ok","score":[0.9,0.1]}   after 0.8 s  moderation 2025-03',
        ),
        (
            prediction(9, model="fares", prediction={"ride_id": 9, "fare": 11.5}, arrived_at=None),
            '{"ride_id":9,"fare":11.5}   -            fares 2025-03',
        ),
        (
            prediction(
                "\x1b[2J\u202e", model="m\n", prediction={"ride_id": "\x9b2J", "ride_tip": 1}
            ),
            r"ride \u009b2J                  -   $1.00 tip   after 0.8 s  m\n 2025-03",
        ),
        (b'{"event_type": "ride_ended"}', """not a prediction: b'{"event_type": "ride_ended"}'"""),
        (b"\xff", r"not a prediction: b'\xff'"),
    ],
)
def test_a_prediction_is_one_readable_line(data: bytes, line: str) -> None:
    assert as_line(record_of(data)) == line


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b'{"b":1.50,"a":"\xc3\xa9"}', '{"b":1.50,"a":"é"}'),
        (b'{\n  "b": 1,\n  "a": [2]\n}', '{"b":1,"a":[2]}'),
        (b'{"a":"\\u001b[2J\xc2\x9b\xe2\x80\xae"}', r'{"a":"\u001b[2J\u009b\u202e"}'),
        (b"no JSON", None),
        (b'{"a": "\xff"}', None),
    ],
)
def test_a_payload_is_one_line_of_json_with_numbers_and_order_unchanged(
    data: bytes, line: str | None
) -> None:
    assert as_json(record_of(data)) == line


def test_lines_go_to_stdout_and_the_counts_to_stderr(
    kinesis: FakeKinesis, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    kinesis.put("ride_predictions", "1", prediction(1), prediction(1), b"no JSON", prediction(2))
    assert tail(kinesis, clock, "--json") == 0
    output = capsys.readouterr()
    rides = [json.loads(line)["prediction"]["ride_id"] for line in output.out.splitlines()]
    assert rides == [1, 2]
    assert output.err == "ride_predictions: 2 printed, 1 not JSON, 1 duplicates dropped\n"


def test_a_limit_ends_it_and_the_checkpoint_file_resumes_after_it(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinesis.put("ride_predictions", "1", *(prediction(ride_id) for ride_id in range(5)))
    checkpoint = ("--checkpoint", str(tmp_path / "checkpoint.json"), "--json")
    tail(kinesis, clock, *checkpoint, "--limit", "2")
    tail(kinesis, clock, *checkpoint)
    tail(kinesis, clock, *checkpoint)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["prediction"]["ride_id"] for line in lines] == [0, 1, 2, 3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.json"]


def test_a_record_that_could_not_be_printed_is_printed_by_the_next_run(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pipe(io.StringIO):
        """A pipe whose reader takes two lines and closes it."""

        def flush(self) -> None:
            if self.getvalue().count("\n") == 3:
                raise BrokenPipeError

        def fileno(self) -> int:
            return os.open(os.devnull, os.O_WRONLY)

    def printed(pipe: io.StringIO) -> list[int]:
        monkeypatch.setattr("sys.stdout", pipe)
        assert tail(kinesis, clock, "--checkpoint", str(tmp_path / "c.json"), "--json") == 0
        return [json.loads(line)["prediction"]["ride_id"] for line in pipe.getvalue().splitlines()]

    kinesis.put("ride_predictions", "1", *(prediction(ride_id) for ride_id in range(5)))
    assert printed(Pipe()) == [0, 1, 2]
    assert printed(io.StringIO()) == [2, 3, 4]


def test_checkpoints_are_saved_while_it_runs_in_case_it_is_killed(
    kinesis: FakeKinesis, clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Killed(BaseException):
        pass

    def sleep(seconds: float) -> None:
        if clock.now() > 2:
            saved.append((tmp_path / "checkpoint.json").read_text())
            raise Killed
        clock.sleep(seconds)
        kinesis.put("ride_predictions", "1", prediction(clock.now()))  # type: ignore[arg-type]  # a fresh id

    saved: list[str] = []
    arguments = ["--checkpoint", str(tmp_path / "checkpoint.json")]
    with pytest.raises(Killed):
        main(arguments, client=kinesis, clock=clock.now, sleep=sleep)
    assert json.loads(saved[0])["stream"] == "ride_predictions"
    assert len(capsys.readouterr().out.splitlines()) > 5


@pytest.mark.parametrize(
    ("start", "rides"), [("TRIM_HORIZON", [1, 2]), ("LATEST", []), ("2025-03-01T13:15:30", [2])]
)
def test_it_starts_from_the_named_position(
    kinesis: FakeKinesis,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    start: str,
    rides: list[int],
) -> None:
    kinesis.put("ride_predictions", "1", prediction(1))
    clock.advance(60)
    kinesis.put("ride_predictions", "1", prediction(2))
    tail(kinesis, clock, "--from", start, "--json")
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["prediction"]["ride_id"] for line in lines] == rides


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "yesterday"], "--from is 'yesterday'; allowed: TRIM_HORIZON, LATEST, a time"),
        (["--from", "49"], "--from is '49'; allowed: TRIM_HORIZON, LATEST, a time"),
        (
            ["--from", "2025-03-01T13:15:01Z"],
            "--from is '2025-03-01T13:15:01Z'; allowed: a time in the past; it is now 2025-03",
        ),
        (["--limit", "0"], "--limit is '0'; allowed: 1, 2, 3"),
        (["--checkpoint", "no/such/x"], "--checkpoint is 'no/such/x'; allowed: a file in a folder"),
        (["--checkpoint", "/"], "--checkpoint is '/'; allowed: a file in a folder"),
    ],
)
def test_an_invalid_option_is_an_error_of_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments, now=Clock().utc)
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1


def test_an_invalid_endpoint_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--endpoint-url", "localhost"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: endpoint URL is 'localhost'; allowed: http://")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is not a checkpoint file"),
        (
            '{"stream": "other", "shards": {}}',
            "holds checkpoints of other, not of ride_predictions",
        ),
        ('{"stream": "ride_predictions", "shards": {"a": "?"}}', "starting position is '?'"),
    ],
)
def test_an_incompatible_checkpoint_file_is_refused_and_left_as_it_is(
    kinesis: FakeKinesis,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str,
    message: str,
) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_text(content)
    assert tail(kinesis, Clock(), "--checkpoint", str(path)) == 2
    assert message in capsys.readouterr().err
    assert path.read_text() == content


def test_a_missing_stream_is_an_error_of_one_line(
    kinesis: FakeKinesis, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tail(kinesis, clock, "--stream", "nowhere") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: cannot read the stream 'nowhere': ")
    assert error.count("\n") == 1


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def started(endpoint: str, *arguments: str) -> subprocess.Popen[str]:
    """Start the program as a person does who has configured nothing for AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "scripts", "tail", "--json", *arguments],
        cwd=ROOT,
        env=kept | {"KINESIS_ENDPOINT_URL": endpoint},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_ends_it_with_the_counts_and_a_closed_pipe_silently(
    endpoint: str, tmp_path: Path
) -> None:
    client = boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  not one
    )
    client.create_stream(StreamName="ride_predictions", ShardCount=1)
    for ride_id in range(1, 4):
        client.put_record(StreamName="ride_predictions", PartitionKey="1", Data=prediction(ride_id))
    checkpoint = tmp_path / "checkpoint.json"

    with started(endpoint, "--checkpoint", str(checkpoint)) as interrupted:
        assert interrupted.stdout is not None
        for ride_id in range(1, 4):
            assert json.loads(interrupted.stdout.readline())["prediction"]["ride_id"] == ride_id
        interrupted.send_signal(signal.SIGINT)
        rest, error = interrupted.communicate(timeout=DEADLINE_SECONDS)
    assert (interrupted.returncode, rest) == (0, "")
    assert error == "ride_predictions: 3 printed\n"
    assert json.loads(checkpoint.read_text())["shards"]["shardId-000000000000"] == "3"

    with started(endpoint) as cut_off:
        assert cut_off.stdout is not None
        cut_off.stdout.readline()
        cut_off.stdout.close()
        client.put_record(StreamName="ride_predictions", PartitionKey="1", Data=prediction(4))
        cut_off.wait(timeout=DEADLINE_SECONDS)
        assert cut_off.stderr is not None
        assert (cut_off.returncode, cut_off.stderr.read()) == (0, "")
