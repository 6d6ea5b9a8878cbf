"""The course's web service: Flask, a DictVectorizer and a linear regression.

They are fitted here and not unpickled; a request does not see the difference. A list of rides,
which the course's service does not take, is predicted ride by ride.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from flask import Flask, jsonify, request
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression

from benchmarks.mlflow_handler_model import MINUTES_PER_MILE
from benchmarks.ride_batches import rides

RIDES = 20_000


def features(ride: Any) -> dict[str, Any]:
    """Return a ride's features as the course's models take them."""
    return {
        "PU_DO": f"{ride['PULocationID']}_{ride['DOLocationID']}",
        "trip_distance": ride["trip_distance"],
    }


def flask_service(predict: Callable[[dict[str, Any]], float]) -> Flask:
    """Return a service; `predict` gets a ride's features."""
    app = Flask("duration-prediction")

    @app.route("/predict", methods=["POST"])
    def predict_endpoint() -> Any:
        event = request.get_json()
        if isinstance(event, list):
            return jsonify([{"duration": predict(features(each["ride"]))} for each in event])
        return jsonify({"duration": predict(features(event["ride"]))})

    return app


def linear() -> Flask:
    """Return the service with its linear model."""
    known = [features(event["ride"]) for event in rides(RIDES)]
    vectorizer = DictVectorizer()
    minutes = np.array([each["trip_distance"] for each in known]) * MINUTES_PER_MILE
    regression = LinearRegression().fit(vectorizer.fit_transform(known), minutes)
    return flask_service(lambda ride: float(regression.predict(vectorizer.transform(ride))[0]))
