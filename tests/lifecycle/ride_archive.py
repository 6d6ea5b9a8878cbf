"""A small archive of rides, written as the archive's own writer does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lifecycle.ride_tables import RIDE_ENDED, RIDE_PREDICTIONS, RIDE_STARTED
from streaming.archive.parquet_file import folder_of, parquet_file

if TYPE_CHECKING:
    from pathlib import Path

    from streaming.archive.table import Table

NOON = datetime(2025, 3, 1, 17, tzinfo=UTC)
"""In New York, which is five hours behind in winter."""

MODEL = "ride_duration_tip_prediction_model"
TABLES = {table.name: table for table in (RIDE_STARTED, RIDE_ENDED, RIDE_PREDICTIONS)}


def at(minutes: float) -> datetime:
    """Return a time so many minutes after noon in New York."""
    return NOON + timedelta(minutes=minutes)


class RideArchive:
    """Collects rows; each `write` makes a file of those of a table, in the order given.

    Args:
        folder: The archive's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = folder.as_uri()
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self._files = 0

    def start(self, ride_id: str, pickup: datetime, **changes: Any) -> str:
        """Add a ride's start; return its event_id."""
        event_id = changes.pop("event_id", f"shard:{len(self._rows['ride_started'])}")
        self._rows["ride_started"].append(
            {
                "event_id": event_id,
                "ride_id": ride_id,
                "arrived_at": pickup,
                "pickup_datetime": pickup,
                "PULocationID": 130,  # Queens
                "DOLocationID": 205,
                "trip_distance": 3.66,
                "passenger_count": 1,
                "payment_type": 1,
                **changes,
            }
        )
        return str(event_id)

    def end(self, ride_id: str, dropoff: datetime, **changes: Any) -> None:
        """Add a ride's end."""
        self._rows["ride_ended"].append(
            {
                "event_id": f"shard:end-{len(self._rows['ride_ended'])}",
                "ride_id": ride_id,
                "arrived_at": dropoff,
                "dropoff_datetime": dropoff,
                "tip_amount": 2.0,
                "payment_type": 1,
                **changes,
            }
        )

    def predict(self, event_id: str, ride_id: str, minutes: float | None, **changes: Any) -> None:
        """Add a prediction of an event."""
        self._rows["predictions"].append(
            {
                "event_id": event_id,
                "model": MODEL,
                "version": "one",
                "stream": "ride_events",
                "ride_id": ride_id,
                "arrived_at": NOON,
                "published_at": NOON,
                "ride_duration": minutes,
                "ride_duration_low": None,
                "ride_duration_high": None,
                "ride_tip": None,
                **changes,
            }
        )

    def ride(
        self, ride_id: str, pickup: datetime, minutes: float | None, **predicted: float
    ) -> None:
        """Add a ride with its end, if it has one, and a prediction by each version.

        Args:
            ride_id: Its id.
            pickup: When it began.
            minutes: How long it took; None: it has not ended.
            predicted: Minutes by version.
        """
        event_id = self.start(ride_id, pickup)
        if minutes is not None:
            self.end(ride_id, pickup + timedelta(minutes=minutes))
        for version, value in predicted.items():
            self.predict(event_id, ride_id, value, version=version)

    def write(self) -> str:
        """Write what was added since the last write; return the archive's location."""
        for name, rows in self._rows.items():
            if rows:
                self._write(TABLES[name], rows)
                rows.clear()
        return self.url

    def _write(self, table: Table, rows: list[dict[str, Any]]) -> None:
        names = [column.name for column in table.columns]
        content = parquet_file(table, [tuple(row[name] for name in names) for row in rows])
        self._files += 1
        path = self.folder / folder_of(table, NOON) / f"{self._files}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def no_client() -> Any:
    """Fail in place of an S3 client: the archive is a folder."""
    raise AssertionError
