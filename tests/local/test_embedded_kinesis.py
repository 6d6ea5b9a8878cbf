import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.embedded_kinesis import (
    HOST,
    EmbeddedKinesis,
    embedded_kinesis,
    ensure_stream,
    is_ready,
    without_aws_settings,
)
from local.errors import StartError
from streaming.clients import kinesis_client
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKinesis]:
    with embedded_kinesis(tmp_path_factory.mktemp("kinesis") / "kinesis.log", port=0) as kinesis:
        yield kinesis


@pytest.fixture
def client(embedded: EmbeddedKinesis) -> Iterator[Any]:
    client = kinesis_client(embedded.endpoint_url)
    yield client
    client.close()


def test_what_is_put_can_be_read(client: Any) -> None:
    assert ensure_stream(client, "rides", 2)
    client.put_record(StreamName="rides", Data=b"\x00ride", PartitionKey="256")

    shards = client.list_shards(StreamName="rides")["Shards"]
    found = [
        record["Data"]
        for shard in shards
        for record in client.get_records(
            ShardIterator=client.get_shard_iterator(
                StreamName="rides", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
        )["Records"]
    ]

    assert len(shards) == 2
    assert found == [b"\x00ride"]


def test_an_existing_stream_is_not_changed(client: Any) -> None:
    ensure_stream(client, "existing", 3)

    assert not ensure_stream(client, "existing", 1)
    assert len(client.list_shards(StreamName="existing")["Shards"]) == 3


def test_the_requested_port_needs_no_notice(embedded: EmbeddedKinesis) -> None:
    assert embedded.notice is None


def test_a_taken_port_is_reported_and_another_used(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with embedded_kinesis(tmp_path / "kinesis.log", port=port) as kinesis:
            other = int(kinesis.endpoint_url.rpartition(":")[2])
            assert is_ready(other)

    assert other != port
    assert kinesis.notice == f"Port {port} is taken; Kinesis is at {kinesis.endpoint_url}"
    assert not is_ready(other)


def test_a_server_that_cannot_start_is_an_error_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))  # no Python finds its library there

    with (
        pytest.raises(StartError, match=r"The embedded Kinesis ended: .+"),
        embedded_kinesis(tmp_path / "kinesis.log", port=0),
    ):
        pass


def test_an_environment_without_aws_settings_has_dummy_credentials_and_no_profile() -> None:
    environment = {"PATH": "/bin", "AWS_PROFILE": "expired", "AWS_SESSION_TOKEN": "mine"}

    assert without_aws_settings(environment) == {
        "PATH": "/bin",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


class Creating(FakeKinesis):
    """A Kinesis whose streams become active after some descriptions."""

    def __init__(self, clock: Clock, descriptions: int) -> None:
        super().__init__(clock)
        self._descriptions = descriptions

    def describe_stream_summary(self, *, StreamName: str) -> dict[str, Any]:
        response = super().describe_stream_summary(StreamName=StreamName)
        self._descriptions -= 1
        if self._descriptions >= 0:
            response["StreamDescriptionSummary"]["StreamStatus"] = "CREATING"
        return response


def test_a_new_stream_is_waited_for() -> None:
    clock = Clock()

    assert ensure_stream(Creating(clock, 3), "rides", 1, clock=clock.now, sleep=clock.sleep)
    assert len(clock.sleeps) == 3


def test_a_stream_that_does_not_become_active_is_an_error() -> None:
    clock = Clock()
    kinesis = Creating(clock, 1_000_000)

    with pytest.raises(StartError, match="stream rides is CREATING, not ACTIVE"):
        ensure_stream(kinesis, "rides", 1, clock=clock.now, sleep=clock.sleep)


def test_a_stream_that_may_not_be_created_is_an_error() -> None:
    kinesis = FakeKinesis(Clock())
    kinesis.fail("create_stream", "LimitExceededException")

    with pytest.raises(ClientError, match="LimitExceededException"):
        ensure_stream(kinesis, "rides", 1)
