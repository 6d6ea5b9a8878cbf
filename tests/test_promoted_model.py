"""A promoted model of rides takes the place of the former one in a warm function."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from lambda_function import build_consumer
from model import load_model
from streaming import ModelBundleError, ModelRefresh
from tests.bundle_files import write_bundle
from tests.fakes.no_s3 import no_s3
from tests.lambda_events import event, ride
from tests.model_pointers import write_pointer
from tests.ride_graphs import graph

if TYPE_CHECKING:
    from pathlib import Path


def bundle(folder: Path, version: str, dollars_a_mile: float) -> Path:
    graphs = {"tip": graph(times=dollars_a_mile)}
    return write_bundle(folder / "bundles" / version, graphs, version=version)


def test_a_warm_function_takes_the_model_that_the_pointer_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = bundle(tmp_path, "old", 1.0), bundle(tmp_path, "new", 2.0)
    champion = write_pointer(tmp_path / "champion.json", old)
    now = 0.0
    monkeypatch.setattr("lambda_function.ModelRefresh", partial(ModelRefresh, clock=lambda: now))
    settings = {"TEST_RUN": "True", "MODELS": "tip", "MODEL_LOCATION": str(champion)}
    consumer = build_consumer({**settings, "MODEL_REFRESH_SECONDS": "60"})

    pointed = [(0.0, old), (59.0, new), (60.0, new), (61.0, new), (120.0, old), (121.0, old)]
    predictions = []
    for seconds, serves in pointed:
        now = seconds
        write_pointer(champion, serves)
        response = consumer.handle(event(ride(7, trip_distance=3.5)))
        predictions += response["predictions"]

    assert [(each["version"], each["prediction"]["ride_tip"]) for each in predictions] == [
        ("old", 3.5),
        ("old", 3.5),
        ("old", 3.5),  # it looked after this batch
        ("new", 7.0),
        ("new", 7.0),
        ("old", 3.5),
    ]


def test_a_bundle_without_a_pointer_is_not_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr("lambda_function.ModelRefresh", lambda *refresh: made.append(refresh))
    location = str(bundle(tmp_path, "old", 1.0))

    build_consumer({"TEST_RUN": "True", "MODELS": "tip", "MODEL_LOCATION": location})

    assert not made


def test_a_manifest_of_another_hash_is_refused(tmp_path: Path) -> None:
    environment = {"MODELS": "tip", "MODEL_LOCATION": str(bundle(tmp_path, "old", 1.0))}

    assert load_model(environment, no_s3).version == "old"
    with pytest.raises(ModelBundleError, match=r"manifest\.json has SHA-256 .*; expected 0000"):
        load_model({**environment, "MODEL_MANIFEST_SHA256": "0" * 64}, no_s3)
