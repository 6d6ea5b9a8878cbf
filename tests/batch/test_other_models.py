"""Tables scored with another model than that of the rides, without columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch import slice_worker
from batch.errors import DatabaseError, ModelUnavailable, SourceError
from streaming import Prediction
from tests.batch.scored_rows import query, request, rows, score_into
from tests.batch.trip_files import START

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batch.scoring import Request


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


def keyed(path: Path, keys: list[str | None]) -> Request:
    events = ['{"machine": "m", "celsius": 1}'] * len(keys)
    at = pa.array([START] * len(keys), pa.timestamp("us"))
    pq.write_table(pa.table({"at": at, "event": events, "id": keys}), path)
    return request([path], key="id", time="at")


def test_a_row_without_a_key_has_its_file_and_number(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_worker, "load_model", lambda *_: Alarms())

    report = score_into(location, keyed(tmp_path / "readings.parquet", [None, "a", None]))

    assert report.counts.predicted == 3
    assert [row[4] for row in rows(location)[0]] == ["a", "readings:0", "readings:2"]


def test_a_key_that_a_row_without_one_has_is_refused(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slice_worker, "load_model", lambda *_: Alarms())
    score_into(location, keyed(tmp_path / "readings.parquet", ["a", "b"]))
    before = rows(location)

    with pytest.raises(SourceError) as raised:
        score_into(location, keyed(tmp_path / "readings.parquet", [None, "readings:0"]))

    assert str(raised.value) == (
        "the key id is 'readings:0' in several rows; allowed: in one (a row without a key has its "
        "file's name and row number)"
    )
    assert rows(location) == before
