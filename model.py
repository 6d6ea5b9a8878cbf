"""The ride models: a `ride_started` event in, its predicted duration and tip out.

This is the one module to replace for another model; see `streaming.consumer.consumer.Model`.
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
import onnxruntime
from msgspec import Meta
from numpy.typing import NDArray

from streaming import (
    DECODE_ERRORS,
    WHOLE_EVENT,
    InvalidEvent,
    ModelBundleError,
    Prediction,
    SettingsError,
    hour_and_weekday,
    invalid_event,
    read_bundle,
)

EVENT_TYPE = "ride_started"
NEW_YORK = ZoneInfo("America/New_York")
NAN = math.nan
CENTS = 2  # decimals of a prediction

Zone = Annotated[int, Meta(ge=1, le=265)]


class Ride(msgspec.Struct, frozen=True, gc=False):
    """What is known when a ride starts.

    Attributes:
        PULocationID: TLC taxi zone of the pick-up.
        DOLocationID: TLC taxi zone of the drop-off.
        trip_distance: Miles along the estimated route; 0 = unknown.
        pickup_datetime: ISO 8601; without an offset it is New York's local time.
        passenger_count: As the driver counts them.
        payment_type: TLC's code: 1 card, 2 cash; 0 and 3 to 6 are rare.
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
    event_type: Annotated[Any, Meta(extra_json_schema={"const": EVENT_TYPE})] = EVENT_TYPE


class EventHeader(msgspec.Struct, frozen=True, gc=False):
    """The part by which somebody else's event is known."""

    event_type: Any = EVENT_TYPE


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
    """A ride as the models take it.

    Attributes:
        ride_id: As it came.
        values: One number for each of `FEATURES`.
    """

    ride_id: int | str
    values: tuple[float, float, float, float, float, float, float]


FEATURES = (
    "PULocationID",
    "DOLocationID",
    "trip_distance",
    "hour",
    "weekday",
    "passenger_count",
    "payment_type",
)
"""The graphs' inputs: `hour` is 0 ≤ hour < 24 with its fraction, `weekday` 0 = Monday, both in New
York; a passenger count or payment type that is not known is NaN."""

# The last float32 below 24, to which 23:59:59.999 would be rounded up.
LAST_HOUR = np.nextafter(np.float32(24), np.float32(0))

TRIAL_RIDES = 2
"""How many rides a graph is tried on at the start: not one, which any graph may answer."""

Vector = NDArray[np.float32]
Run = Callable[[Mapping[str, Vector]], Vector]

TARGETS = {"duration": "ride_duration", "tip": "ride_tip"}
"""What can be predicted, and the field it is answered in: minutes and US dollars."""

_decode_event = msgspec.json.Decoder(RideStarted).decode
_decode_header = msgspec.json.Decoder(EventHeader).decode


