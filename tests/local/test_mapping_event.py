import json
from datetime import timedelta

from local.mapping_event import EventEncoder, event_payload
from streaming.shards import StreamRecord
from tests.fakes.clock import EPOCH
from tests.local.records import STREAM_ARN, batch


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
