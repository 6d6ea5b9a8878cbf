import threading
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from streaming.errors import StreamError, StreamUnavailable
from streaming.reader.checkpoints import LATEST, TRIM_HORIZON, Shard, StartingPosition
from streaming.reader.shard_reader import ShardReader, StreamRecord, list_shards
from tests.fakes.clock import EPOCH, Clock
from tests.fakes.kinesis import FakeKinesis

FIRST = "shardId-000000000000"
THROTTLED = "ProvisionedThroughputExceededException"


@pytest.fixture
def kinesis(clock: Clock) -> FakeKinesis:
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName="rides", ShardCount=1)
    return kinesis


def reader_of(
    kinesis: FakeKinesis,
    clock: Clock,
    start: StartingPosition = TRIM_HORIZON,
    shard_id: str = FIRST,
    **options: Any,
) -> ShardReader:
    parts: dict[str, Any] = {"clock": clock.now, "sleep": clock.sleep, "jitter": lambda: 1.0}
    return ShardReader(kinesis, "rides", shard_id, start, **parts, now=clock.utc, **options)


def retrying(reason: str) -> str:
    """Return what is logged when a shard will be read again."""
    return f"{FIRST}: cannot read the stream 'rides': {reason}, HTTP status 400); retrying"


def data(records: list[StreamRecord]) -> list[bytes]:
    return [record.data for record in records]


def iterators(kinesis: FakeKinesis) -> list[str]:
    return [
        call["ShardIteratorType"] for name, call in kinesis.calls if name == "get_shard_iterator"
    ]


def test_a_record_has_its_data_and_its_origin(kinesis: FakeKinesis, clock: Clock) -> None:
    clock.advance(1.5)
    [sequence_number] = kinesis.put("rides", "256", b"{}")
    [record] = reader_of(kinesis, clock).read()
    assert record == StreamRecord(
        shard_id=FIRST,
        sequence_number=sequence_number,
        partition_key="256",
        data=b"{}",
        arrived_at=EPOCH + timedelta(seconds=1.5),
    )
    assert record.event_id == f"{FIRST}:{sequence_number}"


def test_an_arrival_is_converted_to_utc() -> None:
    class Local:
        def get_shard_iterator(self, **_: object) -> dict[str, Any]:
            return {"ShardIterator": "i"}

        def get_records(self, **_: object) -> dict[str, Any]:
            arrived = EPOCH.astimezone(timezone(timedelta(hours=-5)))
            record = {"SequenceNumber": "1", "PartitionKey": "k", "Data": b""}
            return {"Records": [record | {"ApproximateArrivalTimestamp": arrived}]}

        def list_shards(self, **_: object) -> dict[str, Any]:
            return {}

    [record] = ShardReader(Local(), "rides", FIRST).read()
    assert record.arrived_at == EPOCH
    assert record.arrived_at.tzinfo is UTC


def test_reads_are_in_order_and_at_most_five_per_second(kinesis: FakeKinesis, clock: Clock) -> None:
    kinesis.put("rides", "k", *(b"%d" % number for number in range(20)))
    reader = reader_of(kinesis, clock)
    read = [data(reader.read(limit=2)) for _ in range(11)]
    assert [datum for batch in read for datum in batch] == [b"%d" % number for number in range(20)]
    assert clock.now() == pytest.approx(2.0)
    assert reader.due == pytest.approx(2.2)


