"""The ride models over the columns of a table: every row is checked, most without being decoded.

`batch` predicts with this what it would otherwise decode row by row. A row that is not plainly
valid is left to `RideModel.decode`, whose errors are the contract's own words. The function never
imports this module.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FIELDS = (
    "ride.PULocationID",
    "ride.DOLocationID",
    "ride.trip_distance",
    "ride.pickup_datetime",
    "ride.passenger_count",
    "ride.payment_type",
)
"""The columns that are needed, by the event's field that each becomes."""

PREDICTED = ("ride_duration", "ride_duration_low", "ride_duration_high", "ride_tip")
"""The fields of a prediction that become columns, all numbers; one that a model lacks is null."""

_ZONES = (1, 265)
_MILES = (0, 1000)
_PASSENGERS = (0, 9)
_PAYMENTS = (0, 6)

_CARD = 1
"""The payment type that the tip depends on most."""

_DAY = 86_400
_CALENDAR = (np.datetime64("0001-01-01"), np.datetime64("9999-12-31"))
"""The dates that Python has."""

_SECOND = np.arange(_DAY)
_HOURS: NDArray[np.float32] = (
    _SECOND // 3600 + _SECOND % 3600 // 60 / 60 + _SECOND % 60 / 3600
).astype(np.float32)
"""Hours since midnight by the second of the day, in the arithmetic of `RideModel.decode`."""

Columns = Mapping[str, NDArray[Any]]


class ColumnModel(Protocol):
    """A `RideModel`, as far as it is needed here."""

    def predict_columns(self, inputs: Columns) -> Mapping[str, NDArray[np.float64]]:
        """Predict rides from a vector per feature."""


def predict_columns(
    model: ColumnModel, fields: Columns
) -> tuple[NDArray[np.bool_], Mapping[str, NDArray[np.float64]]]:
    """Predict the rows of a table that are plainly valid events.

    Args:
        model: The model.
        fields: A vector for each of `FIELDS`, [N]: numbers, where NaN is no value, and the pickup
            in New York local time as `datetime64[us]`, where NaT is none. A whole number may be a
            float.

    Returns:
        Which rows were predicted, [N]; and a vector per field of the prediction, with an element
        for each of those rows, in order.
    """
    pickup, dropoff, miles, at, passengers, payment = (fields[name] for name in FIELDS)
    valid = _whole(pickup, _ZONES) & _whole(dropoff, _ZONES)
    valid &= (miles >= _MILES[0]) & (miles <= _MILES[1])
    valid &= (at >= _CALENDAR[0]) & (at < _CALENDAR[1])
    valid &= _whole(passengers, _PASSENGERS) | _unknown(passengers)
    valid &= _whole(payment, _PAYMENTS) | _unknown(payment)
    rows = np.flatnonzero(valid)
    if not len(rows):
        return valid, {}
    order = np.argsort(_likeness(*(v[rows] for v in (pickup, dropoff, miles, payment))))
    chosen = rows[order]
    seconds = at[chosen].astype("datetime64[s]").astype(np.int64)
    values = {
        "PULocationID": pickup[chosen],
        "DOLocationID": dropoff[chosen],
        "trip_distance": miles[chosen],
        "hour": _HOURS[seconds % _DAY],
        "weekday": (seconds // _DAY + 3) % 7,  # the epoch was a Thursday
        "passenger_count": passengers[chosen],
        "payment_type": payment[chosen],
    }
    inputs = {name: vector.astype(np.float32) for name, vector in values.items()}
    predicted = {}
    for name, vector in model.predict_columns(inputs).items():
        predicted[name] = np.empty_like(vector)
        predicted[name][order] = vector
    return valid, predicted


def _likeness(
    pickup: NDArray[Any], dropoff: NDArray[Any], miles: NDArray[Any], payment: NDArray[Any]
) -> NDArray[np.int64]:
    """Return numbers that are close for rides that take the same way through most trees.

    In their order, the processor predicts its branches and has the trees' nodes at hand: a quarter
    less time. A prediction does not depend on the rides beside it.
    """
    pair = pickup.astype(np.int64) * (_ZONES[1] + 1) + dropoff.astype(np.int64)
    pair += (payment == _CARD) * (_ZONES[1] + 1) ** 2
    found: NDArray[np.int64] = pair * _MILES[1] * 128 + (miles * 64).astype(np.int64)
    return found


def _whole(values: NDArray[Any], bounds: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which values are whole numbers within bounds, both included; NaN is none."""
    inside: NDArray[np.bool_] = (values >= bounds[0]) & (values <= bounds[1])
    return inside if values.dtype.kind in "iu" else inside & (np.floor(values) == values)


def _unknown(values: NDArray[Any]) -> NDArray[np.bool_] | bool:
    return np.isnan(values) if values.dtype.kind == "f" else False
