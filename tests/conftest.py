"""Isolation of the tests from AWS and from this machine's settings; tests of rides; a fake clock.

With another `model.py`, the tests of the ride models are left out: the files in `ride_files.txt`,
which import their names, and what is marked `rides`.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.fakes.clock import Clock

for name in (
    "AWS_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_KINESIS",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_SESSION_TOKEN",
    "DEAD_LETTERS",
    "KINESIS_ENDPOINT_URL",
    "LOG_LEVEL",
    "MLFLOW_TRACKING_URI",
    "MODELS",
    "MODEL_LOCATION",
    "PREDICTIONS_STREAM_NAME",
    "RUN_ID",
    "TEST_RUN",
):
    os.environ.pop(name, None)

# What a shell starts in the background ignores Ctrl-C, and so would every program a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before any test module is imported: importing lambda_function reads the environment.
os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OMP_NUM_THREADS": "1",  # read when scikit-learn is imported; fits this small need one thread
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


ROOT = Path(__file__).parent.parent
RIDES = "\nclass RideModel:" in (ROOT / "model.py").read_text()
collect_ignore = (
    [] if RIDES else [ROOT / name for name in (ROOT / "tests/ride_files.txt").read_text().split()]
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    about_rides = [item for item in items if not RIDES and item.get_closest_marker("rides")]
    config.hook.pytest_deselected(items=about_rides)
    items[:] = [item for item in items if item not in set(about_rides)]


@pytest.fixture
def clock() -> Clock:
    return Clock()
