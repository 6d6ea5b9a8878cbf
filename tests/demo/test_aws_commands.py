import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from demo.aws_commands import SMALLEST_RIDE, paste_commands, put_command, shard_of, write_commands
from model import RideModel
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis


@pytest.fixture
def kinesis() -> Any:
    kinesis: Any = FakeKinesis(Clock())
    kinesis.meta = SimpleNamespace(endpoint_url="http://127.0.0.1:4566", region_name="eu-west-1")
    kinesis.create_stream(StreamName="ride_predictions", ShardCount=4)
    return kinesis


def commands(kinesis: Any) -> list[list[str]]:
    text = paste_commands(kinesis, "ride_events", "ride_predictions").replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.startswith("  aws")]


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


@pytest.mark.parametrize("key", ["256", "1795164343000", "a", "é"])
def test_a_partition_keys_shard_is_the_one_kinesis_puts_it_on(kinesis: Any, key: str) -> None:
    response = kinesis.put_record(StreamName="ride_predictions", Data=b"", PartitionKey=key)
    assert shard_of(kinesis, "ride_predictions", key) == response["ShardId"]


@pytest.mark.parametrize("key", ["256", "b", "d", "é"])
def test_the_shard_may_be_on_any_page_of_the_list(kinesis: Any, key: str) -> None:
    kinesis.page_size = 1
    response = kinesis.put_record(StreamName="ride_predictions", Data=b"", PartitionKey=key)
    assert shard_of(kinesis, "ride_predictions", key) == response["ShardId"]


def test_after_a_split_the_shard_is_an_open_one(kinesis: Any) -> None:
    kinesis.split("ride_predictions", shard_of(kinesis, "ride_predictions", "256"))
    response = kinesis.put_record(StreamName="ride_predictions", Data=b"", PartitionKey="256")
    assert shard_of(kinesis, "ride_predictions", "256") == response["ShardId"]


def test_the_record_to_paste_is_an_event_the_model_accepts(kinesis: Any) -> None:
    put, *_ = commands(kinesis)
    assert put[:3] == ["aws", "kinesis", "put-record"]
    assert option(put, "--endpoint-url") == "http://127.0.0.1:4566"
    assert option(put, "--stream-name") == "ride_events"
    data = option(put, "--data").encode()
    assert RideModel({}, version="1").decode(data, arrived_at=0.0) is not None
    assert option(put, "--partition-key") == str(msgspec.json.decode(data)["ride_id"])


def test_the_command_for_version_2_says_that_the_data_is_text(kinesis: Any) -> None:
    version_1, version_2, *_ = commands(kinesis)
    assert version_2 == [*version_1, "--cli-binary-format", "raw-in-base64-out"]


def test_the_prediction_is_read_from_the_shard_it_is_put_on(kinesis: Any) -> None:
    text = paste_commands(kinesis, "ride_events", "ride_predictions")
    named = re.search(r"--stream-name ride_predictions --shard-id (\S+)", text)
    assert named is not None
    assert named[1] == shard_of(kinesis, "ride_predictions", "256")
    *_, read = commands(kinesis)
    assert "Records[?PartitionKey=='256'].Data | [-1]" in read


def test_the_region_is_that_of_the_streams(kinesis: Any) -> None:
    assert "AWS_DEFAULT_REGION=eu-west-1" in paste_commands(
        kinesis, "ride_events", "ride_predictions"
    )


def test_a_line_fits_a_terminal_of_80_columns(kinesis: Any) -> None:
    lines = paste_commands(kinesis, "ride_events", "ride_predictions").splitlines()
    data = [line for line in lines if "--data" in line]
    assert max(len(line) for line in lines if line not in data) <= 80


@pytest.mark.parametrize(
    ("endpoint_url", "dummy_credentials"),
    [("http://127.0.0.1:4566", True), ("https://kinesis.eu-west-1.amazonaws.com", False)],
)
def test_aws_itself_is_called_with_the_users_own_credentials(
    kinesis: Any, endpoint_url: str, *, dummy_credentials: bool
) -> None:
    kinesis.meta.endpoint_url = endpoint_url
    text = paste_commands(kinesis, "ride_events", "ride_predictions")
    assert ("AWS_ACCESS_KEY_ID=local" in text) == dummy_credentials


@pytest.mark.parametrize(
    ("endpoint_url", "command"),
    [
        ("http://127.0.0.1:4566", "make put PU=130 DO=205 MILES=3.66"),
        (
            "http://127.0.0.1:39617",
            "make put PU=130 DO=205 MILES=3.66 ENDPOINT=http://127.0.0.1:39617",
        ),
    ],
)
def test_the_command_to_try_names_the_endpoint_only_if_it_must(
    endpoint_url: str, command: str
) -> None:
    assert put_command(SMALLEST_RIDE, endpoint_url) == command


def test_the_commands_for_aws_are_kept_in_a_file(kinesis: Any, tmp_path: Path) -> None:
    path = write_commands(kinesis, "ride_events", "ride_predictions", tmp_path)
    assert path.read_text() == paste_commands(kinesis, "ride_events", "ride_predictions")
