"""The course's web service with a model that MLflow loads."""

import os

import mlflow
from flask import Flask

from benchmarks.flask_course import flask_service
from benchmarks.web_contenders import COURSE_MODEL


def forest() -> Flask:
    """Return the service."""
    model = mlflow.pyfunc.load_model(os.environ[COURSE_MODEL])
    return flask_service(lambda ride: float(model.predict(ride)[0]))
