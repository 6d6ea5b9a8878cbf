"""Isolation of the tests from AWS and from this machine's settings, and a fake clock."""

from __future__ import annotations

import os

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
    "MODELS",
    "MODEL_LOCATION",
    "PREDICTIONS_STREAM_NAME",
    "RUN_ID",
    "TEST_RUN",
):
    os.environ.pop(name, None)

# Before any test module is imported: importing lambda_function reads the environment.
os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@pytest.fixture
def clock() -> Clock:
    return Clock()
