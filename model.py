"""The ride models: predict duration and tip from a `ride_started` event.

This is the one module to replace for another model; see `streaming.Model`. `model_graph` loads the
ONNX graphs.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Raw, UnsetType
from numpy.typing import NDArray

from model_graph import FEATURES, Run, Vector, load_graph
from streaming import (
    DECODE_ERRORS,
    WHOLE_EVENT,
    InvalidEvent,
    Prediction,
    SettingsError,
    hour_and_weekday,
    invalid_event,
    read_bundle,
)
from streaming.consumer.model_bundle import VERSION_CHARACTERS

EXAMPLES = (
    b'{"ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}, "ride_id": 256}',
    b"""{"event_type": "ride_started", "ride_id": "a", "ride": {
        "PULocationID": 74, "DOLocationID": 75, "trip_distance": 0.9,
        "pickup_datetime": "2025-03-01T08:15:00", "passenger_count": 1, "payment_type": 2}}""",
)
"""Events for `make check-model`."""

EVENT_TYPE = "ride_started"
EVENT_TYPE_BYTES = len('""') + len(r"\u0072") * len(EVENT_TYPE)
"""The longest JSON of that text; a longer value is another type."""
NEW_YORK = ZoneInfo("America/New_York")
NAN = math.nan
DECIMALS = 2
"""Decimals of a prediction."""

EventType = (
    Annotated[Raw, Meta(extra_json_schema={"const": EVENT_TYPE, "default": EVENT_TYPE})] | UnsetType
)
"""JSON that is not read yet: a short record can hold a value that needs hundreds of megabytes."""

Zone = Annotated[int, Meta(ge=1, le=265)]


class Ride(msgspec.Struct, frozen=True, gc=False):
    """What is known when a ride starts.

    Attributes:
        PULocationID: TLC taxi zone of the pickup.
        DOLocationID: TLC taxi zone of the drop-off.
        trip_distance: Length of the estimated route in miles; 0 = unknown.
        pickup_datetime: ISO 8601; New York local time if it has no UTC offset.
        passenger_count: As entered by the driver.
        payment_type: TLC payment code: 1 card, 2 cash; 0 and 3 to 6 are rare.
    """

    PULocationID: Zone
    DOLocationID: Zone
    trip_distance: Annotated[float, Meta(ge=0, le=1000)]
    pickup_datetime: Annotated[str, Meta(max_length=64)] | None = None
    passenger_count: Annotated[int, Meta(ge=0, le=9)] | None = None
    payment_type: Annotated[int, Meta(ge=0, le=6)] | None = None


class RideStarted(msgspec.Struct, frozen=True, gc=False):
    """A ride that starts.

    Attributes:
        ride: What is known of it.
        ride_id: Returned with the prediction, of the same type.
        event_type: May be absent; an event of another type is skipped.
    """

    ride: Ride
    ride_id: (
        Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
        | Annotated[str, Meta(min_length=1, max_length=128)]
    )
    event_type: EventType = UNSET


class EventHeader(msgspec.Struct, frozen=True, gc=False):
    """The field that distinguishes an unrecognised event type from an invalid event."""

    event_type: EventType = UNSET


ALLOWED = {
    WHOLE_EVENT: "a JSON object in UTF-8",
    "ride_id": "a 64-bit integer or a string of 1 to 128 characters",
    "ride": "an object with PULocationID, DOLocationID and trip_distance",
    "ride.PULocationID": "an integer from 1 to 265 (a TLC taxi zone)",
    "ride.DOLocationID": "an integer from 1 to 265 (a TLC taxi zone)",
    "ride.trip_distance": "a number from 0 to 1000 (miles; 0 = unknown)",
    "ride.pickup_datetime": "an ISO 8601 date and time",
    "ride.passenger_count": "an integer from 0 to 9, or null",
    "ride.payment_type": "an integer from 0 to 6 (a TLC payment code), or null",
}


class RideFeatures(msgspec.Struct, frozen=True, gc=False):
    """The features of one ride.

    Attributes:
        ride_id: The event's.
        values: The value of each of `FEATURES`.
    """

    ride_id: int | str
    values: tuple[float, float, float, float, float, float, float]


LAST_HOUR = np.nextafter(np.float32(24), np.float32(0))
"""The largest float32 below 24; 23:59:59.999 as a float32 would be 24."""

TARGETS = {
    "duration": ("ride_duration", "ride_duration_low", "ride_duration_high"),
    "tip": ("ride_tip",),
}
"""Fields of the prediction by target, in minutes and US dollars: the prediction, then the low and
the high end of its range, which are absent if the bundle's graph has none."""

