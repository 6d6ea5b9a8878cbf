import json
from itertools import islice
from pathlib import Path

import pytest

from streaming import CheckpointFile, StreamReader
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis

STREAM = "ride_predictions"


@pytest.fixture
def kinesis(clock: Clock) -> FakeKinesis:
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName=STREAM, ShardCount=1)
    kinesis.put(STREAM, "1", b"one", b"two", b"three")
    return kinesis


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.json"


def reader(kinesis: FakeKinesis, clock: Clock, file: CheckpointFile) -> StreamReader:
    return StreamReader(
        kinesis,
        STREAM,
        saved=file.load(),
        follow=False,
        clock=clock.now,
        sleep=clock.sleep,
        now=clock.utc,
    )


def test_a_reader_resumes_after_the_last_record_that_was_processed(
    kinesis: FakeKinesis, clock: Clock, path: Path
) -> None:
    file = CheckpointFile(path, STREAM, clock=clock.now)
    first = reader(kinesis, clock, file)
    read = [record.data for record in islice(first, 2)]
    file.save(first)
    assert read == [b"one", b"two"]

    second = reader(kinesis, clock, CheckpointFile(path, STREAM, clock=clock.now))
    assert [record.data for record in second] == [b"two", b"three"]


def test_without_a_file_there_are_no_checkpoints(path: Path) -> None:
    assert CheckpointFile(path, STREAM).load() is None


def test_a_reader_that_was_not_opened_leaves_the_file_as_it_is(
    kinesis: FakeKinesis, clock: Clock, path: Path
) -> None:
    file = CheckpointFile(path, STREAM, clock=clock.now)
    file.save(reader(kinesis, clock, file))
    assert not path.exists()


def test_nothing_but_the_file_is_left_in_its_folder(
    kinesis: FakeKinesis, clock: Clock, path: Path
) -> None:
    file = CheckpointFile(path, STREAM, clock=clock.now)
    opened = reader(kinesis, clock, file)
    for _ in opened:
        file.save(opened)
    assert list(path.parent.iterdir()) == [path]


def test_it_is_saved_at_most_once_a_second(kinesis: FakeKinesis, clock: Clock, path: Path) -> None:
    file = CheckpointFile(path, STREAM, clock=clock.now)
    opened = reader(kinesis, clock, file)
    opened.open()
    file.save_periodically(opened)
    assert not path.exists()

    clock.advance(1)
    file.save_periodically(opened)
    saved = path.read_bytes()
    next(iter(opened))
    opened.checkpoint()
    file.save_periodically(opened)
    assert path.read_bytes() == saved

    clock.advance(1)
    file.save_periodically(opened)
    assert path.read_bytes() != saved


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is not a checkpoint file"),
        ("", "is not a checkpoint file"),
        (json.dumps({"stream": STREAM}), "is not a checkpoint file"),
        (
            json.dumps({"stream": "other", "shards": {}}),
            f"holds checkpoints of other, not of {STREAM}",
        ),
    ],
)
def test_a_file_of_something_else_is_an_error(path: Path, content: str, message: str) -> None:
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        CheckpointFile(path, STREAM).load()


def test_bytes_that_are_not_text_are_an_error(path: Path) -> None:
    path.write_bytes(b'{"stream": "\xff", "shards": {}}')
    with pytest.raises(ValueError, match="is not a checkpoint file"):
        CheckpointFile(path, STREAM).load()
