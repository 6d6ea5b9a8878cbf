"""The course's handler, to compare with: one record at a time, no error handling.

For each record it decodes the event, predicts it and puts the prediction. Any error is an exception
that fails the whole batch. It has the project's own model, so that a comparison measures the
handling alone.
"""

import base64
import json
import math
import os
from datetime import datetime
from functools import partial
from typing import Any

import boto3

from model import RideFeatures, load_model

OUTPUT_STREAM = os.environ["PREDICTIONS_STREAM_NAME"]

kinesis = boto3.client("kinesis", endpoint_url=os.environ.get("KINESIS_ENDPOINT_URL"))
model = load_model(os.environ, partial(boto3.client, "s3"))


def features(event: dict[str, Any]) -> RideFeatures:
    """Return an event's fields as features, without checks."""
    ride = event["ride"]
    pickup = datetime.fromisoformat(ride["pickup_datetime"])
    return RideFeatures(
        event["ride_id"],
        (
            ride["PULocationID"],
            ride["DOLocationID"],
            ride["trip_distance"],
            pickup.hour + pickup.minute / 60,
            pickup.weekday(),
            ride.get("passenger_count", math.nan),
            ride.get("payment_type", math.nan),
        ),
    )


def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Predict each record of a batch and put its prediction."""
    predictions = []
    for record in event["Records"]:
        data = base64.b64decode(record["kinesis"]["data"]).decode()
        ride_event = json.loads(data)
        (predicted,) = model.predict([features(ride_event)])
        prediction = {
            "model": model.name,
            "version": model.version,
            "prediction": predicted.value,
        }
        kinesis.put_record(
            StreamName=OUTPUT_STREAM,
            Data=json.dumps(prediction),
            PartitionKey=str(ride_event["ride_id"]),
        )
        predictions.append(prediction)
    return {"predictions": predictions}
