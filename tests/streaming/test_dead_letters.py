from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from moto import mock_aws

from streaming.consumer.records import user_records
from streaming.dead_letters import (
    MESSAGE_LIMIT,
    DeadLetterRecord,
    FolderDeadLetters,
    S3DeadLetters,
    dead_letter,
    object_name,
    open_dead_letters,
)
from streaming.errors import (
    DeadLettersUnavailable,
    InvalidEvent,
    PredictionFailed,
    SettingsError,
)
from tests.lambda_events import ARRIVED, SHARD, record

if TYPE_CHECKING:
    from pathlib import Path

ERROR = InvalidEvent("ride_id", "", "a string of 1 to 128 characters")


def letter(
    data: bytes = b"bad", sequence_number: int = 42, arrived: float = ARRIVED
) -> DeadLetterRecord:
    (payload,) = user_records([record(data, sequence_number, key="k", arrived=arrived)], 0.0)
    return dead_letter(payload, "ride_events", ERROR)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def no_s3() -> Any:
    raise AssertionError("no S3 client is needed")


def test_a_dead_letter_holds_the_payload_its_origin_and_the_reason(tmp_path: Path) -> None:
    FolderDeadLetters(tmp_path / "dead").write([letter(b"\xff\x00bad")])

    (path,) = tmp_path.rglob("*.jsonl")
    assert lines(path) == [
        {
            "data": base64.b64encode(b"\xff\x00bad").decode(),
            "event_id": f"{SHARD}:42",
            "stream": "ride_events",
            "shard_id": SHARD,
            "sequence_number": "42",
            "partition_key": "k",
            "arrived_at": "2025-03-01T13:15:00.123Z",
            "error_type": "InvalidEvent",
            "error_message": "ride_id is ''; allowed: a string of 1 to 128 characters",
        }
    ]


def test_a_message_that_cannot_be_written_or_has_no_end_is_kept_as_far_as_it_can_be() -> None:
    (payload,) = user_records([record(b"bad")], 0.0)

    kept = dead_letter(payload, "ride_events", PredictionFailed("\ud800" + "x" * 5000))

    assert kept.error_message == "\\ud800" + "x" * (MESSAGE_LIMIT - 1)


def test_letters_lie_under_their_stream_and_day(tmp_path: Path) -> None:
    FolderDeadLetters(tmp_path).write([letter()])

    (path,) = tmp_path.rglob("*.*")
    assert path.relative_to(tmp_path).parent.as_posix() == "ride_events/2025/03/01"


def test_an_invocation_writes_one_object_with_a_line_a_letter(tmp_path: Path) -> None:
    FolderDeadLetters(tmp_path).write([letter(sequence_number=n) for n in (1, 2, 3)])

    (path,) = tmp_path.rglob("*.jsonl")
    assert [line["sequence_number"] for line in lines(path)] == ["1", "2", "3"]


def test_a_retry_overwrites_instead_of_doubling(tmp_path: Path) -> None:
    for _ in range(2):
        FolderDeadLetters(tmp_path).write([letter(sequence_number=n) for n in (1, 2)])

    assert len(list(tmp_path.rglob("*.*"))) == 1


def test_other_letters_get_another_name() -> None:
    assert object_name([letter(sequence_number=1)]) != object_name([letter(sequence_number=2)])


def test_letters_of_one_id_but_other_data_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for data in (b"bad one", b"bad two"):
        FolderDeadLetters(tmp_path).write([letter(data)])

    assert len(list(tmp_path.rglob("*.jsonl"))) == 2


def test_letters_without_event_ids_are_named_by_their_data() -> None:
    (one,) = user_records([{"kinesis": {"data": "b25l"}}], ARRIVED)
    (two,) = user_records([{"kinesis": {"data": "dHdv"}}], ARRIVED)

    names = {object_name([dead_letter(payload, None, ERROR)]) for payload in (one, two)}

    assert len(names) == 2
    assert all(name.startswith("unknown/2025/03/01/") for name in names)


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(DeadLettersUnavailable, match="cannot write "):
        FolderDeadLetters(tmp_path / "file").write([letter()])


def test_a_place_is_opened_by_its_url(tmp_path: Path) -> None:
    folder = tmp_path / "dead letters"

    open_dead_letters(folder.as_uri(), no_s3).write([letter()])

    assert len(list(folder.rglob("*.jsonl"))) == 1


@pytest.mark.parametrize(
    ("location", "prefix"),
    [("s3://dead", ""), ("s3://dead/", ""), ("s3://dead/a/b", "a/b/"), ("s3://dead/a/b/", "a/b/")],
)
def test_letters_go_to_a_bucket(
    location: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="dead")
        made: list[str] = []

        def client() -> Any:
            made.append("client")
            return s3

        place = open_dead_letters(location, client)
        assert made == []
        for _ in range(2):
            place.write([letter()])

        (found,) = s3.list_objects_v2(Bucket="dead")["Contents"]
        assert found["Key"] == prefix + object_name([letter()])
        body = s3.get_object(Bucket="dead", Key=found["Key"])["Body"].read()
        assert json.loads(body)["event_id"] == f"{SHARD}:42"
        assert made == ["client"]

        with pytest.raises(DeadLettersUnavailable, match=r"cannot write s3://gone/.*NoSuchBucket"):
            S3DeadLetters(client, "gone", "").write([letter()])


@pytest.mark.parametrize(
    "failure",
    [NoCredentialsError(), SettingsError("AWS_REGION", None, "a region"), AttributeError("no XML")],
)
def test_whatever_s3_fails_with_it_is_unavailable(failure: Exception) -> None:
    def client() -> Any:
        raise failure

    with pytest.raises(DeadLettersUnavailable, match=re.escape(str(failure))):
        S3DeadLetters(client, "dead", "").write([letter()])
