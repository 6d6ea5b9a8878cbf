"""Batches of rides as Lambda passes them to a handler: the same rides in every run."""

import base64
import itertools
from datetime import datetime
from functools import lru_cache
from random import Random
from typing import Any

import msgspec

from demo.ride_generator import RideEvent, generate_rides, read_statistics
from tests.kpl_aggregation import aggregate_of, entry

SHARD = "shardId-000000000000"
FIRST_SEQUENCE_NUMBER = 49630081666084879290581185630324770398608704880802529282
ARRIVED = 1_740_834_900.0
RECORDS_PER_SECOND = 1_000  # a shard's write limit
WEEK = datetime(2025, 2, 24)  # noqa: DTZ001  New York's local time
SEED = 1


def rides(count: int) -> list[RideEvent]:
    """Return that many generated ride events."""
    generated = generate_rides(
        read_statistics(),
        Random(SEED),  # noqa: S311  the same rides in every run
        first_ride_id=1,
        week=WEEK,
    )
    return list(itertools.islice(generated, count))


@lru_cache
def batch(count: int) -> dict[str, Any]:
    """Return a batch of `count` records with one ride each."""
    return _event([msgspec.json.encode(ride) for ride in rides(count)])


@lru_cache
def aggregated_batch(count: int) -> dict[str, Any]:
    """Return a batch of one record that aggregates `count` rides."""
    return _event(
        [aggregate_of("key", [entry(msgspec.json.encode(ride)) for ride in rides(count)])]
    )


def _event(payloads: list[bytes]) -> dict[str, Any]:
    """Return the event for the given record data (Lambda developer guide, Kinesis)."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": str(index),
                    "sequenceNumber": str(FIRST_SEQUENCE_NUMBER + index),
                    "data": base64.b64encode(payload).decode(),
                    "approximateArrivalTimestamp": ARRIVED + index // 10 * 10 / RECORDS_PER_SECOND,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{SHARD}:{FIRST_SEQUENCE_NUMBER + index}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
                "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/ride_events",
            }
            for index, payload in enumerate(payloads)
        ]
    }
