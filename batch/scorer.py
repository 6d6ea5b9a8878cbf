"""Rows to predictions and rejects: by the columns where the model can, else by their events."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from batch.errors import ModelUnavailable
from batch.row_mapping import AT, MACROS, RIDE, ZONE, RowMapping
from streaming import Model
from streaming.consumer.predictor import (
    SKIPPED,
    UNAVAILABLE,
    Payload,
    Predictor,
    Rejected,
)
from streaming.consumer.telemetry import Telemetry
from streaming.timestamps import LAST_SECOND

COLUMNS_MODULE = "model_columns"
"""Beside `model.py`, for a model that has a method `predict_columns`; it has `PREDICTED` and a
function of that name."""

EVENTS_AT_ONCE = 1_000
"""Events that are predicted in one call when they are decoded one by one, as on the stream."""

DAY = 86_400.0
"""Seconds that one call may look for an event that the model fails on."""

KEY_CHARACTERS = 128
"""The longest key that is a ride's id as it is; a longer one is decoded, and rejected."""

REJECT_FIELDS = ("error_type", "error_message", "event")

_KEY_TYPES = (pa.types.is_string, pa.types.is_large_string, pa.types.is_signed_integer)
_ZONE = ZoneInfo(ZONE)
_LOCAL = pa.timestamp("us")


class _Record(msgspec.Struct):
    """What is needed of a `streaming.PredictionRecord`."""

    prediction: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Scored:
    """What became of some rows: each is a prediction, a reject, or skipped.

    Attributes:
        predictions: `ride` and the columns of `Scorer.columns`, in the order of the rows.
        rejects: `ride` and `REJECT_FIELDS`, in the order of the rows: what can never be predicted,
            with the reason that a dead-letter record would have.
        skipped: How many rows are events of another type.
    """

    predictions: pa.Table
    rejects: pa.Table
    skipped: int


