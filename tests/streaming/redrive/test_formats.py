from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import aggregation_writer
from streaming.errors import InvalidDeadLetter
from streaming.redrive.formats import (
    entry_of,
    read_dead_letter_records,
    stream_of_path,
)
from tests.dead_letter_objects import (
    aggregated,
    aggregated_dead_letters,
    dead_letter,
    discarded_batch,
)
from tests.kpl_aggregation import DAMAGED_AGGREGATES
from tests.lambda_events import SHARD

if TYPE_CHECKING:
    from streaming.publisher import Entry

ONE_ENTRY: Entry = {"Data": b"one", "PartitionKey": "one"}
ONE, TWO = dead_letter(b"one", 1), dead_letter(b"two", 2)


def lines(*records: Any) -> bytes:
    return b"".join(msgspec.json.encode(each) + b"\n" for each in records)


def changed(**fields: Any) -> bytes:
    return lines({**msgspec.to_builtins(ONE), **fields})


def test_dead_letter_records_are_read_back() -> None:
    assert read_dead_letter_records(lines(ONE, TWO)) == [ONE, TWO]


@pytest.mark.parametrize(
    ("raised", "ending"), [(True, "function error"), (False, "batch item failure")]
)
def test_a_discarded_batch_is_a_dead_letter_record_per_record(*, raised: bool, ending: str) -> None:
    first, second = read_dead_letter_records(discarded_batch(7, 8, raised=raised))

    assert (first.event_id, second.event_id) == (f"{SHARD}:7", f"{SHARD}:8")
    assert (first.stream, first.shard_id, first.sequence_number) == ("ride_events", SHARD, "7")
    assert first.arrived_at == "2025-03-01T13:15:00.123Z"
    assert first.error_type == "RetryAttemptsExhausted"
    assert first.error_message == f"{ending}: discarded by Lambda after 3 invocations"
    assert entry_of(second) == {"Data": b"event 8", "PartitionKey": "key 8"}


def test_a_record_is_redriven_as_received_with_its_partition_key() -> None:
    assert entry_of(ONE) == {"Data": b"one", "PartitionKey": "one"}


def test_a_record_is_redriven_with_its_explicit_hash_key() -> None:
    (record,) = read_dead_letter_records(changed(explicit_hash_key="170"))

    assert entry_of(record) == {"Data": b"one", "PartitionKey": "one", "ExplicitHashKey": "170"}


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"partition_key": None}, f"{SHARD}:1"),
        ({"partition_key": None, "event_id": None}, "ride_events"),
        ({"partition_key": "x" * 300}, "x" * 256),
    ],
)
def test_a_record_without_a_valid_partition_key_gets_one(fields: dict[str, Any], key: str) -> None:
    (record,) = read_dead_letter_records(changed(**fields))

    assert entry_of(record)["PartitionKey"] == key


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines(ONE) + b'{"data": ', "line 2 is not a dead-letter record: "),
        (b"\xff", "line 1 is not a dead-letter record: "),
        (lines({"event_type": "ride_started"}), "missing required field"),
        (changed(data="?"), "line 1 is not a dead-letter record: "),
        (changed(sequence_number="x"), "invalid literal for int"),
        (changed(explicit_hash_key=str(2**128)), "explicit_hash_key is not an integer below"),
        (changed(explicit_hash_key="x"), "explicit_hash_key is not an integer below"),
        (changed(arrived_at="today"), "Invalid isoformat string"),
        (changed(arrived_at="2025-03-01T13:15:00"), "no UTC offset"),
        (
            lines({**json.loads(discarded_batch(1)), "payload": "{}"}),
            "the discarded batch is damaged: Object missing required field `Records`",
        ),
        (
            lines(
                {
                    **json.loads(discarded_batch(1)),
                    "payload": json.loads(discarded_batch(1))["payload"][:-2],
                }
            ),
            "the discarded batch is damaged: ",
        ),
    ],
)
def test_content_that_is_not_a_dead_letter_record_is_rejected_with_its_line(
    content: bytes, message: str
) -> None:
    with pytest.raises(InvalidDeadLetter, match=message):
        read_dead_letter_records(content)


def test_an_aggregated_record_of_a_discarded_batch_is_read_as_its_user_records() -> None:
    content = discarded_batch(7, 8, data={7: aggregated(b"a", b"b")})

    first, second, third = read_dead_letter_records(content)

    assert [each.event_id for each in (first, second, third)] == [
        f"{SHARD}:7:0",
        f"{SHARD}:7:1",
        f"{SHARD}:8",
    ]
    expected = aggregated_dead_letters(7, b"a", b"b")
    for read, written in zip((first, second), expected, strict=True):
        reason = {"error_type": read.error_type, "error_message": read.error_message}
        assert read == msgspec.structs.replace(written, **reason)
    assert entry_of(second) == {"Data": b"b", "PartitionKey": "b"}


def test_an_entry_of_an_aggregated_record_keeps_its_explicit_hash_key() -> None:
    data = aggregation_writer.aggregate([ONE_ENTRY, ONE_ENTRY], "170")

    records = read_dead_letter_records(discarded_batch(7, data={7: data}))

    assert [entry_of(each) for each in records] == [{**ONE_ENTRY, "ExplicitHashKey": "170"}] * 2


def test_a_record_with_another_magic_number_is_no_aggregated_record() -> None:
    data = b"XXXX" + aggregated(b"a", b"b")[4:]

    (record,) = read_dead_letter_records(discarded_batch(7, data={7: data}))

    assert entry_of(record)["Data"] == data


@pytest.mark.parametrize("damage", DAMAGED_AGGREGATES)
def test_a_damaged_aggregated_record_of_a_discarded_batch_is_kept_whole(damage: str) -> None:
    data = DAMAGED_AGGREGATES[damage](b"a")

    (record,) = read_dead_letter_records(discarded_batch(7, data={7: data}))

    assert (record.event_id, entry_of(record)["Data"]) == (f"{SHARD}:7", data)


def test_a_discarded_batch_whose_payload_is_an_object_is_read_like_one_of_text() -> None:
    batch = json.loads(discarded_batch(7, 8))
    as_object = {**batch, "payload": json.loads(batch["payload"])}

    assert read_dead_letter_records(lines(as_object)) == read_dead_letter_records(lines(batch))


@pytest.mark.parametrize(
    ("path", "stream"),
    [
        ("s3://bucket/prefix/rides/2025/03/01/abc.jsonl", "rides"),
        ("rides/2025/03/01/abc.jsonl", "rides"),
        ("s3://bucket/2025/03/01/abc.jsonl", None),
        ("s3://bucket/rides/2025/03/01/abc.jsonl", "rides"),
        ("abc.jsonl", None),
        ("rides/abc.jsonl", None),
        ("aws/lambda/mapping/shardId-000000000000/2025/03/01/2025-03-01T13.15.00-x", None),
    ],
)
def test_the_stream_whose_dead_letters_an_object_is_among_is_in_its_path(
    path: str, stream: str | None
) -> None:
    assert stream_of_path(path) == stream


@given(st.binary(max_size=200))
def test_any_bytes_are_dead_letter_records_or_rejected(content: bytes) -> None:
    try:
        records = read_dead_letter_records(content)
    except InvalidDeadLetter:
        return
    assert not records