def test_the_tip_is_reached_when_a_response_is_not_full_and_zero_behind_latest(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put("rides", "k", b"0", b"1", b"2")
    clock.advance(60)
    reader = reader_of(kinesis, clock)
    seen = []
    for limit in (2, 1, 1):
        records = reader.read(limit)
        seen.append((len(records), reader.millis_behind_latest, reader.at_tip))
    assert seen == [(2, 60_001, False), (1, 0, False), (0, 0, True)]


def test_reading_continues_after_an_empty_response_before_the_tip(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put("rides", "k", b"0")
    kinesis.empty_reads = 2
    reader = reader_of(kinesis, clock)
    assert [data(reader.read()) for _ in range(3)] == [[], [], [b"0"]]


def test_a_split_shard_is_read_to_its_shard_end_with_its_child_shards(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put("rides", "k", b"0", b"1")
    kinesis.split("rides", FIRST)
    reader = reader_of(kinesis, clock)
    seen = [(data(reader.read(limit=1)), reader.finished) for _ in range(2)]
    assert seen == [([b"0"], False), ([b"1"], True)]
    children = ("shardId-000000000001", "shardId-000000000002")
    assert reader.child_shards == tuple(Shard(child, parents=(FIRST,)) for child in children)
    calls = len(kinesis.calls)
    assert reader.read() == []
    assert len(kinesis.calls) == calls


def test_an_expired_iterator_is_renewed_after_the_last_record(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put("rides", "k", b"0", b"1")
    reader = reader_of(kinesis, clock)
    assert data(reader.read(limit=1)) == [b"0"]
    clock.advance(301)
    assert reader.read() == []
    assert data(reader.read()) == [b"1"]
    assert iterators(kinesis) == ["TRIM_HORIZON", "AFTER_SEQUENCE_NUMBER"]


def test_an_iterator_that_expires_before_the_first_record_is_renewed_at_the_starting_position(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put("rides", "k", b"before")
    clock.advance(10)
    reader = reader_of(kinesis, clock, StartingPosition.at(clock.utc()))
    reader.open()
    clock.advance(301)
    kinesis.put("rides", "k", b"after")
    assert data(reader.read() + reader.read()) == [b"after"]


def test_an_iterator_at_latest_that_expires_before_the_first_record_skips_nothing(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.put("rides", "k", b"before")
    clock.advance(10)
    reader = reader_of(kinesis, clock, LATEST)
    reader.open()
    clock.advance(1)
    kinesis.put("rides", "k", b"after")
    clock.advance(301)
    assert data(reader.read() + reader.read()) == [b"after"]
    assert iterators(kinesis) == ["LATEST", "AT_TIMESTAMP"]


def test_latest_means_the_time_of_the_first_attempt(
    kinesis: FakeKinesis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    kinesis.fail("get_shard_iterator", THROTTLED)
    reader = reader_of(kinesis, clock, LATEST)
    reader.open()
    kinesis.put("rides", "k", b"after")
    assert data(reader.read()) == [b"after"]
    assert caplog.messages == [retrying(f"{THROTTLED} (GetShardIterator")]


def test_a_clock_ahead_of_kinesis_only_delays_reading(
    kinesis: FakeKinesis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = clock.utc() + timedelta(seconds=2)
    reader = reader_of(kinesis, clock, StartingPosition.at(ahead))
    assert reader.read() == []
    clock.advance(2)
    kinesis.put("rides", "k", b"then")
    assert data(reader.read()) == [b"then"]
    assert caplog.messages == [retrying("InvalidArgumentException (GetShardIterator")]


def test_a_timestamp_in_the_past_that_kinesis_rejects_is_an_error(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    reader = reader_of(kinesis, clock, StartingPosition.at(EPOCH))
    clock.advance(60)
    kinesis.fail("get_shard_iterator", "InvalidArgumentException")
    with pytest.raises(StreamError, match="InvalidArgumentException"):
        reader.read()


class MalformedFirst:
    """A client whose first responses to GetRecords are malformed."""

    def __init__(self, kinesis: FakeKinesis, *responses: Any) -> None:
        self._kinesis = kinesis
        self._responses = list(responses)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kinesis, name)

    def get_records(self, **arguments: Any) -> Any:
        return self._responses.pop(0) if self._responses else self._kinesis.get_records(**arguments)


@pytest.mark.parametrize(
    "malformed", [{}, None, {"Records": None}, {"NextShardIterator": "x", "Records": [{}]}]
)
def test_a_malformed_response_loses_no_record(
    kinesis: FakeKinesis, clock: Clock, malformed: Any
) -> None:
    kinesis.put("rides", "k", b"0")
    client: Any = MalformedFirst(kinesis, malformed)
    reader = reader_of(client, clock)
    assert reader.read() == []
    assert data(reader.read()) == [b"0"]


@pytest.mark.parametrize("page", [{}, None, {"Shards": [{}]}])
def test_a_malformed_list_of_shards_may_be_retried(page: Any) -> None:
    class Malformed:
        def list_shards(self, **_: Any) -> Any:
            return page

    client: Any = Malformed()
    with pytest.raises(StreamUnavailable, match="cannot read the stream 'rides'"):
        list_shards(client, "rides")


def test_iterators_that_expire_at_once_are_renewed_within_the_rate_limit(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.fail("get_records", *["ExpiredIteratorException"] * 5)
    kinesis.put("rides", "k", b"0")
    reader = reader_of(kinesis, clock)
    assert [data(reader.read()) for _ in range(6)] == [[]] * 5 + [[b"0"]]
    assert clock.now() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "failure",
    [
        THROTTLED,
        "LimitExceededException",
        "InternalFailure",
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    ],
)
def test_transient_failures_are_retried_with_exponential_backoff(
    kinesis: FakeKinesis, clock: Clock, failure: str | Exception
) -> None:
    kinesis.put("rides", "k", b"0")
    kinesis.fail("get_records", *[failure] * 8)
    reader = reader_of(kinesis, clock)
    assert [data(reader.read()) for _ in range(9)] == [[]] * 8 + [[b"0"]]
    assert clock.sleeps == pytest.approx([0.3, 0.4, 0.6, 1.0, 1.8, 3.4, 5.2, 5.2])


def test_after_a_success_the_next_wait_is_short_again(kinesis: FakeKinesis, clock: Clock) -> None:
    kinesis.fail("get_records", THROTTLED, THROTTLED, None, THROTTLED)
    reader = reader_of(kinesis, clock)
    for _ in range(5):
        reader.read()
    assert clock.sleeps == pytest.approx([0.3, 0.4, 0.2, 0.3])


def test_after_a_failure_the_reader_is_no_longer_at_the_tip(
    kinesis: FakeKinesis, clock: Clock
) -> None:
    kinesis.fail("get_records", None, THROTTLED)
    reader = reader_of(kinesis, clock)
    assert [(reader.read(), reader.at_tip) for _ in range(2)] == [([], True), ([], False)]


def test_nothing_is_read_after_an_interrupted_wait(kinesis: FakeKinesis, clock: Clock) -> None:
    stopped = threading.Event()
    stopped.set()
    reader = ShardReader(kinesis, "rides", FIRST, clock=clock.now, sleep=stopped.wait)
    reader.read()
    calls = len(kinesis.calls)
    assert reader.read() == []
    assert len(kinesis.calls) == calls


@pytest.mark.parametrize("failure", ["AccessDeniedException", NoCredentialsError()])
def test_a_permanent_failure_is_an_error_that_names_the_stream(
    kinesis: FakeKinesis, clock: Clock, failure: str | Exception
) -> None:
    kinesis.fail("get_records", failure)
    with pytest.raises(StreamError, match=r"cannot read the stream 'rides': ") as caught:
        reader_of(kinesis, clock).read()
    assert not isinstance(caught.value, StreamUnavailable)


def test_a_shard_that_may_not_be_read_cannot_be_opened(kinesis: FakeKinesis, clock: Clock) -> None:
    kinesis.fail("get_shard_iterator", "AccessDeniedException")
    with pytest.raises(StreamError, match=r"AccessDeniedException \(GetShardIterator"):
        reader_of(kinesis, clock, LATEST).open()


def test_a_shard_that_expires_while_it_is_read_is_finished(
    kinesis: FakeKinesis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    [number, _] = kinesis.put("rides", "k", b"0", b"1")
    kinesis.split("rides", FIRST)
    reader = reader_of(kinesis, clock)
    assert data(reader.read(limit=1)) == [b"0"]
    clock.advance(25 * 3600)
    assert [reader.read(), reader.read()] == [[], []]
    assert reader.finished
    assert caplog.messages == [f"{FIRST} has expired; last position: {number}"]


@pytest.mark.parametrize(
    ("listing", "reason"),
    [
        (None, "ResourceNotFoundException (GetRecords"),
        ("LimitExceededException", "LimitExceededException (ListShards"),
    ],
)
def test_a_listed_shard_that_is_not_found_is_read_again(
    kinesis: FakeKinesis,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    listing: str | None,
    reason: str,
) -> None:
    kinesis.put("rides", "k", b"0")
    kinesis.fail("get_records", "ResourceNotFoundException")
    kinesis.fail("list_shards", listing)
    reader = reader_of(kinesis, clock)
    assert [data(reader.read()) for _ in range(2)] == [[], [b"0"]]
    assert not reader.finished
    assert caplog.messages == [retrying(reason)]


def test_a_shard_of_a_deleted_stream_is_an_error(kinesis: FakeKinesis, clock: Clock) -> None:
    reader = reader_of(kinesis, clock)
    kinesis.delete_stream(StreamName="rides")
    with pytest.raises(
        StreamError, match="cannot read the stream 'rides': ResourceNotFoundException"
    ) as caught:
        reader.read()
    assert not isinstance(caught.value, StreamUnavailable)


def test_all_pages_of_shards_are_listed_with_their_parent_shards(kinesis: FakeKinesis) -> None:
    kinesis.split("rides", FIRST)
    one, two, three = (f"shardId-00000000000{number}" for number in (1, 2, 3))
    kinesis.merge_shards(StreamName="rides", ShardToMerge=one, AdjacentShardToMerge=two)
    kinesis.page_size = 3
    assert list_shards(kinesis, "rides") == [
        Shard(FIRST, closed=True),
        Shard(one, parents=(FIRST,), closed=True),
        Shard(two, parents=(FIRST,), closed=True),
        Shard(three, parents=(one, two)),
    ]


def test_listing_distinguishes_a_missing_stream_from_an_unavailable_one(
    kinesis: FakeKinesis,
) -> None:
    with pytest.raises(
        StreamError, match=r"'nowhere': ResourceNotFoundException \(ListShards, HTTP status 400\)"
    ):
        list_shards(kinesis, "nowhere")
    for code in ("LimitExceededException", "ResourceInUseException"):
        kinesis.fail("list_shards", code)
        with pytest.raises(StreamUnavailable, match=rf"'rides': .*{code}"):
            list_shards(kinesis, "rides")
