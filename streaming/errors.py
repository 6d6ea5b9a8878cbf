"""Every error of this package.

StreamingError
├── SettingsError            a setting has a value that is not allowed: the start stops
├── ModelBundleError         the model cannot be loaded: the start stops
├── UnexpectedEvent          the invocation is not a batch from a Kinesis stream
├── ReconciliationError          the sum over a batch is wrong: a bug, so the batch must be retried
├── DeadLettersUnavailable   dead letters could not be written: their records must be retried
├── DeadLettersUnreadable    dead letters cannot be listed, read or removed, or are none
├── DeliveryLogMismatch          a replay's delivery_log is of another replay, or none
├── StreamError              a stream cannot be read or written as asked
│   └── StreamUnavailable    throttled or unreachable: the same call may succeed later
└── Poison                   a record that can never succeed
    ├── CorruptRecord        not base64, gzip or an aggregate of the Kinesis Producer Library
    ├── InvalidEvent         readable, but a field breaks the contract
    ├── PredictionFailed     the model fails on this event alone
    └── PredictionTooLarge   Kinesis never accepts a record of that size
"""

import reprlib
from typing import Self

VALUE_LIMIT = 80
"""Characters of an offending value that an error shows."""

# It never writes down more of a large or deeply nested value than is shown of it.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 2 * VALUE_LIMIT
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = VALUE_LIMIT // 4


class StreamingError(Exception):
    """The root of the tree."""


class SettingsError(StreamingError):
    """A setting's value is not allowed.

    Args:
        name: The environment variable.
        value: What it holds.
        allowed: What it may hold, in words.
    """

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} is {excerpt(value)}; allowed: {allowed}")


class ModelBundleError(StreamingError):
    """The model bundle is missing, damaged or of another make."""


class UnexpectedEvent(StreamingError):
    """The invocation is not a batch from a Kinesis stream."""


class ReconciliationError(StreamingError):
    """Published + skipped + dead-lettered + reported is not what was received."""


class DeadLettersUnavailable(StreamingError):
    """The dead letters could not be written."""


class DeadLettersUnreadable(StreamingError):
    """Dead letters cannot be listed, read or removed, or what lies there is none."""


class DeliveryLogMismatch(StreamingError):
    """The delivery_log of a replay belongs to another one, or is none."""


class StreamError(StreamingError):
    """A stream cannot be read or written as asked."""


class StreamUnavailable(StreamError):
    """The stream is throttled or out of reach: the same call may succeed later."""


class Poison(StreamingError):
    """A record that can never succeed, however often it is retried.

    Attributes:
        reason: Why, without a value from the record, so that it may be logged.
    """

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = message if reason is None else reason

    def bare(self) -> Self:
        """Let go of the way it was raised: its frames hold whole payloads, unpacked."""
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class CorruptRecord(Poison):
    """The record's data is not base64, gzip or an intact aggregate."""


class InvalidEvent(Poison):
    """The payload is readable, but it breaks the contract.

    Args:
        field: The path of the offending field, such as `ride.PULocationID`.
        value: What stands there.
        allowed: What may stand there, in words.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(
            f"{field} is {excerpt(value)}; allowed: {allowed}",
            reason=f"{field} is not {allowed}",
        )


class PredictionFailed(Poison):
    """The model fails on this event even when it stands alone."""


class PredictionTooLarge(Poison):
    """The prediction is larger than a Kinesis record may be."""


def excerpt(value: object) -> str:
    """Show a value as it would stand in Python, cut at `VALUE_LIMIT` characters."""
    if isinstance(value, bytes | bytearray):  # reprlib knows no bytes and would write all of them
        value = value[: 2 * VALUE_LIMIT]
    try:
        text = _SHORT.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits (sys.int_info)
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= VALUE_LIMIT else text[:VALUE_LIMIT] + "…"
