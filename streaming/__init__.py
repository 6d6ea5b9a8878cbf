"""Kinesis for any model: a consumer for AWS Lambda, a stream reader, and a redrive.

    from streaming import Consumer, Prediction, StreamReader

The names in `__all__` are the public interface; each is documented where it is defined. They are
imported on first use, so that a function pays at its start only for what it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streaming.clients import aws_client, kinesis_client
    from streaming.consumer.consumer import Consumer
    from streaming.consumer.interface import Model, Prediction, PredictionRecord
    from streaming.consumer.model_bundle import Bundle, read_bundle
    from streaming.consumer.model_check import check_members
    from streaming.consumer.model_pointer import ModelSource
    from streaming.consumer.model_refresh import ModelRefresh
    from streaming.consumer.settings import Settings
    from streaming.consumer.telemetry import Telemetry
    from streaming.consumer.validation import WHOLE_EVENT, invalid_event
    from streaming.dead_letters import DeadLetterRecord
    from streaming.errors import (
        DECODE_ERRORS,
        CorruptRecord,
        DeliveryLogError,
        DeliveryLogMismatch,
        InvalidDeadLetter,
        InvalidEvent,
        InvalidModel,
        ModelBundleError,
        NotFinished,
        Poison,
        PredictionFailed,
        PredictionTooLarge,
        ReconciliationError,
        SettingsError,
        StorageError,
        StorageUnavailable,
        StreamError,
        StreamingError,
        StreamUnavailable,
        UnexpectedEvent,
    )
    from streaming.publisher import Entry, Published, Publisher
    from streaming.reader.checkpoint_file import CheckpointFile
    from streaming.reader.checkpoints import LATEST, TRIM_HORIZON, StartingPosition
    from streaming.reader.shard_reader import StreamRecord
    from streaming.reader.stream_reader import StreamReader
    from streaming.redrive.delivery import Delivery, deliver
    from streaming.redrive.delivery_log import DeliveryLog
    from streaming.redrive.survey import Selection, Survey, survey
    from streaming.storage import Storage, open_storage
    from streaming.timestamps import hour_and_weekday, iso_utc

_NAMES = {
    "clients": ("aws_client", "kinesis_client"),
    "consumer.consumer": ("Consumer",),
    "consumer.interface": ("Model", "Prediction", "PredictionRecord"),
    "consumer.model_bundle": ("Bundle", "read_bundle"),
    "consumer.model_check": ("check_members",),
    "consumer.model_pointer": ("ModelSource",),
    "consumer.model_refresh": ("ModelRefresh",),
    "consumer.settings": ("Settings",),
    "consumer.telemetry": ("Telemetry",),
    "consumer.validation": ("WHOLE_EVENT", "invalid_event"),
    "dead_letters": ("DeadLetterRecord",),
    "errors": (
        "DECODE_ERRORS",
        "CorruptRecord",
        "DeliveryLogError",
        "DeliveryLogMismatch",
        "InvalidDeadLetter",
        "InvalidEvent",
        "InvalidModel",
        "ModelBundleError",
        "NotFinished",
        "Poison",
        "PredictionFailed",
        "PredictionTooLarge",
        "ReconciliationError",
        "SettingsError",
        "StorageError",
        "StorageUnavailable",
        "StreamError",
        "StreamUnavailable",
        "StreamingError",
        "UnexpectedEvent",
    ),
    "publisher": ("Entry", "Published", "Publisher"),
    "reader.checkpoint_file": ("CheckpointFile",),
    "reader.checkpoints": ("LATEST", "StartingPosition", "TRIM_HORIZON"),
    "reader.shard_reader": ("StreamRecord",),
    "reader.stream_reader": ("StreamReader",),
    "redrive.delivery": ("Delivery", "deliver"),
    "redrive.delivery_log": ("DeliveryLog",),
    "redrive.survey": ("Selection", "Survey", "survey"),
    "storage": ("Storage", "open_storage"),
    "timestamps": ("hour_and_weekday", "iso_utc"),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "DECODE_ERRORS",
    "LATEST",
    "TRIM_HORIZON",
    "WHOLE_EVENT",
    "Bundle",
    "CheckpointFile",
    "Consumer",
    "CorruptRecord",
    "DeadLetterRecord",
    "Delivery",
    "DeliveryLog",
    "DeliveryLogError",
    "DeliveryLogMismatch",
    "Entry",
    "InvalidDeadLetter",
    "InvalidEvent",
    "InvalidModel",
    "Model",
    "ModelBundleError",
    "ModelRefresh",
    "ModelSource",
    "NotFinished",
    "Poison",
    "Prediction",
    "PredictionFailed",
    "PredictionRecord",
    "PredictionTooLarge",
    "Published",
    "Publisher",
    "ReconciliationError",
    "Selection",
    "Settings",
    "SettingsError",
    "StartingPosition",
    "Storage",
    "StorageError",
    "StorageUnavailable",
    "StreamError",
    "StreamReader",
    "StreamRecord",
    "StreamUnavailable",
    "StreamingError",
    "Survey",
    "Telemetry",
    "UnexpectedEvent",
    "aws_client",
    "check_members",
    "deliver",
    "hour_and_weekday",
    "invalid_event",
    "iso_utc",
    "kinesis_client",
    "open_storage",
    "read_bundle",
    "survey",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
