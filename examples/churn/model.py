"""Will a customer stop riding? Logistic regression on what is known of them at a week's start."""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from streaming import DECODE_ERRORS, WHOLE_EVENT, Prediction, SettingsError, invalid_event

FEATURES = ("weeks_since_ride", "rides_4_weeks", "rides_12_weeks", "weeks_known", "late_pickups")
ALLOWED = {
    WHOLE_EVENT: "a JSON object",
    "customer": "a string of 1 to 128 characters",
    **dict.fromkeys(FEATURES, "a number, 0 or more"),
}
EXAMPLES = (
    b"""{"customer": "c1", "weeks_since_ride": 3, "rides_4_weeks": 1, "rides_12_weeks": 9,
        "weeks_known": 30, "late_pickups": 0.4}""",
)

Vector = npt.NDArray[np.float64]
Count = Annotated[float, msgspec.Meta(ge=0)]


class Customer(msgspec.Struct):
    """What is known of a customer when a week starts.

    Attributes:
        customer: The customer's id.
        weeks_since_ride: Weeks since the last ride.
        rides_4_weeks: Rides of the last 4 weeks.
        rides_12_weeks: Rides of the last 12 weeks.
        weeks_known: Weeks since the first ride.
        late_pickups: The share of the last 12 weeks' rides whose pickup was late.
    """

    customer: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    weeks_since_ride: Count
    rides_4_weeks: Count
    rides_12_weeks: Count
    weeks_known: Count
    late_pickups: Count


class Churn:
    """Gives each customer the probability that they do not ride in the next four weeks.

    Args:
        weights: A JSON file: the intercept and a weight for each of `design`'s columns.
    """

    name, event_type = "churn_model", "churn_predicted"
    output_stream, metrics_namespace = "churn_predictions", "Churn"

    def __init__(self, weights: Path) -> None:
        content = weights.read_bytes()
        self._weights = np.array(json.loads(content)["weights"], np.float64)
        self.version = f"{zlib.crc32(content):08x}"

    def decode(self, content: bytes, _arrived_at: float) -> Customer | None:
        """See `streaming.Model`."""
        try:
            return msgspec.json.decode(content, type=Customer)
        except DECODE_ERRORS as error:
            raise invalid_event(content, error, ALLOWED) from error

    def predict(self, events: Sequence[Customer]) -> list[Prediction]:
        """See `streaming.Model`."""
        values = [[getattr(event, name) for name in FEATURES] for event in events]
        found = probabilities(design(np.array(values, np.float64)), self._weights)
        return [
            Prediction(event.customer, {"customer": event.customer, "churn": round(churn, 4)})
            for event, churn in zip(events, found.tolist(), strict=True)
        ]


def design(values: Vector) -> Vector:
    """Return an intercept beside the features, [N, 6]; counts as logarithms."""
    scaled = values.copy()
    scaled[:, :4] = np.log1p(scaled[:, :4])
    return np.hstack([np.ones((len(values), 1)), scaled])


def probabilities(columns: Vector, weights: Vector) -> Vector:
    """Return the probability for each row of `design`."""
    found: Vector = 1 / (1 + np.exp(-(columns * weights).sum(axis=1)))
    return found


def load_model(environment: Mapping[str, str], _s3_client: Callable[[], Any]) -> Churn:
    """Load the weights that `MODEL_LOCATION` names.

    Raises:
        SettingsError: There are none.
    """
    location = environment.get("MODEL_LOCATION", "")
    if not Path(location).is_file():
        raise SettingsError("MODEL_LOCATION", location, "a weights.json of examples/churn")
    return Churn(Path(location))
