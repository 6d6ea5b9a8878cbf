"""Replays real trips as ride events, in the order of their pickups."""

import importlib
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.errors import RidesUnavailable
from demo.ride_generator import RideEvent

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements" / "parquet.txt"

_PICKUP = "lpep_pickup_datetime"
_ZONES = ("PULocationID", "DOLocationID")
_DISTANCE = "trip_distance"
_CODES = ("passenger_count", "payment_type")
_COLUMNS = (_PICKUP, *_ZONES, _DISTANCE, *_CODES)

# What the events' contract allows.
_LAST_ZONE = 265
_MOST_MILES = 1_000

_CHUNK_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Replay:
    """The trips of a file that keep the contract.

    Attributes:
        table: A pyarrow table, the earliest pickup first.
        skipped: How many rows violate the contract: a zone outside 1-265, a distance that is
            missing, negative or above 1,000 miles, no pickup time.
    """

    table: Any
    skipped: int

    def rides(self, *, first_ride_id: int) -> Iterator[RideEvent]:
        """Yield the trips as `ride_started` events.

        Args:
            first_ride_id: The first ride's id; the next ones count up from it.
        """
        ride_id = first_ride_id
        for batch in self.table.to_batches(max_chunksize=_CHUNK_ROWS):
            for trip in batch.to_pylist():
                started = trip.pop(_PICKUP).isoformat()
                ride = {**trip, "pickup_datetime": started}
                yield {"event_type": "ride_started", "ride_id": ride_id, "ride": ride}
                ride_id += 1


def open_replay(
    path: Path, *, import_module: Callable[[str], Any] = importlib.import_module
) -> Replay:
    """Read a green-taxi month as the TLC publishes it.

    Args:
        path: A parquet file.
        import_module: Imports a module by its name.

    Raises:
        RidesUnavailable: The file does not exist, cannot be read or lacks a column, or no parquet
            reader is installed; the message says which.
    """
    if not path.exists():
        raise RidesUnavailable(f"no such file: {path}")
    try:
        arrow, compute, parquet = (
            import_module(name) for name in ("pyarrow", "pyarrow.compute", "pyarrow.parquet")
        )
    except ImportError as error:
        raise RidesUnavailable(
            f"replaying trips needs a parquet reader: {install_command(sys.executable, Path.cwd())}"
        ) from error
    try:
        present = parquet.read_schema(path).names
        if missing := [column for column in _COLUMNS if column not in present]:
            raise RidesUnavailable(f"{path} has no column {', '.join(missing)}")
        return _clean(parquet.read_table(path, columns=list(_COLUMNS)), arrow, compute)
    except (OSError, arrow.ArrowInvalid) as error:
        raise RidesUnavailable(f"cannot read the trips in {path}: {error}") from error


def install_command(python: str, folder: Path) -> str:
    """Return the command that installs a parquet reader.

    Args:
        python: The absolute path of the Python to install it for.
        folder: Where the command is run; paths below it are relative to it.
    """
    program, requirements = (
        shlex.quote(str(path.relative_to(folder) if path.is_relative_to(folder) else path))
        for path in (Path(python), REQUIREMENTS)
    )
    return f"{program} -m pip install --require-hashes -r {requirements}"


def _clean(trips: Any, pa: Any, pc: Any) -> Replay:
    """Convert the columns, whose types differ by year, and drop rows that violate the contract."""
    numbers = {column: pc.cast(trips[column], pa.float64()) for column in _COLUMNS[1:]}
    whole = {
        column: pc.cast(
            pc.if_else(pc.is_finite(numbers[column]), numbers[column], None), pa.int64()
        )
        for column in (*_ZONES, *_CODES)
    }
    table = pa.table(
        {
            _PICKUP: pc.cast(trips[_PICKUP], pa.timestamp("s"), safe=False),
            **{column: whole[column] for column in _ZONES},
            _DISTANCE: numbers[_DISTANCE],
            **{column: whole[column] for column in _CODES},
        }
    )
    keep = pc.and_(
        pc.greater_equal(table[_DISTANCE], 0), pc.less_equal(table[_DISTANCE], _MOST_MILES)
    )
    for zone in _ZONES:
        inside = pc.and_(pc.greater_equal(table[zone], 1), pc.less_equal(table[zone], _LAST_ZONE))
        keep = pc.and_(keep, inside)
    keep = pc.and_(keep, pc.is_valid(table[_PICKUP]))
    kept = table.filter(keep).sort_by(_PICKUP)
    return Replay(kept, skipped=len(table) - len(kept))
