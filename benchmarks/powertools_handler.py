"""The handler of Powertools' documentation with our models, one record at a time.

Source: Powertools for AWS Lambda (Python), Batch Processing, Kinesis Data Streams.
"""

import os
from functools import partial
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord

from model import load_model

OUTPUT_STREAM = os.environ["PREDICTIONS_STREAM_NAME"]

kinesis = boto3.client("kinesis", endpoint_url=os.environ.get("KINESIS_ENDPOINT_URL"))
model = load_model(os.environ, partial(boto3.client, "s3"))
processor = BatchProcessor(event_type=EventType.KinesisDataStreams)


def record_handler(record: KinesisStreamRecord) -> None:
    """Predict one ride and put its prediction."""
    payload = record.kinesis
    ride = model.decode(payload.data_as_bytes(), payload.approximate_arrival_timestamp)
    if ride is None:
        return
    (prediction,) = model.predict([ride])
    message = {
        "event_id": record.event_id,
        "model": model.name,
        "version": model.version,
        "prediction": prediction.value,
    }
    kinesis.put_record(
        StreamName=OUTPUT_STREAM,
        Data=msgspec.json.encode(message),
        PartitionKey=prediction.partition_key,
    )


def lambda_handler(event: dict[str, Any], context: Any) -> Any:
    """Process a batch and return its batch item failures."""
    return process_partial_response(
        event=event, record_handler=record_handler, processor=processor, context=context
    )
