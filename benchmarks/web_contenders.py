"""The HTTP services that `make bench-web` compares; each is a Python command, with one worker.

Every one answers `POST /predict` with one ride or a list of rides.
"""

COURSE_MODEL = "COURSE_MODEL"
"""The variable with the folder of the course's MLflow model."""

GUNICORN = ("-m", "gunicorn", "--workers=1", "--bind=127.0.0.1:{port}", "--log-level=error")
UVICORN = ("-m", "uvicorn", "--port={port}", "--log-level=error", "--no-access-log")
OURS, UNBATCHED, FLASK, MLFLOW, FASTAPI = (
    "this service",
    "this service without micro-batches",
    "course: Flask + gunicorn, one linear model",
    "course: with MLflow and a forest",
    "FastAPI + uvicorn, this model",
)
COMMANDS: dict[str, tuple[str, ...]] = {
    OURS: ("-m", "web"),
    UNBATCHED: ("-m", "benchmarks.unbatched_web"),
    FLASK: (*GUNICORN, "benchmarks.flask_course:linear()"),
    MLFLOW: (*GUNICORN, "benchmarks.flask_mlflow:forest()"),
    FASTAPI: (*UVICORN, "benchmarks.fastapi_service:app"),
}
