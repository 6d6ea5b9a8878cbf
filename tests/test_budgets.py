"""Budgets that decide the speed, in numbers that do not depend on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from model import load_model
from streaming.consumer.consumer import Consumer
from streaming.consumer.telemetry import Telemetry
from streaming.publisher import Publisher
from tests.lambda_events import event, ride

if TYPE_CHECKING:
    from types import FrameType

ROOT = Path(__file__).parent.parent

PACKAGES_AT_START = {
    "botocore",
    "dateutil",
    "jmespath",
    "lambda_function",
    "model",
    "model_graph",
    "msgspec",
    "numpy",
    "onnxruntime",
    "six",
    "streaming",
    "urllib3",
}
NOT_IN_THE_IMAGE = {"certifi", "typing_extensions"}
"""botocore imports the one and msgspec the other, if they are installed."""

CALLS_PER_RECORD = 60
BUNDLE_BYTES = 5_000_000


class CountingClient:
    """Accepts everything, and counts calls."""

    def __init__(self) -> None:
        self.calls = 0

    def put_records(self, **call: Any) -> dict[str, Any]:
        self.calls += 1
        return {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1"}] * len(call["Records"])}


MODEL = load_model({}, dict)


def consumer(client: CountingClient) -> Consumer[Any]:
    return Consumer(
        MODEL,
        publisher=Publisher(client, "ride_predictions"),
        dead_letters=None,
        telemetry=Telemetry("budgets", "Budgets", "ERROR"),
    )


def batch(records: int) -> dict[str, Any]:
    return event(*(ride(number) for number in range(records)))


@pytest.mark.rides
def test_the_start_imports_only_these_packages() -> None:
    program = (
        "import sys, json; before = set(sys.modules); import lambda_function; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    environment = {"PATH": os.environ["PATH"], "TEST_RUN": "True"}

    started = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    packages = {name.partition(".")[0] for name in json.loads(started.stdout)}
    of_python = {name for name in packages if name.startswith("_sysconfigdata")}
    found = packages - sys.stdlib_module_names - of_python - NOT_IN_THE_IMAGE
    assert found == PACKAGES_AT_START


@pytest.mark.rides
def test_a_thousand_records_take_two_calls_of_put_records() -> None:
    client = CountingClient()

    consumer(client).handle(batch(1_000))
    assert client.calls == 2

    consumer(client).handle(batch(10_000))
    assert client.calls == 2 + 20


@pytest.mark.rides
def test_a_record_takes_few_function_calls() -> None:
    handle = consumer(CountingClient()).handle
    small, large = batch(100), batch(1_100)
    handle(small)  # fills caches

    per_record = (function_calls(handle, large) - function_calls(handle, small)) / 1_000

    assert per_record <= CALLS_PER_RECORD


@pytest.mark.rides
def test_memory_depends_on_the_slice_and_not_on_the_batch() -> None:
    handle = consumer(CountingClient()).handle
    one_slice, five_slices = batch(2_000), batch(10_000)
    handle(one_slice)

    assert peak_bytes(handle, five_slices) < 1.1 * peak_bytes(handle, one_slice)


def test_the_shipped_models_are_small() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "models").rglob("*.onnx")) < BUNDLE_BYTES


def function_calls(handle: Any, batch: dict[str, Any]) -> int:
    """Return how many functions, of Python and of C, are called to handle a batch."""
    count = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        handle(batch)
    finally:
        sys.setprofile(None)
    return count


def peak_bytes(handle: Any, batch: dict[str, Any]) -> int:
    """Return the peak memory of handling a batch."""
    tracemalloc.start()
    try:
        handle(batch)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
