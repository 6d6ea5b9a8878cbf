"""How a row of a table becomes the event that a producer would put on the stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batch.errors import SourceError

RIDE, AT = "_ride", "_at"
"""Columns of every row that is read, beside the table's own: its key as text, and its time."""

ZONE = "America/New_York"
"""The local time of tables: a time without an offset is this zone's, one with it is converted."""


@dataclass(frozen=True, slots=True)
class RowMapping:
    """SQL that makes the key, the time and the event of a row.

    Attributes:
        time: The column that says which interval a row belongs to.
        event: An SQL expression: the event's JSON, from the columns and `_ride`.
        columns: The columns that are read: those of `time`, `event`, `key` and `fields`.
        key: The column that names a row; None: the file and the row's number in it.
        fields: The column of each field of the event, where `event` says no more than that: a
            whole number may be a float there, and NaN stands for no value. Without them, rows are
            predicted from their events only.
    """

    time: str
    event: str
    columns: tuple[str, ...]
    key: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


PICKUPS = ("lpep_pickup_datetime", "tpep_pickup_datetime")
"""The pickup's column in the trip records of green and of yellow taxis."""

MACROS = """
CREATE MACRO whole_number(value) AS
    CASE WHEN abs(try_cast(value AS DOUBLE)) < 1e15
              AND try_cast(value AS DOUBLE) = trunc(try_cast(value AS DOUBLE))
         THEN to_json(CAST(try_cast(value AS DOUBLE) AS BIGINT))
         ELSE to_json(value) END;
CREATE MACRO optional_number(value) AS
    CASE WHEN try_cast(value AS DOUBLE) IS NULL OR NOT isnan(try_cast(value AS DOUBLE))
         THEN whole_number(value) END;
"""
"""What a mapping's `event` may use: a number as JSON, without a fraction that is 0 (the files of
some years have zones as text and counts as floats), and one for which NaN stands for no value."""

_ZONES = ("PULocationID", "DOLocationID")
_CODES = ("passenger_count", "payment_type")
_MILES = "trip_distance"


def trip_mapping(pickup: str, key: str | None = None) -> RowMapping:
    """Return the mapping of the TLC's trip records.

    A zone, count or code may be text or a float there, by year, and a missing one is null or NaN.
    """
    fields = {f"ride.{name}": name for name in (*_ZONES, *_CODES, _MILES)}
    members = [f"'{_MILES}', {_MILES}", f"'pickup_datetime', {quoted(pickup)}"]
    members += [f"'{name}', whole_number({name})" for name in _ZONES]
    members += [f"'{name}', optional_number({name})" for name in _CODES]
    ride_id = RIDE if key is None else quoted(key)
    return RowMapping(
        pickup,
        f"json_object('ride_id', {ride_id}, 'ride', json_object({', '.join(members)}))",
        tuple(dict.fromkeys((pickup, *_ZONES, *_CODES, _MILES, *([key] if key else [])))),
        key,
        {**fields, "ride.pickup_datetime": pickup},
    )


def row_mapping(
    types: Mapping[str, str],
    *,
    key: str | None = None,
    time: str | None = None,
    event: str | None = None,
) -> RowMapping:
    """Return the mapping of a table.

    Args:
        types: The type of each of its columns, in DuckDB's words.
        key: The column that names a row; None: the file and the row's number in it.
        time: The column with a row's time; None: that of the TLC's trip records.
        event: An SQL expression for the event; None: the TLC's trip records' own, else the column
            `event`, else the row as a JSON object.

    Raises:
        SourceError: A column is missing or of a wrong type.
    """
    if reserved := next((name for name in types if name.lower() in {RIDE, AT}), None):
        raise SourceError(
            f"the table has a column {reserved}; allowed: any name but {RIDE} and {AT}"
        )
    pickup = next((name for name in PICKUPS if name in types), None)
    if time is None and pickup is None:
        raise SourceError(
            f"the table has no column {' or '.join(PICKUPS)}; allowed: trip records, or TIME=, one "
            f"of {', '.join(types)}"
        )
    if pickup is not None and event is None and time in {None, pickup}:
        found = trip_mapping(pickup, key)
    else:
        found = _any_mapping(types, time or str(pickup), key, event)
    for name in (found.time, *([found.key] if found.key else []), *found.columns):
        if name not in types:
            raise SourceError(f"the table has no column {name}; it has {', '.join(types)}")
    if not types[found.time].startswith(("TIMESTAMP", "DATE")):
        raise SourceError(
            f"the column {found.time} is {types[found.time]}; allowed: TIMESTAMP or DATE"
        )
    return found


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _any_mapping(
    types: Mapping[str, str], time: str, key: str | None, event: str | None
) -> RowMapping:
    if event is None and "event" in types:
        event = "event" if types["event"] == "BLOB" else "CAST(event AS VARCHAR)"
    if event is None:
        members = ", ".join(f"{literal(name)}, {quoted(name)}" for name in types)
        event = f"json_object({members})"
    return RowMapping(time, event, tuple(types), key)
