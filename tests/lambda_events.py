"""Lambda's Kinesis events, in AWS's shape."""

from __future__ import annotations

import base64
import json
from typing import Any

SHARD = "shardId-000000000000"
ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/ride_events"
ARRIVED = 1740834900.123  # 2025-03-01T13:15:00.123Z

SMALLEST_RIDE = {
    "ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66},
    "ride_id": 256,
}


def ride(ride_id: int | str = 256, **changes: Any) -> bytes:
    """Return the smallest ride event with changed fields of `ride`; None removes a field."""
    fields = {**SMALLEST_RIDE["ride"], **changes}  # type: ignore[dict-item]  # a dict of dicts
    kept = {name: value for name, value in fields.items() if value is not None}
    return json.dumps({"ride": kept, "ride_id": ride_id}).encode()


def record(
    data: bytes, sequence_number: int = 1, *, key: str = "key", arrived: float = ARRIVED
) -> dict[str, Any]:
    """Build a record of an event."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": key,
            "sequenceNumber": str(sequence_number),
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": arrived,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{SHARD}:{sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
        "awsRegion": "us-east-1",
        "eventSourceARN": ARN,
    }


def event(*data: bytes, first: int = 1) -> dict[str, Any]:
    """Build an event of records with consecutive sequence numbers."""
    return {"Records": [record(each, number) for number, each in enumerate(data, first)]}