_decode_event = msgspec.json.Decoder(RideStarted).decode
_decode_header = msgspec.json.Decoder(EventHeader).decode
_decode_any = msgspec.json.Decoder().decode


class RideModel:
    """Predicts duration, tip or both; a `streaming.Model`.

    Args:
        runs: The prediction function of each target, from `load_graph`.
        version: The version in prediction records.
    """

    event_type = "ride_predicted"
    output_stream = "ride_predictions"
    metrics_namespace = "RidePredictions"

    def __init__(self, runs: Mapping[str, Run], version: str) -> None:
        self.name = f"ride_{'_'.join(runs)}_prediction_model"
        self.version = version
        self._runs = [(TARGETS[target], run) for target, run in runs.items()]

    def decode(self, content: bytes, arrived_at: float) -> RideFeatures | None:
        """Decode a user record; see `streaming.Model.decode`.

        Args:
            content: JSON in UTF-8.
            arrived_at: Seconds since the epoch; used if `pickup_datetime` is missing.

        Returns:
            The ride; None if `event_type` is not `ride_started`.

        Raises:
            InvalidEvent: The event violates the contract.
        """
        try:
            if not content.isascii():
                content.decode()  # the decoder does not validate UTF-8 in fields it ignores
            event = _decode_event(content)
            if event.event_type is not UNSET and not _is_ride_started(event.event_type):
                return None
        except DECODE_ERRORS as error:
            if _is_unrecognised(content):
                return None
            raise invalid_event(content, error, ALLOWED) from error
        ride = event.ride
        passengers, payment = ride.passenger_count, ride.payment_type
        if ride.pickup_datetime is None:
            hour, weekday = hour_and_weekday(arrived_at, NEW_YORK)
        else:
            hour, weekday = _pickup(ride.pickup_datetime)
        return RideFeatures(
            event.ride_id,
            (
                ride.PULocationID,
                ride.DOLocationID,
                ride.trip_distance,
                hour,
                weekday,
                NAN if passengers is None else passengers,
                NAN if payment is None else payment,
            ),
        )

    def predict(self, events: Sequence[RideFeatures]) -> list[Prediction]:
        """Predict all rides with one call per model.

        Args:
            events: At least one.

        Returns:
            A prediction per ride, in order: its id, and minutes and US dollars, finite and never
            negative; of a range, low <= prediction <= high.

        Raises:
            ArithmeticError: A prediction is not finite.
        """
        columns = np.array([event.values for event in events], dtype=np.float32).T
        inputs = dict(zip(FEATURES, np.ascontiguousarray(columns), strict=True))
        values: dict[str, list[Any]] = {"ride_id": [event.ride_id for event in events]}
        values |= {field: column.tolist() for field, column in self.predict_columns(inputs).items()}
        return [
            Prediction(str(row[0]), dict(zip(values, row, strict=True)))
            for row in zip(*values.values(), strict=True)
        ]

    def predict_columns(self, inputs: Mapping[str, Vector]) -> dict[str, NDArray[np.float64]]:
        """Predict rides that are columns already, such as those of a table.

        Args:
            inputs: A vector for each of `FEATURES`, with the values that `decode` gives.

        Returns:
            A vector per field of the prediction but the ride's id; the values of `predict`.

        Raises:
            ArithmeticError: A prediction is not finite.
        """
        inputs = {**inputs, "hour": np.minimum(inputs["hour"], LAST_HOUR)}
        values: dict[str, NDArray[np.float64]] = {}
        for fields, run in self._runs:
            outputs = _in_order([_finite(output) for output in run(inputs)])
            # Not strict: a duration may come without a range, and a range of the tip has no fields.
            values |= zip(fields, outputs, strict=False)
        return values


