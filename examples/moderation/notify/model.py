"""Tells the uploader what was decided, and why: each decision becomes a notification."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from streaming import DECODE_ERRORS, WHOLE_EVENT, Prediction, invalid_event

ALLOWED = {WHOLE_EVENT: "a decision's record"}
EXAMPLES = (
    (
        b'{"event_type": "upload_decided", "event_id": "u1:1740834900123:1", "prediction": '
        b'{"upload_id": "u1", "uploader": "ana", "decision": 1, "outcome": "reject", "rule": "C1", '
        b'"reason": "It is a copy."}}'
    ),
)
EVENT_TYPE = "upload_decided"


class Decision(msgspec.Struct):
    """What a notification needs of a decision."""

    upload_id: str
    uploader: str
    decision: int
    outcome: str
    rule: str
    reason: str
    revises: str | None = None


class Record(msgspec.Struct):
    """A decision's record."""

    event_type: str
    event_id: str
    prediction: Decision


class Header(msgspec.Struct):
    """Says whether a record is a decision."""

    event_type: Any = None


class Notifications:
    """Writes one notification for each decision.

    A decision may be published twice. The second notification has the same `decision_id`, by which
    the uploader's device drops it.
    """

    name, version, event_type = "upload_notifications", "1", "uploader_notified"
    output_stream, metrics_namespace = "notifications", "Moderation"

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
        return [
            Prediction(
                event.prediction.uploader,
                {"decision_id": event.event_id, **msgspec.structs.asdict(event.prediction)},
            )
            for event in events
        ]


def load_model(_environment: Mapping[str, str], _s3_client: Callable[[], Any]) -> Notifications:
    """Load the model."""
    return Notifications()
