"""What the soak's streams and dead letters hold, read from the AWS emulators without faults."""

from collections.abc import Iterator
from typing import Any

import msgspec

from streaming.clients import aws_client
from tests.soak.reconciliation import StoredRecord

BUCKET, PREFIX = "soak", "dead-letters"
READ_LIMIT = 10_000


class _DeadLetterRecord(msgspec.Struct):
    event_id: str
    data: bytes  # msgspec decodes base64


def read_stream(client: Any, stream_name: str) -> Iterator[StoredRecord]:
    """Read all records of a stream, parent shards before child shards.

    It shares no code with the reader under test.
    """
    pages = client.get_paginator("list_shards").paginate(StreamName=stream_name)
    for shard_id in sorted(shard["ShardId"] for page in pages for shard in page["Shards"]):
        iterator = client.get_shard_iterator(
            StreamName=stream_name, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            response = client.get_records(ShardIterator=iterator, Limit=READ_LIMIT)
            for record in response["Records"]:
                yield StoredRecord(shard_id, record["SequenceNumber"], record["Data"])
            if not response["Records"] and not response["MillisBehindLatest"]:
                break
            iterator = response.get("NextShardIterator")


class DeadLetterBucket:
    """The bucket that the function writes its dead letters to.

    Args:
        endpoint_url: The S3 emulator, without faults.

    Attributes:
        location: The function's `DEAD_LETTERS` setting.
        data: By event id: the data of the dead-letter records read so far.
    """

    location = f"s3://{BUCKET}/{PREFIX}"

    def __init__(self, endpoint_url: str) -> None:
        self.data: dict[str, bytes] = {}
        self._client = aws_client("s3", endpoint_url)
        self._read: set[str] = set()
        self._client.create_bucket(Bucket=BUCKET)

    def read_new(self) -> None:
        """Read the objects that were not read before."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = {item["Key"] for page in pages for item in page.get("Contents", ())}
        for key in keys - self._read:
            self._read.add(key)
            lines = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            for line in lines.splitlines():
                record = msgspec.json.decode(line, type=_DeadLetterRecord)
                self.data[record.event_id] = record.data
