"""Every error of this package.

StreamingError
├── SettingsError            a setting has a value that is not allowed; the function does not start
├── ModelBundleError         the model bundle cannot be loaded; the function does not start
├── InvalidModel             the model lacks a member; the function does not start
├── UnexpectedEvent          the invocation is not a batch from a Kinesis stream
├── ReconciliationError      the counts of a batch do not add up: a bug, so the batch is retried
├── StorageError             an object in a folder or bucket cannot be listed, read or written
│   └── StorageUnavailable   throttled or unreachable: the same call may succeed later
├── InvalidDeadLetter        an object does not hold dead-letter records
├── ArchiveError             an archive's state cannot be read, or another program writes it
├── PolicyError              a decision service's policy breaks a rule
├── TableError               a decision service's table cannot be read or written
│   └── TableUnavailable     throttled or unreachable: the same call may succeed later
│       └── TableConflict    another function wrote the item meanwhile
├── DeliveryLogError         a delivery log cannot be read or written, or is in use
│   └── DeliveryLogMismatch  it belongs to another redrive, or is not a delivery log
├── StreamError              a stream cannot be read or written as requested
│   └── StreamUnavailable    throttled or unreachable: the same call may succeed later
└── Poison                   a record that can never succeed
    ├── CorruptRecord        not base64, gzip or a valid aggregated record
    ├── InvalidEvent         readable, but a field violates the contract
    ├── PredictionFailed     the model fails on this event alone
    ├── PredictionTooLarge   Kinesis never accepts a record of this size
    └── NotFinished          its aggregated record takes longer than invocations last
"""

import re
import reprlib
from typing import Self

import msgspec

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Everything that msgspec raises when it decodes arbitrary bytes."""

VALUE_LIMIT = 80
"""Characters of an offending value that an error shows."""

PASSWORD = re.compile(r"//.*@", re.DOTALL)

# Builds no more of a large or deeply nested value than an error shows.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 2 * VALUE_LIMIT
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = VALUE_LIMIT // 4


class StreamingError(Exception):
    """The base class of this package's errors."""


class SettingsError(StreamingError):
    """A setting has a value that is not allowed.

    Args:
        name: The environment variable or parameter.
        value: Its value; None if it is not set.
        allowed: The allowed values, in words.
    """

    def __init__(self, name: str, value: object, allowed: str) -> None:
        shown = excerpt(without_password(value) if isinstance(value, str) else value)
        super().__init__(f"{name} is {'not set' if value is None else shown}; allowed: {allowed}")


class ModelBundleError(StreamingError):
    """The model bundle is missing, damaged or incompatible."""


class InvalidModel(StreamingError):
    """The model lacks a member, or one is of the wrong type."""


class UnexpectedEvent(StreamingError):
    """The invocation is not a batch from a Kinesis stream."""


class ReconciliationError(StreamingError):
    """Published + skipped + dead-lettered + failed does not equal received."""


class StorageError(StreamingError):
    """An object in a folder or bucket cannot be listed, read, written or deleted."""


class StorageUnavailable(StorageError):
    """The storage is throttled or unreachable: the same call may succeed later."""


class InvalidDeadLetter(StreamingError):
    """An object does not hold dead-letter records."""


class ArchiveError(StreamingError):
    """An archive's state cannot be read, or another program writes the archive."""


class PolicyError(StreamingError):
    """A decision service's policy breaks a rule."""


class TableError(StreamingError):
    """A decision service's table cannot be read or written."""


class TableUnavailable(TableError):
    """The table is throttled or unreachable: the same call may succeed later."""


class TableConflict(TableUnavailable):
    """Another function wrote the item meanwhile: what it wrote has to be read first."""


class DeliveryLogError(StreamingError):
    """A delivery log cannot be read or written, or another redrive uses it."""


class DeliveryLogMismatch(DeliveryLogError):
    """A delivery log belongs to another redrive, or the file is not a delivery log."""


class StreamError(StreamingError):
    """A stream cannot be read or written as requested."""


class StreamUnavailable(StreamError):
    """The stream is throttled or unreachable: the same call may succeed later."""


class Poison(StreamingError):
    """A record that can never succeed, however often it is retried.

    Attributes:
        reason: Why, without any value from the record, so that it may be logged.
    """

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = message if reason is None else reason

    def bare(self) -> Self:
        """Drop the traceback and causes: their frames keep whole user records alive."""
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class CorruptRecord(Poison):
    """The record's data is not base64, gzip or a valid aggregated record."""


class InvalidEvent(Poison):
    """The data is readable, but violates the contract.

    Args:
        field: The path of the offending field, such as `ride.PULocationID`.
        value: Its value.
        allowed: The allowed values, in words.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(
            f"{field} is {excerpt(value)}; allowed: {allowed}",
            reason=f"{field} is not {allowed}",
        )


class PredictionFailed(Poison):
    """The model fails on this event even when it is predicted alone."""


class PredictionTooLarge(Poison):
    """The prediction is larger than a Kinesis record may be."""


class NotFinished(Poison):
    """The aggregated record that holds it takes longer than invocations last."""

    def __init__(self) -> None:
        super().__init__("not finished in time: the aggregated record takes several invocations")


def without_password(text: str) -> str:
    """Return a text with the user and the password of a URL in it masked."""
    return PASSWORD.sub("//***@", text)


def excerpt(value: object) -> str:
    """Return a value's repr, cut at `VALUE_LIMIT` characters."""
    if isinstance(value, bytes | bytearray):  # reprlib does not shorten bytes
        value = value[: 2 * VALUE_LIMIT]
    try:
        text = _SHORT.repr(value)
    except ValueError:  # Python refuses to print integers above 4,300 digits (sys.int_info)
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= VALUE_LIMIT else text[:VALUE_LIMIT] + "…"
