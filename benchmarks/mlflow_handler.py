"""The course's handler: an MLflow model, one prediction and one PutRecord per record, in a loop.

It is written the way courses teach it; `benchmarks.mlflow_handler_model` makes the model.
"""

import base64
import json
import os
from typing import Any

import boto3
import mlflow

PREDICTIONS_STREAM_NAME = os.environ["PREDICTIONS_STREAM_NAME"]
RUN_ID = os.environ.get("RUN_ID", "unknown")

kinesis_client = boto3.client("kinesis", endpoint_url=os.environ.get("KINESIS_ENDPOINT_URL"))
model = mlflow.pyfunc.load_model(os.environ["COURSE_MODEL"])


def prepare_features(ride: dict[str, Any]) -> dict[str, Any]:
    """Return the features as the model's DictVectorizer takes them."""
    return {
        "PU_DO": f"{ride['PULocationID']}_{ride['DOLocationID']}",
        "trip_distance": ride["trip_distance"],
    }


def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Predict and put one record after another."""
    predictions = []
    for record in event["Records"]:
        ride_event = json.loads(base64.b64decode(record["kinesis"]["data"]).decode("utf-8"))
        ride_id = ride_event["ride_id"]
        duration = float(model.predict(prepare_features(ride_event["ride"]))[0])
        prediction = {
            "model": "ride_duration_prediction_model",
            "version": RUN_ID,
            "prediction": {"ride_duration": duration, "ride_id": ride_id},
        }
        kinesis_client.put_record(
            StreamName=PREDICTIONS_STREAM_NAME,
            Data=json.dumps(prediction),
            PartitionKey=str(ride_id),
        )
        predictions.append(prediction)
    return {"predictions": predictions}
