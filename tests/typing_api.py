"""Typical uses of every public name of `streaming`: checked by mypy, never run."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type
from zoneinfo import ZoneInfo

import msgspec

from streaming import (
    DECODE_ERRORS,
    LATEST,
    TRIM_HORIZON,
    WHOLE_EVENT,
    Bundle,
    CheckpointFile,
    Consumer,
    CorruptRecord,
    DeadLetterRecord,
    Delivery,
    DeliveryLog,
    DeliveryLogError,
    DeliveryLogMismatch,
    Entry,
    InvalidDeadLetter,
    InvalidEvent,
    InvalidModel,
    Model,
    ModelBundleError,
    ModelRefresh,
    ModelSource,
    NotFinished,
    Poison,
    Prediction,
    PredictionFailed,
    PredictionRecord,
    PredictionTooLarge,
    Published,
    Publisher,
    ReconciliationError,
    Selection,
    Settings,
    SettingsError,
    StartingPosition,
    Storage,
    StorageError,
    StorageUnavailable,
    StreamError,
    StreamingError,
    StreamReader,
    StreamRecord,
    StreamUnavailable,
    Survey,
    Telemetry,
    UnexpectedEvent,
    aws_client,
    check_members,
    deliver,
    hour_and_weekday,
    invalid_event,
    iso_utc,
    kinesis_client,
    open_storage,
    read_bundle,
    survey,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_kinesis import KinesisClient


class Order(msgspec.Struct):
    order_id: str
    amount: float


class OrderModel:
    name, version, event_type = "orders", "1", "order_scored"

    def decode(self, content: bytes, arrived_at: float) -> Order | None:
        try:
            order = msgspec.json.decode(content, type=Order)
        except DECODE_ERRORS as error:
            allowed: Mapping[str, str] = {WHOLE_EVENT: "a JSON object", "amount": "a number"}
            raise invalid_event(content, error, allowed) from error
        return order if arrived_at else None

    def predict(self, events: Sequence[Order]) -> list[Prediction]:
        return [Prediction(order.order_id, {"score": order.amount}) for order in events]


def load_orders(environment: Mapping[str, str], s3_client: Callable[[], Any]) -> Model[Order]:
    assert_type(s3_client(), Any)
    assert_type(environment["MODEL_LOCATION"], str)
    return OrderModel()


class WrongModel:
    name, version, event_type = "wrong", "1", "wrong"

    def decode(self, content: bytes, arrived_at: float) -> Order | None:
        raise InvalidEvent("order_id", content, f"text, {arrived_at}")

    def predict(self, events: Sequence[Order]) -> Sequence[Order]:
        return events


def consume(environment: Mapping[str, str]) -> dict[str, Any]:
    settings = Settings.from_environment(environment)
    assert_type(settings.predictions_stream_name, str | None)
    assert_type(settings.dead_letters, str | None)
    assert_type(settings.test_run, bool)
    client = kinesis_client(settings.kinesis_endpoint_url, read_timeout=5)
    assert_type(client, "KinesisClient")
    source = ModelSource(load_orders, environment, lambda: aws_client("s3"))
    loaded = source.load()
    model = loaded.model
    assert_type(model, Model[Order])
    check_members(model)
    telemetry = Telemetry("orders", "Orders", settings.log_level)
    consumer = Consumer(
        model,
        publisher=Publisher(
            client,
            settings.predictions_stream_name or "orders",
            aggregation=settings.aggregate_output,
        ),
        dead_letters=storage_of("s3://bucket/prefix"),
        telemetry=telemetry,
        refresh=ModelRefresh(source, loaded, telemetry, settings.model_refresh_seconds),
    )
    assert_type(consumer, Consumer[Order])
    return assert_type(consumer.handle({"Records": []}, None), dict[str, Any])


def a_model_must_return_predictions(telemetry: Telemetry) -> None:
    Consumer(
        WrongModel(),  # type: ignore[arg-type]
        publisher=None,
        dead_letters=None,
        telemetry=telemetry,
    )


def storage_of(location: str) -> Storage:
    storage = open_storage("DEAD_LETTERS", location, lambda: aws_client("s3"))
    storage.put("name", b"content")
    assert_type(storage.names(), list[str])
    assert_type(storage.read("name"), bytes)
    storage.delete("name")
    return storage


def load() -> dict[str, bytes]:
    bundle = read_bundle("models", ["duration"], lambda: aws_client("s3", isolated=True))
    assert_type(bundle, Bundle)
    assert_type(bundle.manifest.version, str)
    return bundle.models


def publish(client: KinesisClient, record: PredictionRecord) -> None:
    entry = Entry(Data=msgspec.json.encode(record), PartitionKey="key")
    published = Publisher(client, "scores").publish([entry], deadline=60.0)
    assert_type(published, Published)
    assert_type(published.accepted, int)
    assert_type(published.refused, list[int])
    assert_type(published.unacceptable, list[int])
    assert_type(published.failure, str | None)


def read(client: KinesisClient) -> None:
    checkpoint_file = CheckpointFile(Path("checkpoints.json"), "scores")
    reader = StreamReader(
        client, "scores", TRIM_HORIZON, saved=checkpoint_file.load(), stopped=threading.Event()
    )
    for record in reader:
        assert_type(record, StreamRecord)
        assert_type(record.data, bytes)
        assert_type(record.arrived_at, datetime)
        assert_type(record.event_id, str)
        reader.checkpoint()
        checkpoint_file.save_periodically(reader)
    checkpoint_file.save(reader)
    assert_type(reader.position, dict[str, str])
    assert_type(reader.duplicates, int)
    StreamReader(client, "scores", StartingPosition.parse("LATEST"), follow=False).stop()
    assert_type(LATEST, StartingPosition)
    assert_type(StartingPosition.at(datetime.now(UTC)), StartingPosition)


def redrive(client: KinesisClient, storage: Storage) -> None:
    selection = Selection(error_types=frozenset({"InvalidEvent"}), since=datetime.now(UTC))
    with DeliveryLog(Path("redrive.log"), "s3://bucket/prefix", stream=None) as log:
        found = survey(storage, storage.names(), selection, log)
        assert_type(found, Survey)
        assert_type(found.objects, list[list[str]])
        for kind in found.kinds.values():
            assert_type(kind.example, DeadLetterRecord)
        done = deliver(storage, found.objects, selection, log, client)
        assert_type(done, Delivery)
        assert_type(done.delivered, int)
        assert_type(done.failures, dict[str, str])


def handle_errors() -> str:
    try:
        load()
    except (SettingsError, ModelBundleError, UnexpectedEvent, ReconciliationError) as error:
        return str(error)
    except (StreamUnavailable, StorageUnavailable) as error:
        unavailable: StreamError | StorageError = error
        return str(unavailable)
    except (
        InvalidModel,
        StorageError,
        InvalidDeadLetter,
        DeliveryLogMismatch,
        DeliveryLogError,
    ) as error:
        return str(error)
    except (
        CorruptRecord,
        InvalidEvent,
        PredictionFailed,
        PredictionTooLarge,
        NotFinished,
    ) as error:
        poison: Poison = error
        return assert_type(poison.reason, str)
    except StreamingError as error:
        return str(error)
    return ""


def timestamps() -> None:
    assert_type(iso_utc(0.0), str)
    assert_type(hour_and_weekday(0.0, ZoneInfo("America/New_York")), tuple[float, int])
