"""What stands in for AWS: where the soak's streams and its dead letters are."""

from collections.abc import Iterator
from typing import Any

import msgspec

from streaming.clients import aws_client
from tests.soak.reconciliation import Arrived

BUCKET = "soak"
PREFIX = "dead-letters"
READ_LIMIT = 10_000


class Letter(msgspec.Struct):
    """The part of a dead letter that is checked; msgspec reads base64 as bytes."""

    event_id: str
    data: bytes


def read_stream(client: Any, stream_name: str) -> Iterator[Arrived]:
    """Read all that a stream holds now, parents before children, with nothing but plain calls.

    It shares no code with the reader that is under test.
    """
    pages = client.get_paginator("list_shards").paginate(StreamName=stream_name)
    shards = [shard for page in pages for shard in page["Shards"]]
    for shard in sorted(shards, key=lambda each: str(each["ShardId"])):
        iterator = client.get_shard_iterator(
            StreamName=stream_name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            answer = client.get_records(ShardIterator=iterator, Limit=READ_LIMIT)
            for record in answer["Records"]:
                yield Arrived(shard["ShardId"], record["SequenceNumber"], record["Data"])
            if not answer["Records"] and not answer["MillisBehindLatest"]:
                break
            iterator = answer.get("NextShardIterator")


class DeadLetterBucket:
    """The bucket that the function writes its dead letters to.

    Args:
        endpoint_url: S3's stand-in, without faults.

    Attributes:
        payloads: By event id: the payloads of the dead letters found so far.
        doubles: How many dead letters were found again, in another object.
    """

    def __init__(self, endpoint_url: str) -> None:
        self.payloads: dict[str, bytes] = {}
        self.doubles = 0
        self._client = aws_client("s3", endpoint_url)
        self._read: set[str] = set()
        self._client.create_bucket(Bucket=BUCKET)

    @property
    def location(self) -> str:
        """What the function's `DEAD_LETTERS` is set to."""
        return f"s3://{BUCKET}/{PREFIX}"

    def look(self) -> None:
        """Read the objects that are new."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        for key in keys:
            if key not in self._read:
                self._read.add(key)
                self._take(self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def _take(self, lines: bytes) -> None:
        for line in lines.splitlines():
            letter = msgspec.json.decode(line, type=Letter)
            self.doubles += letter.event_id in self.payloads
            self.payloads[letter.event_id] = letter.data
