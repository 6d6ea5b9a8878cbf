"""What the passenger's app shows: one quote for each ride, and whether to ask for a tip."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from streaming import DECODE_ERRORS, WHOLE_EVENT, Prediction, invalid_event

EVENT_TYPE = "ride_quoted"
ALLOWED = {WHOLE_EVENT: "a decision's record"}
EXAMPLES = (
    (
        b'{"event_type": "ride_quoted", "event_id": "256:1740834900123:1", "prediction": '
        b'{"ride_id": 256, "decision": 1, "outcome": "ask_for_tip", "checks": '
        b'{"duration": {"prediction": {"ride_duration": 13.79}}, '
        b'"tip": {"prediction": {"ride_tip": 2.04}}}}}'
    ),
)


class Predicted(msgspec.Struct):
    """A prediction of either model."""

    ride_duration: float | None = None
    ride_duration_low: float | None = None
    ride_duration_high: float | None = None
    ride_tip: float | None = None


class Check(msgspec.Struct):
    """What a decision says of one model."""

    prediction: Predicted


class Decision(msgspec.Struct):
    """What a quote needs of a decision."""

    ride_id: int | str
    decision: int
    outcome: str
    checks: dict[str, Check]


class Record(msgspec.Struct):
    """A decision's record."""

    event_id: str
    prediction: Decision


class Header(msgspec.Struct):
    """Says whether a record is a decision."""

    event_type: Any = None


class Quotes:
    """Makes a quote of each decision; a revised one has a higher `quote`."""

    name, version, event_type = "app_quotes", "1", "quote_shown"
    output_stream, metrics_namespace = "app_quotes", "Rides"

    def decode(self, content: bytes, _arrived_at: float) -> Record | None:
        """See `streaming.Model`."""
        try:
            if msgspec.json.decode(content, type=Header).event_type != EVENT_TYPE:
                return None
            return msgspec.json.decode(content, type=Record)
        except DECODE_ERRORS as error:
            raise invalid_event(content, error, ALLOWED) from error

    def predict(self, events: Sequence[Record]) -> list[Prediction]:
        """See `streaming.Model`."""
        return [_quote(event) for event in events]


def _quote(event: Record) -> Prediction:
    decision = event.prediction
    nothing = Check(Predicted())
    duration = decision.checks.get("duration", nothing).prediction
    tip = decision.checks.get("tip", nothing).prediction
    value = {
        "quote_id": event.event_id,
        "ride_id": decision.ride_id,
        "quote": decision.decision,
        "minutes": duration.ride_duration,
        "minutes_low": duration.ride_duration_low,
        "minutes_high": duration.ride_duration_high,
        "suggested_tip": tip.ride_tip,
        "ask_for_tip": decision.outcome == "ask_for_tip",
    }
    return Prediction(str(decision.ride_id), value)


def load_model(_environment: Mapping[str, str], _s3_client: Callable[[], Any]) -> Quotes:
    """Load the model."""
    return Quotes()
