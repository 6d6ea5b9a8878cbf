"""Where should a driver wait who just became free? Three zones, by expected minutes to a pickup.

    minutes(w) = minutes_there(z, w) + minutes_waiting(w, hour of the week)

for a driver who became free in zone z; the zone with the fewest is recommended, which may be z
itself: `minutes_there(z, z)` is 0. `waiting_times` says how both tables are learnt.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from streaming import DECODE_ERRORS, WHOLE_EVENT, InvalidEvent, Prediction, invalid_event

EVENT_TYPE = "ride_ended"
ALLOWED = {
    WHOLE_EVENT: "a JSON object",
    "driver_id": "a string of 1 to 128 characters",
    "ride_id": "a 64-bit integer or a string of 1 to 128 characters",
    "DOLocationID": "a TLC taxi zone: a whole number from 1 to 265",
    "dropoff_datetime": "an ISO 8601 date and time, such as 2025-03-01T08:36:00, or absent",
}
EXAMPLES = (
    b"""{"event_type": "ride_ended", "ride_id": 256, "driver_id": "d1", "DOLocationID": 236,
        "dropoff_datetime": "2025-03-03T08:36:00"}""",
    b'{"event_type": "ride_ended", "ride_id": "a", "driver_id": "d2", "DOLocationID": 74}',
)

TABLE = Path(__file__).with_name("zones.npz")
NEW_YORK = ZoneInfo("America/New_York")
LAST_PLACE = 263
"""Zones above have no place: 264 is "unknown", 265 is outside the city."""

LONGEST_WAIT = 360.0
"""Minutes; where hardly anybody is picked up, more precision means nothing."""

RECOMMENDED = 3
"""How many zones a recommendation names."""

HALF_MINUTES = 2
"""`minutes_there` is stored in halves of a minute."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
RideID = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | Text
Minutes = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


class RideEnded(msgspec.Struct):
    """What a recommendation needs of the end of a ride."""

    ride_id: RideID
    driver_id: Text
    DOLocationID: Annotated[int, msgspec.Meta(ge=1, le=265)]
    dropoff_datetime: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class FreeDriver(msgspec.Struct):
    """A driver who became free.

    Attributes:
        driver_id: The driver.
        ride_id: The ride that ended.
        zone: Where, 1 to 263.
        free_at: When, New York local time.
    """

    driver_id: str
    ride_id: int | str
    zone: int
    free_at: datetime


class Header(msgspec.Struct):
    """Says whether a record is the end of a ride."""

    event_type: Any = None


class Recommender:
    """Recommends where to wait; a driver's recommendations have the driver's id as partition key.

    Args:
        table: What `train_recommender` has written.
    """

    name, event_type = "recommender_model", "wait_recommended"
    output_stream, metrics_namespace = "driver_feed", "Recommender"

    def __init__(self, table: Path = TABLE) -> None:
        with np.load(table, allow_pickle=False) as found:
            self._there = found["minutes_there"].astype(np.float32) / HALF_MINUTES
            self._waiting = found["minutes_waiting"].astype(np.float32)
            self._names = found["names"].tolist()
        self.version = f"{zlib.crc32(table.read_bytes()):08x}"

    def decode(self, content: bytes, arrived_at: float) -> FreeDriver | None:
        """See `streaming.Model`; a drop-off in a zone without a place is skipped."""
        try:
            if msgspec.json.decode(content, type=Header).event_type != EVENT_TYPE:
                return None
            ended = msgspec.json.decode(content, type=RideEnded)
        except DECODE_ERRORS as error:
            raise invalid_event(content, error, ALLOWED) from error
        if ended.DOLocationID > LAST_PLACE:
            return None
        free_at = _free_at(ended.dropoff_datetime, arrived_at)
        return FreeDriver(ended.driver_id, ended.ride_id, ended.DOLocationID, free_at)

    def predict(self, events: Sequence[FreeDriver]) -> list[Prediction]:
        """See `streaming.Model`."""
        zones = np.array([event.zone for event in events])
        hours = np.array([hour_of_week(event.free_at) for event in events])
        minutes = self.minutes(zones, hours)
        best = np.argsort(minutes, axis=1, kind="stable")[:, :RECOMMENDED]
        return [
            Prediction(event.driver_id, self._recommendation(event, hour, found, chosen))
            for event, hour, found, chosen in zip(
                events, hours.tolist(), minutes, best.tolist(), strict=True
            )
        ]

    def minutes(self, zones: Indices, hours: Indices) -> Minutes:
        """Return the expected minutes to a pickup in each zone.

        Args:
            zones: Where drivers became free, [N].
            hours: In which hour of the week, [N].

        Returns:
            [N, 264], by zone; of zone 0, which is none, infinity.
        """
        expected: Minutes = self._there[zones] + self._waiting[hours]
        return expected

    def _recommendation(
        self, event: FreeDriver, hour: int, minutes: Minutes, chosen: list[int]
    ) -> dict[str, Any]:
        return {
            "driver_id": event.driver_id,
            "ride_id": event.ride_id,
            "free_at": event.free_at.isoformat(timespec="seconds"),
            "zone": event.zone,
            "name": self._names[event.zone],
            "advice": "stay" if chosen[0] == event.zone else "go",
            "minutes_if_staying": round(float(minutes[event.zone]), 1),
            "zones": [
                {
                    "zone": zone,
                    "name": self._names[zone],
                    "minutes_there": round(float(self._there[event.zone, zone]), 1),
                    "minutes_waiting": round(float(self._waiting[hour, zone]), 1),
                    "minutes": round(float(minutes[zone]), 1),
                }
                for zone in chosen
            ],
        }


def hour_of_week(local: datetime) -> int:
    """Return the hour of the week, 0 to 167; Monday's first hour is 0."""
    return 24 * local.weekday() + local.hour


def _free_at(text: str | None, arrived_at: float) -> datetime:
    if text is None:
        return datetime.fromtimestamp(arrived_at, NEW_YORK).replace(tzinfo=None)
    try:
        found = _date_and_time(text)
        return found if found.tzinfo is None else found.astimezone(NEW_YORK).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        field = "dropoff_datetime"
        raise InvalidEvent(field, text, ALLOWED[field]) from error


def _date_and_time(text: str) -> datetime:
    # Python accepts any separator, and a date without a time as midnight.
    if "T" not in text and " " not in text:
        raise ValueError("a date without a time")
    return datetime.fromisoformat(text)


def load_model(_environment: Mapping[str, str], _s3_client: Callable[[], Any]) -> Recommender:
    """Load the model."""
    return Recommender()
