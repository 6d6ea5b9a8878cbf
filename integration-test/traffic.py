"""What the test puts on the stream: rides in every supported encoding, and poison."""

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass

from aws_kinesis_agg.aggregator import RecordAggregator

from demo.ride_generator import read_statistics
from demo.ride_sources import drawn_rides
from streaming.publisher import Entry

RIDES = 240
AGGREGATES, AGGREGATED = 4, 20
ZIPPED = 40

POISON = (
    b"not JSON at all",
    b'{"ride": {"PULocationID": 999, "DOLocationID": 205, "trip_distance": 3.66}, "ride_id": 1}',
    gzip.compress(b'{"ride_id": 2}')[:-9],
)
UNRECOGNISED = b'{"event_type": "ride_ended", "ride_id": 3}'

BY_HAND = {
    "ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66},
    "ride_id": "put by hand",
}
"""The smallest event of the contract; the test puts it with the `aws` command."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The records to put, and the results to expect.

    Attributes:
        entries: Kinesis records, some of which hold many user records.
        ride_ids: The rides to be predicted.
        poison: The data of the expected dead-letter records.
        unrecognised: How many user records are of an unrecognised event type.
    """

    entries: list[Entry]
    ride_ids: frozenset[int]
    poison: tuple[bytes, ...]
    unrecognised: int

    @property
    def user_records(self) -> int:
        """How many user records there are in all."""
        return len(self.ride_ids) + len(self.poison) + self.unrecognised


def traffic() -> Traffic:
    """Draw rides, and encode them plain, gzipped and aggregated by Amazon's own library."""
    rides = [ride.entry for ride in drawn_rides(read_statistics(), count=RIDES, seed=1).rides]
    zipped, plain = rides[:ZIPPED], rides[ZIPPED:]
    in_aggregates, plain = plain[: AGGREGATES * AGGREGATED], plain[AGGREGATES * AGGREGATED :]
    malformed = [POISON[0].replace(b"at all", str(number).encode()) for number in range(AGGREGATES)]
    aggregates = [
        _aggregate([*in_aggregates[number::AGGREGATES], _entry("malformed", poison)])
        for number, poison in enumerate(malformed)
    ]
    corrupt = _aggregate(plain[:3])
    corrupt["Data"] = corrupt["Data"][:-1] + bytes([corrupt["Data"][-1] ^ 1])
    return Traffic(
        entries=[
            *plain,
            *(_entry(entry["PartitionKey"], gzip.compress(entry["Data"])) for entry in zipped),
            *aggregates,
            corrupt,
            *(_entry("poison", data) for data in POISON),
            _entry("unrecognised", UNRECOGNISED),
        ],
        ride_ids=frozenset(json.loads(entry["Data"])["ride_id"] for entry in rides),
        poison=(*POISON, *malformed, corrupt["Data"]),
        unrecognised=1,
    )


def _entry(key: str, data: bytes) -> Entry:
    return {"Data": data, "PartitionKey": key}


def _aggregate(entries: Iterable[Entry]) -> Entry:
    aggregator = RecordAggregator()
    for entry in entries:
        aggregator.add_user_record(entry["PartitionKey"], entry["Data"])
    key, _, data = aggregator.clear_and_get().get_contents()
    return _entry(key, data)
