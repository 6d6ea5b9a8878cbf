"""The same predictions over Spark, where one machine is too small: `mapInArrow` around `Scorer`.

Spark's workers need this project, its `score` packages and the model (`MODEL_LOCATION`). The rows
are those that `make score` writes, to the last bit; Spark keeps no order of theirs.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from batch.interval import Interval
from batch.rides_table import BATCH_ROWS, RidesTable
from batch.row_mapping import AT, RIDE, RowMapping, row_mapping
from batch.scorer import REJECT_FIELDS, Scorer, is_number, prediction_columns
from batch.slice_worker import load

SETTINGS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
    "spark.sql.session.timeZone": "UTC",
}
"""Settings of the session: the larger the batches, the faster the models."""

LOCAL = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
"""Settings of a session on this machine alone."""


def read_rides(
    session: Any, table: RidesTable, interval: Interval, key: str | None = None
) -> tuple[Any, RowMapping]:
    """Return the rides of an interval as a Spark frame, and how a row becomes an event.

    Args:
        session: The Spark session; it reads the files by their paths.
        table: Parquet files.
        interval: Which rides.
        key: The column that names a row; None: the file and the row's number in it.

    Raises:
        SourceError: A column is missing or of a wrong type.
    """
    with table.open() as opened:
        mapping = row_mapping(opened.types(table.files[0]), key=key)
    by_row = (
        "concat(regexp_replace(_metadata.file_name, '[.]parquet$', ''), ':', _metadata.row_index)"
    )
    ride = by_row if key is None else f"coalesce(CAST(`{key}` AS STRING), {by_row})"
    time = f"CAST(`{mapping.time}` AS TIMESTAMP_NTZ)"
    frame = session.read.parquet(*map(str, table.files)).selectExpr(
        *(f"`{name}`" for name in mapping.columns), f"{ride} AS {RIDE}", f"{time} AS {AT}"
    )
    since, until = (f"TIMESTAMP_NTZ '{each}'" for each in (interval.since, interval.until))
    return frame.where(f"{AT} >= {since} AND {AT} < {until}"), mapping


def score_frame(frame: Any, mapping: RowMapping) -> Any:
    """Return a frame with a row for each prediction and each reject; skipped events have none.

    Args:
        frame: The mapping's columns, `_ride` (the key as text) and `_at` (local time).
        mapping: How a row becomes an event.

    Returns:
        `ride`, the model's columns, and `error_type`, `error_message` and `event`, which are null
        but for rejects.
    """
    columns = ("ride", *prediction_columns(load()), *REJECT_FIELDS)
    kinds = ", ".join(f"{name} {'double' if is_number(name) else 'string'}" for name in columns)
    return frame.mapInArrow(partial(_score_batches, mapping=mapping), kinds)


def session_on_this_machine(cores: int) -> Any:
    """Return a Spark session in processes of this machine."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  a worker needs none

    builder: Any = SparkSession.builder.master(f"local[{cores}]").appName("score")
    for name, value in {**SETTINGS, **LOCAL, "spark.ui.enabled": "false"}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def write_frame(frame: Any, output: Path) -> None:
    """Write a frame to a folder of Parquet files, in place of what is there."""
    frame.write.mode("overwrite").parquet(str(output))


def _score_batches(
    batches: Iterator[pa.RecordBatch], mapping: RowMapping
) -> Iterator[pa.RecordBatch]:
    scorer: Scorer | None = None
    for batch in batches:
        if scorer is None:  # an empty partition loads no model
            scorer = Scorer(load(), mapping)
        found = scorer.score(pa.Table.from_batches([batch]))
        schema = pa.unify_schemas([found.predictions.schema, found.rejects.schema])
        both = [found.predictions, found.rejects]
        whole = pa.concat_tables(both, promote_options="default").select(schema.names)
        yield from whole.combine_chunks().to_batches()