class Scorer:
    """Predicts rows of a table; not for use by two threads at once.

    Args:
        model: The model.
        mapping: How a row becomes an event.
        by_columns: Whether rows may be predicted without being decoded, if the model can.

    Attributes:
        columns: The columns of a prediction: the numbers that `model_columns` names, or
            `prediction`, its JSON.
        version: The model's version.
    """

    def __init__(self, model: Model[Any], mapping: RowMapping, *, by_columns: bool = True) -> None:
        self._columns_module = _columns_module(model)
        self.columns = prediction_columns(model)
        self.version = model.version
        self._model = model
        self._mapping = mapping
        self._by_columns = by_columns and self._columns_module is not None and bool(mapping.fields)
        telemetry = Telemetry(model.name, "Batch", "CRITICAL")
        self._predictor = Predictor(model, telemetry)
        self._db = duckdb.connect(config={"threads": 1})
        self._db.execute(MACROS)
        self._decode_record = msgspec.json.Decoder(_Record).decode

    def score(self, rows: pa.Table) -> Scored:
        """Predict rows.

        Args:
            rows: The mapping's columns, `_ride` (the key, text) and `_at` (local time).

        Raises:
            ModelUnavailable: The model fails on every event.
            MemoryError: Memory is short even for one event.
        """
        done, predictions = np.zeros(len(rows), bool), None
        if self._by_columns and len(rows):
            done, predictions = self._score_columns(rows)
        if predictions is not None and len(predictions) == len(rows):
            return Scored(predictions, self._table([], REJECT_FIELDS), 0)
        left = np.flatnonzero(~done)
        found, rejects, skipped = self._score_events(rows.take(pa.array(left)))
        if predictions is None:
            return Scored(found[1], rejects, skipped)
        order = np.argsort(np.concatenate([np.flatnonzero(done), left[found[0]]]), kind="stable")
        both = pa.concat_tables([predictions, found[1]]).combine_chunks()
        return Scored(both.take(pa.array(order)), rejects, skipped)

    def _score_columns(self, rows: pa.Table) -> tuple[NDArray[np.bool_], pa.Table | None]:
        """Predict the rows that are plainly valid events; the mask says which."""
        done = np.zeros(len(rows), bool)
        key = rows[self._mapping.key or RIDE]
        vectors = {name: _numbers(rows[column]) for name, column in self._mapping.fields.items()}
        fields = {name: vector for name, vector in vectors.items() if vector is not None}
        if len(fields) < len(vectors) or not _is_key(key.type):
            return done, None
        good = np.flatnonzero(_good_keys(key))
        if len(good) < len(rows):
            fields = {name: vector[good] for name, vector in fields.items()}
        module: Any = self._columns_module
        try:
            valid, predicted = module.predict_columns(self._model, fields)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  whatever it is, the consumer's own steps find out
            return done, None
        done[good[valid]] = True
        if not predicted:
            return done, None
        ride = rows[RIDE] if done.all() else rows[RIDE].filter(pa.array(done))
        nothing = pa.nulls(len(ride), pa.float64())
        numbers = [
            pa.array(predicted[name]) if name in predicted else nothing for name in self.columns
        ]
        return done, pa.table([ride, *numbers], schema=_schema(self.columns))

    def _score_events(
        self, rows: pa.Table
    ) -> tuple[tuple[NDArray[np.int64], pa.Table], pa.Table, int]:
        """Predict rows by their events; the first array says which rows have a prediction."""
        predicted: list[tuple[Any, ...]] = []
        rejected: list[tuple[Any, ...]] = []
        numbers: list[int] = []
        skipped = 0
        for first, batch in _parts(rows, EVENTS_AT_ONCE):
            rides, events = batch[RIDE].to_pylist(), self._events(batch)
            for place, answer in enumerate(self._answers(batch, events)):
                if isinstance(answer, Rejected):
                    text = events[place].decode(errors="backslashreplace")
                    error = (answer.error_type, answer.error_message, text)
                    # PostgreSQL's text has no NUL.
                    rejected.append((rides[place], *(t.replace("\0", "\\x00") for t in error)))
                elif answer is SKIPPED:
                    skipped += 1
                else:
                    predicted.append((rides[place], *self._values(answer)))
                    numbers.append(first + place)
        found = np.array(numbers, np.int64), self._table(predicted, self.columns)
        return found, self._table(rejected, REJECT_FIELDS), skipped

    def _events(self, rows: pa.Table) -> list[bytes]:
        relation = self._db.from_arrow(rows).project(self._mapping.event)
        found = relation.to_arrow_table().column(0).cast(pa.binary()).to_pylist()
        return [b"null" if event is None else event for event in found]

    def _answers(self, rows: pa.Table, events: Sequence[bytes]) -> list[Any]:
        # The key is what identifies a row; an event without a time of its own has the row's.
        arrived = rows[AT].cast(_LOCAL).to_pylist()
        payloads = [
            Payload(event, None, min(at.replace(tzinfo=_ZONE).timestamp(), LAST_SECOND))
            for event, at in zip(events, arrived, strict=True)
        ]
        answers = self._predictor.predict(payloads, 0.0, DAY)
        if UNAVAILABLE in answers:
            raise ModelUnavailable(
                f"the model {self._model.name} fails on every event; nothing is committed, and "
                "`make check-model` shows its error"
            )
        return answers

    def _values(self, record: bytes) -> list[Any]:
        raw = self._decode_record(record).prediction
        if self._columns_module is None:
            return [bytes(raw).decode()]
        prediction = msgspec.json.decode(raw)
        return [prediction.get(name) for name in self.columns]

    def _table(self, rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> pa.Table:
        schema = _schema(columns)
        values = zip(*rows, strict=True) if rows else [[] for _ in schema]
        arrays = [pa.array(list(found), f.type) for found, f in zip(values, schema, strict=True)]
        return pa.table(arrays, schema=schema)


def prediction_columns(model: Model[Any]) -> tuple[str, ...]:
    """Return the columns of a model's predictions; `prediction` alone is its JSON."""
    module = _columns_module(model)
    return ("prediction",) if module is None else tuple(module.PREDICTED)


def is_number(column: str) -> bool:
    """Return whether a column of predictions or rejects holds numbers."""
    return column not in {"ride", "prediction", *REJECT_FIELDS}


def _columns_module(model: Model[Any]) -> Any:
    # Another model.py has no such method, and what lies beside it is not its own.
    if not hasattr(model, "predict_columns"):
        return None
    beside = sys.modules.get(COLUMNS_MODULE) or find_spec(COLUMNS_MODULE)
    return import_module(COLUMNS_MODULE) if beside else None


def _schema(columns: Sequence[str]) -> pa.Schema:
    kinds = {True: pa.float64(), False: pa.string()}
    return pa.schema([("ride", pa.string()), *((n, kinds[is_number(n)]) for n in columns)])


def _is_key(kind: pa.DataType) -> bool:
    return any(is_type(kind) for is_type in _KEY_TYPES)


def _good_keys(key: pa.ChunkedArray) -> NDArray[np.bool_]:
    good = key.is_valid()
    if not pa.types.is_signed_integer(key.type):
        length = pc.utf8_length(key)
        inside = pc.and_(pc.greater(length, 0), pc.less_equal(length, KEY_CHARACTERS))
        good = pc.fill_null(inside, False)  # noqa: FBT003  pyarrow's signature
    found: NDArray[np.bool_] = good.to_numpy()
    return found


def _numbers(column: pa.ChunkedArray) -> NDArray[Any] | None:
    """Return numbers with NaN in place of null, or times with NaT; None for other types."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is None:
        try:
            times: NDArray[Any] = column.cast(_LOCAL).to_numpy()
        except pa.ArrowInvalid:  # nanoseconds: the event says what becomes of them
            return None
        return times
    if not (pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)):
        return None
    numbers: NDArray[Any] = column.to_numpy()
    return numbers


def _parts(rows: pa.Table, size: int) -> Iterator[tuple[int, pa.Table]]:
    for first in range(0, len(rows), size):
        yield first, rows.slice(first, size)
