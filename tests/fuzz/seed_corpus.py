"""The seed corpus: a few inputs for each target, and a dictionary of the formats' words."""

import gzip
import json
from pathlib import Path

from tests.fuzz.decision_target import SEEDS as CHECK_RESULTS
from tests.fuzz.draw import GOOD_RIDE
from tests.fuzz.web_target import SEEDS as WEB_BODIES
from tests.kpl_aggregation import aggregate_of, entry, field
from tests.lambda_events import ARN, SHARD, record

FULL_RIDE = json.dumps(
    {
        "event_type": "ride_started",
        "ride_id": "r-é",
        "ride": {
            "PULocationID": 1,
            "DOLocationID": 265,
            "trip_distance": 0,
            "pickup_datetime": "2025-03-09T02:30:00.5-05:00",
            "passenger_count": 1,
            "payment_type": None,
            "deep": [[{"a": [1e300, -0.0, True]}]],
        },
    },
    ensure_ascii=False,
).encode()

RIDE = {
    "PULocationID": 1,
    "DOLocationID": 2,
    "trip_distance": 1e-7,
    "pickup_datetime": "20250301T081500Z",
}

DEAD_LETTER_RECORD = {
    "data": "eA==",
    "event_id": f"{SHARD}:1",
    "stream": "ride_events",
    "shard_id": SHARD,
    "sequence_number": "1",
    "partition_key": "1",
    "arrived_at": "2025-03-01T13:15:00.123Z",
    "error_type": "InvalidEvent",
    "error_message": "ride_id is ''; allowed: a string",
}

DISCARDED_BATCH = {
    "requestContext": {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 3},
    "KinesisBatchInfo": {
        "shardId": SHARD,
        "streamArn": ARN,
    },
    "payload": json.dumps({"Records": [record(b"x")]}),
}

SEEDS: dict[str, tuple[bytes, ...]] = {
    "record": (  # the first byte chooses the frame: none, aggregated record, gzip
        b"\x00" + GOOD_RIDE,
        b"\x00" + gzip.compress(GOOD_RIDE) + gzip.compress(b"more"),
        b"\x00" + aggregate_of("k", [entry(b"abc")]),
        b"\x01" + field(1, b"key") + 2 * entry(b"abc"),
        b"\x01" + field(1, b"key") + entry(GOOD_RIDE),
        b"\x01\x0a\x03key\x12\x01h\x1a\x0b\x08\x00\x10\x00\x1a\x01a\x22\x02\x0a\x00",
        b"\x01\x0a\x01k\x12\x03170\x1b\x0a\x01x\x1c\x1d1234\x1a\x07\x08\x00\x10\x00\x1a\x01a",
        b"\x02" + gzip.compress(GOOD_RIDE)[2:],
        b"\x02" + gzip.compress(b"a")[2:] + b"\0\0" + gzip.compress(b"b"),
    ),
    "event": (
        GOOD_RIDE,
        FULL_RIDE,
        b'{"event_type":"ride_ended","ride_id":7}',
        b'{"event_type":"ride\\u005fstarted","ride_id":7,"ride":[]}',
        b'{"event_type":[[],{}],"ride_id":"\\ud800"}',
        b'{"ride_id":7,"ride":{"PULocationID":1,"DOLocationID":2,"trip_distance":-Infinity}}',
        b'{"ride_id":"\\ud83d\\ude95","ride":%s}' % json.dumps(RIDE).encode(),
    ),
    "ride_ended": (
        b'{"event_type":"ride_ended","ride_id":7}',
        (
            b'{"event_type":"ride\\u005fended","ride_id":"r-\xc3\xa9","dropoff_datetime":'
            b'"2025-03-09T02:30:00.5-05:00","tip_amount":2.5,"payment_type":null}'
        ),
        b'{"event_type":"ride_ended","ride_id":7,"dropoff_datetime":"2025-11-02 01:30"}',
        b'{"event_type":"ride_ended","ride_id":7,"tip_amount":-Infinity}',
        b'{"event_type":[[],{}],"ride_id":"\\ud800"}',
        GOOD_RIDE,
    ),
    "handler": (
        bytes(range(256)),
        b"\x01\x00\x00\x06",
        b"\x01\x03\x02\x03\x01\x10\x00\x01\x08\x00\x02\x00\x0f\x00\x00\x0f\x00\x00\x0f",
        b"\x01\x00\x00\x01\x05\x01\x05\x01\x04\x00\xd8\x00\xd8",
    ),
    "dead_letters": (
        json.dumps(DEAD_LETTER_RECORD).encode() + b"\n" + json.dumps(DEAD_LETTER_RECORD).encode(),
        json.dumps(DISCARDED_BATCH).encode(),
        json.dumps({**DEAD_LETTER_RECORD, "explicit_hash_key": "170"}).encode(),
    ),
    "location": (
        b"s3://bucket/prefix",
        b"file:///dead%20letters",
        b"s3://me:secret@bucket:9000/x",
    ),
    "check_result": CHECK_RESULTS,
    "web_body": WEB_BODIES,
}

WORDS: tuple[bytes, ...] = (
    b"\x1f\x8b\x08\x00",
    b"\xf3\x89\x9a\xc2",
    b"\x0a\x01k",
    b"\x1a\x05\x08\x00\x1a\x01x",
    b"\x08\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b'"ride":{',
    b'"ride_id":',
    b'"PULocationID":',
    b'"DOLocationID":',
    b'"trip_distance":',
    b'"pickup_datetime":"2025-03-01T08:15:00',
    b'"passenger_count":',
    b'"payment_type":',
    b'"event_type":"ride_started"',
    b'"event_type":"ride_ended"',
    b'"dropoff_datetime":"',
    b'"tip_amount":',
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"-0.0",
    b"265",
    b"9223372036854775808",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"0001-01-01T00:00:00+14:00",
    b"9999-12-31T23:59:59",
    b'"error_type":"',
    b'"explicit_hash_key":"',
    b"file:///",
    b'"model":"language_model"',
    b'"prediction":{"upload_id":',
    b"s3://",
    b"%00",
    b'"payload":"{\\"Records\\":[',
)


def write_seeds(target: str, corpus: Path) -> None:
    """Write a target's seeds to its corpus, beside the inputs that earlier runs kept."""
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[target]):
        (corpus / f"seed-{number}").write_bytes(seed)


def write_dictionary(path: Path) -> None:
    r"""Write the words in libFuzzer's format: one quoted string per line, bytes as `\xNN`."""
    lines = ('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in WORDS)
    path.write_text("".join(lines))
