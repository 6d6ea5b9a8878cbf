"""The queue for people: the decisions that a person has to look at, with what each check said."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from streaming import DECODE_ERRORS, WHOLE_EVENT, Prediction, invalid_event

ALLOWED = {WHOLE_EVENT: "a decision's record"}
EXAMPLES = (
    (
        b'{"event_type": "upload_decided", "event_id": "u1:1740834900123:1", "prediction": '
        b'{"upload_id": "u1", "decision": 1, "outcome": "review", "rule": "L2", '
        b'"reason": "Unsure.", "missing": ["image"], "checks": {}}}'
    ),
)
EVENT_TYPE, REVIEW = "upload_decided", "review"


class Decision(msgspec.Struct):
    """What a person needs to know of a decision."""

    upload_id: str
    decision: int
    outcome: str
    rule: str
    reason: str
    missing: list[str]
    checks: dict[str, Any]
    revises: str | None = None


class Record(msgspec.Struct):
    """A decision's record."""

    event_id: str
    prediction: Decision


class Header(msgspec.Struct):
    """Says whether a record is a decision."""

    event_type: Any = None


class ReviewQueue:
    """Puts an upload on the queue, or takes it off: a revised decision needs nobody any more."""

    name, version, event_type = "review_queue", "1", "review_changed"
    output_stream, metrics_namespace = "review_queue", "Moderation"

    def decode(self, content: bytes, _arrived_at: float) -> Record | None:
        """See `streaming.Model`."""
        try:
            if msgspec.json.decode(content, type=Header).event_type != EVENT_TYPE:
                return None
            record = msgspec.json.decode(content, type=Record)
        except DECODE_ERRORS as error:
            raise invalid_event(content, error, ALLOWED) from error
        concerned = REVIEW in (record.prediction.outcome, record.prediction.revises)
        return record if concerned else None

    def predict(self, events: Sequence[Record]) -> list[Prediction]:
        """See `streaming.Model`."""
        return [
            Prediction(
                event.prediction.upload_id,
                {
                    "decision_id": event.event_id,
                    "waiting": event.prediction.outcome == REVIEW,
                    **msgspec.structs.asdict(event.prediction),
                },
            )
            for event in events
        ]


def load_model(_environment: Mapping[str, str], _s3_client: Callable[[], Any]) -> ReviewQueue:
    """Load the model."""
    return ReviewQueue()
