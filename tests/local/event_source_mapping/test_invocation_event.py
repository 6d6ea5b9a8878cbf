import json
from datetime import timedelta

import pytest

from local.event_source_mapping.invocation_event import EventEncoder, count_done, event_payload
from streaming.reader.shard_reader import StreamRecord
from tests.fakes.clock import EPOCH
from tests.local.event_source_mapping.mapping_fixtures import (
    STREAM_ARN,
    batch,
    encoded,
    stream_record,
)


def test_a_record_has_lambdas_shape() -> None:
    record = StreamRecord(
        "shardId-000000000006",
        "49590338271490256608559692538361571095921575989136588898",
        "Zürich",
        b"Hello, this is a test.",
        EPOCH + timedelta(milliseconds=987),
    )

    event = json.loads(event_payload([EventEncoder(STREAM_ARN).encode(record)]))

    assert event == {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "Zürich",
                    "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                    "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
                    "approximateArrivalTimestamp": 1740834900.987,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": "shardId-000000000006:"
                "49590338271490256608559692538361571095921575989136588898",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
                "awsRegion": "us-east-1",
                "eventSourceARN": STREAM_ARN,
            }
        ]
    }


def test_a_records_size_is_what_it_adds_to_the_event() -> None:
    one, two = batch(1, 2)

    assert len(event_payload([one, two])) - len(event_payload([one])) == two.size


@pytest.mark.parametrize("response", [b"", b"null", b"{}", b'""'])
def test_an_empty_response_is_complete_success(response: bytes) -> None:
    assert count_done(response, batch(1, 2)) == 2


@pytest.mark.parametrize("response", [b'"\xff"', b"[" * 3000, b"{", b"\x00", b"NaN"])
def test_a_response_that_cannot_be_decoded_fails_the_whole_batch(response: bytes) -> None:
    assert count_done(response, batch(1, 2)) == 0


def test_a_partition_key_with_a_lone_surrogate_can_be_sent() -> None:
    record = stream_record(1, key="lone surrogate: \ud800")

    (sent,) = json.loads(event_payload([encoded(record)]))["Records"]

    assert sent["kinesis"]["partitionKey"] == "lone surrogate: ?"
