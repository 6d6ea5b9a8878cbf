"""Tables scored with another model than that of the rides, without columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch import slice_worker
from batch.errors import DatabaseError, ModelUnavailable
from streaming import Prediction
from tests.batch.scored_rows import query, request, rows, score_into
from tests.batch.trip_files import START

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Alarms:
    """Another model, without columns."""

    name, version, event_type = "alarm_model", "1", "alarm_predicted"

    def __init__(self, *, works: bool = True) -> None:
        self._works = works

    def decode(self, content: bytes, _arrived_at: float) -> dict[str, Any] | None:
        event: dict[str, Any] = msgspec.json.decode(content)
        return None if event["machine"] == "skip" else event

    def predict(self, events: Sequence[dict[str, Any]]) -> list[Prediction]:
        if not self._works:
            raise RuntimeError("no connection")
        return [Prediction(each["machine"], {"alarm": each["celsius"] > 90}) for each in events]


def test_another_model_s_predictions_are_json(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_worker, "load_model", lambda *_: Alarms())
    path = tmp_path / "readings.parquet"
    readings = pa.table(
        {
            "machine": ["m1", "m2", "skip", None],
            "celsius": [95.0, 20.5, 0.0, None],
            "at": pa.array([START] * 4, pa.timestamp("us")),
            "id": [7, 8, 9, None],
        }
    )
    pq.write_table(readings, path)

    report = score_into(location, request([path], key="id", time="at"))

    predictions, rejects = rows(location)
    assert [row[4:] for row in predictions] == [("7", '{"alarm":true}'), ("8", '{"alarm":false}')]
    assert [row[4:6] for row in rejects] == [("readings:3", "PredictionFailed")]
    assert report.counts.skipped == 1


@pytest.mark.rides
def test_one_database_refuses_another_model_s_columns(
    location: str, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_into(location, request([month]))
    monkeypatch.setattr(slice_worker, "load_model", lambda *_: Alarms())

    with pytest.raises(DatabaseError, match="give another model's predictions another DATABASE"):
        score_into(location, request([month], event="'{}'", time="lpep_pickup_datetime"))


def test_a_model_that_fails_on_every_event_commits_nothing(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_worker, "load_model", lambda *_: Alarms(works=False))
    path = tmp_path / "readings.parquet"
    at = pa.array([START] * 3, pa.timestamp("us"))
    pq.write_table(pa.table({"machine": ["m"] * 3, "celsius": [1.0] * 3, "at": at}), path)

    with pytest.raises(ModelUnavailable, match="the model alarm_model fails on every event"):
        score_into(location, request([path], time="at"))

    assert rows(location) == ([], [])
    assert query(location, "SELECT status FROM runs") == [("failed",)]
