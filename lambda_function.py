"""Lambda's entry point: builds the consumer once per execution environment."""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from model import load_model
from streaming import (
    Consumer,
    Publisher,
    Settings,
    StreamingError,
    Telemetry,
    aws_client,
    check_members,
    kinesis_client,
    open_storage,
)

OUTPUT_STREAM = "ride_predictions"
METRICS_NAMESPACE = "RidePredictions"

CONNECT_SECONDS, READ_SECONDS = 2, 5

# Only the publisher retries: it knows the deadline.
CALL_LIMITS: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}


def build_consumer(environment: Mapping[str, str]) -> Consumer[Any]:
    """Build the consumer that environment variables describe.

    A test run creates no AWS client, so it needs neither a region nor credentials.

    Raises:
        SettingsError: A variable has a value that is not allowed.
        ModelBundleError: The model bundle is missing, damaged or incompatible.
        InvalidModel: The model lacks a member.
    """
    settings = Settings.from_environment(environment, output_stream=OUTPUT_STREAM)
    s3_client = partial(aws_client, "s3", **CALL_LIMITS)
    model = load_model(environment, s3_client)
    check_members(model)
    telemetry = Telemetry(model.name, METRICS_NAMESPACE, settings.log_level)
    if settings.test_run:
        return Consumer(model, publisher=None, dead_letters=None, telemetry=telemetry)
    client = kinesis_client(settings.kinesis_endpoint_url, **CALL_LIMITS)
    publisher = Publisher(
        client, settings.predictions_stream_name, aggregation=settings.aggregate_output
    )
    location = settings.dead_letters
    dead_letters = open_storage("DEAD_LETTERS", location, s3_client) if location else None
    return Consumer(
        model,
        publisher=publisher,
        dead_letters=dead_letters,
        telemetry=telemetry,
        call_seconds=CONNECT_SECONDS + READ_SECONDS,
    )


try:
    consumer = build_consumer(os.environ)
except StreamingError as error:
    # Lambda logs an ImportError in one line, any other error with its traceback.
    raise ImportError(str(error)) from None


def lambda_handler(event: Any, context: Any = None) -> dict[str, Any]:
    """Answer one invocation; see `streaming.consumer.consumer.Consumer.handle`."""
    return consumer.handle(event, context)
