"""From a record of a check's output stream to a result that an item's state can hold.

`Results` is the model that the consumer meets: it decodes and checks, and predicts nothing. What it
returns is what the consumer hands to its sink, `decider.Decider`.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from streaming.consumer.interface import Prediction
from streaming.consumer.validation import WHOLE_EVENT, invalid_event
from streaming.decisions.policy import DAY_SECONDS, Policy
from streaming.errors import DECODE_ERRORS, InvalidEvent

RESULT_BYTES = 4096
"""The most bytes of a result's `prediction`, as it comes and as it is stored: 1e15 is stored as
1000000000000000.0."""

CARRIED_BYTES = 1024
"""The most bytes of what is copied to a decision."""

LEVELS = 32
"""The most levels of lists and objects in both. Python can decode about 1,000; what holds more than
it can encode again, a few calls deeper, would fail its batch at every attempt."""

Item = (
    Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    | Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
)
ITEM = "a 64-bit integer, or a string of 1 to 128 characters"

ALLOWED = {
    WHOLE_EVENT: "a JSON object",
    "version": "a string",
    "event_id": "a string of 1 to 512 characters",
    "arrived_at": "a date and time in ISO 8601 with an offset",
    "prediction": "a JSON object",
}


class Result(msgspec.Struct, frozen=True):
    """What a check said of an item.

    Attributes:
        version: The model's version.
        event_id: The event's, on the checks' input stream.
        arrived_at: The event's arrival there, milliseconds since the epoch.
        prediction: The model's prediction.
    """

    version: str
    event_id: str
    arrived_at: int
    prediction: dict[str, Any]

    @property
    def order(self) -> tuple[Any, ...]:
        """Sorts the results of one check by the event's place on its stream.

        Of two results with different content none is equal, so that whichever order they come in,
        the same one is kept.
        """
        numbers = [int(part) for part in self.event_id.split(":")[1:] if part.isdecimal()]
        content = msgspec.json.encode(self.prediction, order="deterministic")
        return self.arrived_at, numbers, self.version, self.event_id, content


class Arrival(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is new about an item.

    Attributes:
        item: The item.
        check: The check; None: the event only opens the item.
        result: What the check said.
        carried: The values of the policy's `carry` in the event.
    """

    item: Item
    check: str | None = None
    result: Result | None = None
    carried: dict[str, Any] = {}


class _Header(msgspec.Struct):
    event_type: Any = None
    model: Any = None


class _Record(msgspec.Struct):
    version: Annotated[str, msgspec.Meta(max_length=256)]
    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    arrived_at: Annotated[datetime, msgspec.Meta(tz=True)]
    prediction: msgspec.Raw


class Results:
    """Decodes what belongs to a policy's items; see `streaming.Model`.

    Args:
        policy: The policy.
        now: Seconds since the epoch.
    """

    metrics_namespace = "Decisions"

    def __init__(self, policy: Policy, now: Callable[[], float] = time.time) -> None:
        self.name = policy.name
        self.version = str(policy.version)
        self.event_type = policy.event_type
        self._policy = policy
        self._now = now
        self._check_of = {model: check for check, model in policy.checks.items()}

    def decode(self, content: bytes, arrived_at: float) -> Arrival | None:
        """Decode a record; None: it is neither an expected result nor does it open an item.

        Raises:
            InvalidEvent: It is a result that can never be used.
        """
        header = _decoded(content, _Header)
        opens = self._policy.opens
        if opens is not None and header.event_type == opens.event_type:
            event = _decoded(content, dict[str, Any])
            self._check_age(arrived_at)
            return Arrival(_item(event, opens.item, ""), carried=self._carried(event, content))
        check = self._check_of.get(header.model) if isinstance(header.model, str) else None
        if check is None:
            return None
        record = _decoded(content, _Record)
        put_at = record.arrived_at.timestamp()
        self._check_age(put_at)
        raw = bytes(record.prediction)
        _check_size("prediction", len(raw), RESULT_BYTES)
        try:
            prediction = msgspec.json.decode(raw, type=dict[str, Any])
        except DECODE_ERRORS:
            raise InvalidEvent("prediction", raw, ALLOWED["prediction"]) from None
        _check_levels("prediction", prediction, raw)
        _check_size("prediction", len(msgspec.json.encode(prediction)), RESULT_BYTES)
        item = _item(prediction, self._policy.item, "prediction.")
        if unusable := self._policy.unusable_field(check, prediction):
            value = prediction.get(unusable.field)
            raise InvalidEvent(f"prediction.{unusable.field}", value, unusable.allowed)
        result = Result(record.version, record.event_id, round(1000 * put_at), prediction)
        return Arrival(item, check, result, self._carried(prediction, raw))

    def _check_age(self, arrived_at: float) -> None:
        """Refuse what may belong to an item that has expired: it would open that again."""
        age, days = (self._now() - arrived_at) / DAY_SECONDS, self._policy.keep_days
        if age > days:
            allowed = f"at most {days} days ago, as long as decisions are kept"
            raise InvalidEvent("arrived_at", f"{age:.1f} days ago", allowed)

    def predict(self, events: Sequence[Arrival]) -> list[Prediction]:
        """Return the arrivals themselves, each under its item's partition key."""
        return [Prediction(str(each.item), each) for each in events]

    def _carried(self, found: dict[str, Any], content: bytes) -> dict[str, Any]:
        carried = {name: found[name] for name in self._policy.carry if name in found}
        fields = ", ".join(carried)
        _check_levels(fields, carried, content)
        _check_size(fields, len(msgspec.json.encode(carried)), CARRIED_BYTES)
        return carried


def _check_size(field: str, size: int, most: int) -> None:
    if size > most:
        raise InvalidEvent(field, f"{size} bytes", f"at most {most} bytes")


def _check_levels(field: str, value: dict[str, Any], content: bytes) -> None:
    """Refuse a value of more than `LEVELS`; `content` is JSON that has it."""
    if content.count(b"[") + content.count(b"{") <= LEVELS:
        return
    within: list[Any] = [value]
    for _ in range(LEVELS):
        within = [
            inner
            for each in within
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    if any(isinstance(each, dict | list) for each in within):
        allowed = f"at most {LEVELS} levels of lists and objects"
        raise InvalidEvent(field, f"{LEVELS + 1} levels or more", allowed)


def _item(found: dict[str, Any], field: str, prefix: str) -> Item:
    value = found.get(field)
    try:
        return msgspec.convert(value, type=Item)  # type: ignore[no-any-return]
    except msgspec.ValidationError:
        raise InvalidEvent(f"{prefix}{field}", value, ITEM) from None


def _decoded(content: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except DECODE_ERRORS as error:
        raise invalid_event(content, error, ALLOWED) from error
