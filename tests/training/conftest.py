import os

# The fits are so small that more threads only slow down tests that run in parallel.
os.environ["OMP_NUM_THREADS"] = "1"

# Set before any test imports MLflow, which would send telemetry.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.pop("MLFLOW_TRACKING_URI", None)