def _finite(predictions: Vector) -> NDArray[np.float64]:
    if not np.isfinite(predictions).all():
        raise ArithmeticError("a prediction is not finite")
    rounded: NDArray[np.float64] = np.maximum(predictions.astype(np.float64), 0.0).round(DECIMALS)
    return rounded


def _in_order(outputs: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return a prediction and its range, if there is one, with low <= prediction <= high."""
    if len(outputs) == 1:
        return outputs
    prediction, low, high = outputs
    return [prediction, np.minimum(low, prediction), np.maximum(high, prediction)]


def _pickup(text: str) -> tuple[float, int]:
    try:
        pickup = _date_and_time(text)
        if pickup.tzinfo is not None:
            return hour_and_weekday(pickup.timestamp(), NEW_YORK)
    except (ValueError, OverflowError) as error:
        field = "ride.pickup_datetime"
        raise InvalidEvent(field, text, ALLOWED[field]) from error
    return pickup.hour + pickup.minute / 60 + pickup.second / 3600, pickup.weekday()


def _date_and_time(text: str) -> datetime:
    # Python accepts any separator, and a date without a time as midnight.
    if "T" not in text and " " not in text:
        raise ValueError("a date without a time")
    return datetime.fromisoformat(text)


def _is_unrecognised(content: bytes) -> bool:
    try:
        event_type = _decode_header(content).event_type
        return event_type is not UNSET and not _is_ride_started(event_type)
    except DECODE_ERRORS:
        return False


def _is_ride_started(event_type: Raw) -> bool:
    """Compare an event type, in any spelling that JSON allows."""
    return len(event_type) <= EVENT_TYPE_BYTES and bool(_decode_any(event_type) == EVENT_TYPE)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The environment variables of the ride models, checked.

    Attributes:
        location: `MODEL_LOCATION`, a bundle: a folder or `s3://bucket/prefix`.
        targets: `MODELS`, in the order of `TARGETS`.
        run_id: `RUN_ID`, the version in prediction records; None: the bundle's.
        manifest_sha256: `MODEL_MANIFEST_SHA256`, the hash of the bundle's manifest; None: any.
    """

    location: str
    targets: tuple[str, ...]
    run_id: str | None
    manifest_sha256: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ModelSettings":
        """Read and check the settings.

        Raises:
            SettingsError: A variable has a value that is not allowed.
        """
        chosen = environment.get("MODELS") or ",".join(TARGETS)
        wanted = [name.strip() for name in chosen.split(",")]
        if not set(wanted) <= set(TARGETS):
            raise SettingsError("MODELS", chosen, "duration, tip, or both separated by a comma")
        run_id = environment.get("RUN_ID") or None
        if run_id is not None and not (run_id.isprintable() and len(run_id) <= VERSION_CHARACTERS):
            allowed = f"1 to {VERSION_CHARACTERS} printable characters"
            raise SettingsError("RUN_ID", run_id, allowed)
        return cls(
            location=environment.get("MODEL_LOCATION") or str(Path(__file__).parent / "models"),
            targets=tuple(target for target in TARGETS if target in wanted),
            run_id=run_id,
            manifest_sha256=environment.get("MODEL_MANIFEST_SHA256") or None,
        )


def load_model(environment: Mapping[str, str], s3_client: Callable[[], Any]) -> RideModel:
    """Load the model that environment variables describe.

    `lambda_function` calls this at its start.

    Args:
        environment: Such as `os.environ`; see `ModelSettings`.
        s3_client: Creates a boto3 S3 client; called only for a bundle on S3.

    Raises:
        SettingsError: A variable has a value that is not allowed.
        ModelBundleError: The bundle is missing, damaged or incompatible.
    """
    settings = ModelSettings.from_environment(environment)
    bundle = read_bundle(
        settings.location,
        settings.targets,
        s3_client,
        manifest_sha256=settings.manifest_sha256,
    )
    files = {target: bundle.manifest.targets[target].file for target in bundle.models}
    runs = {
        target: load_graph(f"{target} model {settings.location}/{files[target]}", graph)
        for target, graph in bundle.models.items()
    }
    return RideModel(runs, settings.run_id or bundle.manifest.version)
