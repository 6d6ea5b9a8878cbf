"""The HTTP services that `make bench-web` compares; each is a command, with one worker.

Every one answers `POST /predict` with one ride or a list of rides.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

COURSE_MODEL = "COURSE_MODEL"
"""The variable with the folder of the course's MLflow model."""

GUNICORN = (
    "-m",
    "gunicorn",
    "--workers",
    "1",
    "--bind",
    "127.0.0.1:{port}",
    "--log-level",
    "error",
)
UVICORN = ("-m", "uvicorn", "--port", "{port}", "--log-level", "error", "--no-access-log")
OURS, UNBATCHED, FLASK, MLFLOW, FASTAPI = (
    "this service",
    "this service, each request by itself",
    "course: Flask + gunicorn, one linear model",
    "course: the same with MLflow's forest",
    "FastAPI + uvicorn, this model",
)
COMMANDS: dict[str, tuple[str, ...]] = {
    OURS: ("-m", "web"),
    UNBATCHED: ("-m", "benchmarks.web_contenders"),
    FLASK: (*GUNICORN, "benchmarks.web_contenders:flask_linear()"),
    MLFLOW: (*GUNICORN, "benchmarks.web_contenders:flask_mlflow()"),
    FASTAPI: (*UVICORN, "--factory", "benchmarks.web_contenders:fastapi_service"),
}


def features(ride: dict[str, Any]) -> dict[str, Any]:
    """Return a ride's features as the course's models take them."""
    return {
        "PU_DO": f"{ride['PULocationID']}_{ride['DOLocationID']}",
        "trip_distance": ride["trip_distance"],
    }


def flask_linear() -> Any:
    """Return the course's service: a DictVectorizer and a linear regression.

    They are fitted here and not unpickled; a request does not see the difference.
    """
    import numpy as np
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LinearRegression

    from benchmarks.mlflow_handler_model import MINUTES_PER_MILE
    from benchmarks.ride_batches import rides

    known = [features(event["ride"]) for event in rides(20_000)]
    vectorizer = DictVectorizer()
    minutes = np.array([each["trip_distance"] for each in known]) * MINUTES_PER_MILE
    regression = LinearRegression().fit(vectorizer.fit_transform(known), minutes)
    return _flask(lambda ride: regression.predict(vectorizer.transform(features(ride)))[0])


def flask_mlflow() -> Any:
    """Return the course's service with a model of MLflow's registry."""
    import mlflow

    model = mlflow.pyfunc.load_model(os.environ[COURSE_MODEL])
    return _flask(lambda ride: model.predict(features(ride))[0])


def _flask(predict: Any) -> Any:
    from flask import Flask, jsonify, request

    app = Flask("duration-prediction")

    @app.route("/predict", methods=["POST"])
    def predict_endpoint() -> Any:
        events = request.get_json()
        if isinstance(events, list):
            return jsonify([{"duration": float(predict(each["ride"]))} for each in events])
        return jsonify({"duration": float(predict(events["ride"]))})

    return app


def fastapi_service() -> Any:
    """Return a FastAPI service as its tutorial writes one, with this project's models."""
    from fastapi import FastAPI
    from pydantic import BaseModel, Field

    from model import load_model

    model = load_model(os.environ, dict)

    class Ride(BaseModel):
        PULocationID: int = Field(ge=1, le=265)
        DOLocationID: int = Field(ge=1, le=265)
        trip_distance: float = Field(ge=0, le=1000)
        pickup_datetime: str | None = None
        passenger_count: int | None = None
        payment_type: int | None = None

    class RideStarted(BaseModel):
        ride_id: int | str
        ride: Ride
        event_type: str | None = None

    app = FastAPI()

    def values(events: Sequence[RideStarted]) -> list[Any]:
        rides = [model.decode(event.model_dump_json().encode(), 0.0) for event in events]
        return [each.value for each in model.predict([ride for ride in rides if ride])]

    @app.post("/predict")
    async def predict(event: RideStarted | list[RideStarted]) -> Any:
        return values(event) if isinstance(event, list) else values([event])[0]

    RideStarted.model_rebuild(_types_namespace={"Ride": Ride})
    return app


def _unbatched() -> int:
    """Serve with batches of one event: what it costs to predict each request by itself."""
    import web.micro_batches
    from web.__main__ import main

    web.micro_batches.BATCH_EVENTS = 1
    return main(os.environ)


if __name__ == "__main__":
    sys.exit(_unbatched())
