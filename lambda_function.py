"""Lambda's entry point: builds the consumer once per execution environment."""

import os
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from model import load_model
from streaming import (
    Consumer,
    ModelRefresh,
    ModelSource,
    Publisher,
    Settings,
    StreamingError,
    Telemetry,
    aws_client,
    kinesis_client,
    open_storage,
)
from streaming.clients import NO_RETRIES
from streaming.consumer.consumer import CALL_SECONDS

# For a model that has no names of its own; see `streaming.Model`.
OUTPUT_STREAM = "predictions"
METRICS_NAMESPACE = "Predictions"

ERROR_CHARACTERS = 2_000

# Only the publisher and the consumer retry: they know the deadline.
CALL_LIMITS: dict[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 5,
    "retries": NO_RETRIES,
    "parameter_validation": False,  # the publisher and the settings check what is sent
}


def build_consumer(environment: Mapping[str, str]) -> Consumer[Any]:
    """Build the consumer that environment variables describe.

    A test run creates no AWS client, so it needs neither a region nor credentials.

    Raises:
        SettingsError: A variable has a value that is not allowed.
        ModelBundleError: The model bundle is missing, damaged or incompatible.
        InvalidModel: The model lacks a member.
    """
    settings = Settings.from_environment(environment)
    # A bundle may be large: its download has more time than a call has later.
    bundle_client = cache(partial(aws_client, "s3", **CALL_LIMITS))
    source: ModelSource[Any] = ModelSource(load_model, environment, bundle_client)
    loaded = source.load()
    model = loaded.model
    namespace = getattr(model, "metrics_namespace", METRICS_NAMESPACE)
    telemetry = Telemetry(model.name, namespace, settings.log_level)
    refresh = None
    if source.is_pointer:
        refresh = ModelRefresh(source, loaded, telemetry, settings.model_refresh_seconds)
    if settings.test_run:
        return Consumer(
            model, publisher=None, dead_letters=None, telemetry=telemetry, refresh=refresh
        )
    limits = {**CALL_LIMITS, "call_seconds": CALL_SECONDS}
    client = kinesis_client(settings.kinesis_endpoint_url, **limits)
    output_stream = getattr(model, "output_stream", OUTPUT_STREAM)
    publisher = Publisher(
        client,
        settings.predictions_stream_name or output_stream,
        aggregation=settings.aggregate_output,
    )
    location, s3_client = settings.dead_letters, partial(aws_client, "s3", **limits)
    dead_letters = open_storage("DEAD_LETTERS", location, s3_client) if location else None
    return Consumer(
        model,
        publisher=publisher,
        dead_letters=dead_letters,
        telemetry=telemetry,
        refresh=refresh,
    )


try:
    consumer = build_consumer(os.environ)
except StreamingError as error:
    # Lambda logs an ImportError in one line, any other error with its traceback.
    raise ImportError(str(error)[:ERROR_CHARACTERS]) from None


def lambda_handler(event: Any, context: Any = None) -> dict[str, Any]:
    """Process one batch; see `streaming.Consumer.handle`."""
    return consumer.handle(event, context)