class RideModel:
    """Predicts duration and tip, or one of them; a `streaming.consumer.consumer.Model`.

    Args:
        runs: What predicts each target, as `load_graph` gives it.
        version: The version to report.
    """

    event_type = "ride_predicted"

    def __init__(self, runs: Mapping[str, Run], version: str) -> None:
        self.name = f"ride_{'_'.join(runs)}_prediction_model"
        self.version = version
        self._fields = ("ride_id", *(TARGETS[target] for target in runs))
        self._runs = list(runs.values())

    def decode(self, content: bytes, arrived_at: float) -> RideFeatures | None:
        """Make a ride of a payload; see `streaming.consumer.consumer.Model.decode`.

        Args:
            content: JSON in UTF-8.
            arrived_at: Seconds since the epoch; stands in for a missing `pickup_datetime`.

        Returns:
            The ride; None if `event_type` is another than `ride_started`.

        Raises:
            InvalidEvent: It breaks the contract.
        """
        try:
            if not content.isascii():
                content.decode()  # the decoder would read over what is wrong in fields it ignores
            event = _decode_event(content)
        except DECODE_ERRORS as error:
            if _is_unrecognised(content):
                return None
            raise invalid_event(content, error, ALLOWED) from error
        if event.event_type != EVENT_TYPE:
            return None
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
            For each ride, in order, its id and what is predicted: minutes and US dollars, finite,
            never negative.

        Raises:
            ArithmeticError: A model's answer is not finite.
        """
        columns = np.array([event.values for event in events], dtype=np.float32).T
        inputs = dict(zip(FEATURES, np.ascontiguousarray(columns), strict=True))
        inputs["hour"] = np.minimum(inputs["hour"], LAST_HOUR)
        answers = [_checked(run(inputs)) for run in self._runs]
        ids = [event.ride_id for event in events]
        fields = self._fields
        return [
            Prediction(str(values[0]), dict(zip(fields, values, strict=True)))
            for values in zip(ids, *answers, strict=True)
        ]


def _checked(answer: Vector) -> list[float]:
    if not np.isfinite(answer).all():
        raise ArithmeticError("a prediction is not finite")
    rounded: list[float] = np.maximum(answer.astype(np.float64), 0.0).round(CENTS).tolist()
    return rounded


def load_graph(name: str, graph: bytes) -> Run:
    """Load an ONNX model and try it.

    Args:
        name: What it is and where it lies, for the error.
        graph: The model's bytes.

    Returns:
        What takes a float32 vector for each of `FEATURES` and gives the predictions' vector.

    Raises:
        ModelBundleError: The graph cannot be loaded, does not take `FEATURES`, or fails on rides.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; they are raised as well
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no root of their own
        raise ModelBundleError(f"the {name} cannot be loaded: {error}") from error
    takes = [(node.name, node.type, len(node.shape)) for node in session.get_inputs()]
    gives = [(node.type, len(node.shape)) for node in session.get_outputs()]
    vector = ("tensor(float)", 1)
    if sorted(takes) != sorted((name, *vector) for name in FEATURES) or gives != [vector]:
        raise ModelBundleError(
            f"the {name} takes {takes} and gives {gives}; expected the float vectors "
            f"{', '.join(FEATURES)} and one float vector"
        )

    def run(inputs: Mapping[str, Vector]) -> Vector:
        prediction: Vector = session.run(None, inputs)[0]
        return prediction

    try:
        answered = run({feature: np.ones(TRIAL_RIDES, np.float32) for feature in FEATURES}).shape
    except Exception as error:
        raise ModelBundleError(f"the {name} fails on rides: {error}") from error
    if answered != (TRIAL_RIDES,):
        raise ModelBundleError(
            f"the {name} answers {TRIAL_RIDES} rides with the shape {answered}; "
            f"expected ({TRIAL_RIDES},)"
        )
    return run


def _pickup(text: str) -> tuple[float, int]:
    try:
        moment = _date_and_time(text)
        if moment.tzinfo is not None:
            return hour_and_weekday(moment.timestamp(), NEW_YORK)
    except (ValueError, OverflowError) as error:
        field = "ride.pickup_datetime"
        raise InvalidEvent(field, text, ALLOWED[field]) from error
    return moment.hour + moment.minute / 60 + moment.second / 3600, moment.weekday()


def _date_and_time(text: str) -> datetime:
    # Python would take any separator, and a date alone for its midnight.
    if "T" not in text and " " not in text:
        raise ValueError("no time behind the date")
    return datetime.fromisoformat(text)


def _is_unrecognised(content: bytes) -> bool:
    try:
        return bool(_decode_header(content).event_type != EVENT_TYPE)
    except DECODE_ERRORS:
        return False


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What a ride model is told by its environment.

    Attributes:
        location: `MODEL_LOCATION`, a bundle: a folder or `s3://bucket/prefix`.
        targets: `MODELS`, in the order of `TARGETS`.
        run_id: `RUN_ID`, the version to report; None: the bundle's.
    """

    location: str
    targets: tuple[str, ...]
    run_id: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ModelSettings":
        """Read and check every setting.

        Raises:
            SettingsError: A variable holds what is not allowed.
        """
        chosen = environment.get("MODELS") or ",".join(TARGETS)
        wanted = [name.strip() for name in chosen.split(",")]
        if not set(wanted) <= set(TARGETS):
            raise SettingsError("MODELS", chosen, "duration, tip, or both with a comma between")
        return cls(
            location=environment.get("MODEL_LOCATION") or str(Path(__file__).parent / "models"),
            targets=tuple(target for target in TARGETS if target in wanted),
            run_id=environment.get("RUN_ID") or None,
        )


def load_model(environment: Mapping[str, str], s3_client: Callable[[], Any]) -> RideModel:
    """Load the models that an environment asks for; what `lambda_function` calls at its start.

    Args:
        environment: Such as `os.environ`; see `ModelSettings`.
        s3_client: Makes a boto3 S3 client; called only for a bundle on S3.

    Raises:
        SettingsError: A variable holds what is not allowed.
        ModelBundleError: The bundle is missing, damaged or of another make.
    """
    settings = ModelSettings.from_environment(environment)
    bundle = read_bundle(settings.location, settings.targets, s3_client)
    files = {target: bundle.manifest.targets[target].file for target in bundle.models}
    runs = {
        target: load_graph(f"{target} model {settings.location}/{files[target]}", graph)
        for target, graph in bundle.models.items()
    }
    return RideModel(runs, settings.run_id or bundle.manifest.version)
