"""Commands to paste into a second terminal: `make put`, and those of the `aws` command line."""

import hashlib
import json
from pathlib import Path
from typing import Any

from cli.endpoint import EMBEDDED
from streaming.clients import EMULATOR_KEY, is_aws
from streaming.reader.shard_reader import shard_pages

RIDE_ID = 256
SMALLEST_EVENT = {
    "ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66},
    "ride_id": RIDE_ID,
}
LOOK_BACK_SECONDS = 60
EMULATOR_CREDENTIALS = (
    f"export AWS_ACCESS_KEY_ID={EMULATOR_KEY} AWS_SECRET_ACCESS_KEY={EMULATOR_KEY}"
)
SMALLEST_RIDE = "PU=130 DO=205 MILES=3.66"
ANY_EVENT = "JSON='{...}'"


def put_command(event: str, endpoint_url: str) -> str:
    """Return the command that puts an event and shows its prediction.

    Args:
        event: Variables of `make put`.
        endpoint_url: The endpoint that the stream is at.
    """
    endpoint = "" if endpoint_url == EMBEDDED else f" ENDPOINT={endpoint_url}"
    return f"make put {event}{endpoint}"


def write_commands(client: Any, rides: str, predictions: str, folder: Path) -> Path:
    """Write `paste_commands` to a file in a folder and return its path."""
    path = folder / "commands.txt"
    path.write_text(paste_commands(client, rides, predictions))
    return path


def shard_of(client: Any, stream_name: str, partition_key: str) -> str:
    """Return the id of the shard that a partition key's records go to.

    A key belongs to the open shard whose range holds its MD5 hash (Kinesis Data Streams API
    reference, PutRecord).
    """
    md5 = hashlib.md5(partition_key.encode(), usedforsecurity=False).hexdigest()
    return next(
        str(shard["ShardId"])
        for page in shard_pages(client, stream_name)
        for shard in page["Shards"]
        if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        and int(shard["HashKeyRange"]["StartingHashKey"]) <= int(md5, 16)
        and int(md5, 16) <= int(shard["HashKeyRange"]["EndingHashKey"])
    )


def paste_commands(client: Any, rides: str, predictions: str) -> str:
    """Return the commands that put the smallest event and read its prediction.

    Version 1 of the command line takes a record's data as text, version 2 as base64 by default.

    Args:
        client: A boto3 Kinesis client.
        rides: The stream to put on.
        predictions: The stream to read.
    """
    endpoint_url, region = client.meta.endpoint_url, client.meta.region_name
    shard_id = shard_of(client, predictions, str(RIDE_ID))
    credentials = "" if is_aws(endpoint_url) else f"  {EMULATOR_CREDENTIALS}\n"
    put = f"""\
  aws kinesis put-record --endpoint-url {endpoint_url} \\
    --stream-name {rides} --partition-key {RIDE_ID} \\
    --data '{json.dumps(SMALLEST_EVENT, separators=(",", ":"))}'"""
    return f"""\
Put your own ride, in a second terminal:

{credentials}  export AWS_REGION={region} AWS_DEFAULT_REGION={region}

With version 1 of the aws command (see aws --version):

{put}

With version 2:

{put} \\
    --cli-binary-format raw-in-base64-out

Read its prediction:

  ITERATOR=$(aws kinesis get-shard-iterator --query ShardIterator \\
    --output text --endpoint-url {endpoint_url} \\
    --stream-name {predictions} --shard-id {shard_id} \\
    --shard-iterator-type AT_TIMESTAMP \\
    --timestamp $(($(date +%s) - {LOOK_BACK_SECONDS})))
  aws kinesis get-records --endpoint-url {endpoint_url} \\
    --shard-iterator "$ITERATOR" --output text \\
    --query "Records[?PartitionKey=='{RIDE_ID}'].Data | [-1]" | base64 --decode; echo
"""
