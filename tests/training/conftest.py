import os

# The fits are so small that a second thread only gets in the way of others' tests.
os.environ["OMP_NUM_THREADS"] = "1"

# Set before any test imports MLflow, which would report its use to its makers.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.pop("MLFLOW_TRACKING_URI", None)
