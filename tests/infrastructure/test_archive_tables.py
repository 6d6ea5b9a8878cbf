"""Firehose's tables have the columns of docs/schemas, and the documented views read them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from lifecycle.ride_tables import RIDE_ENDED, RIDE_PREDICTIONS, RIDE_STARTED

if TYPE_CHECKING:
    from tests.infrastructure.deployment_life import Life

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs" / "schemas"
EVENTS = {"ride_events": ("ride_started", "ride_ended"), "ride_predictions": ("ride_predicted",)}
MODULE = (ROOT / "infrastructure" / "modules" / "archive" / "main.tf").read_text()
SQL_TYPES = {"string": "VARCHAR", "double": "DOUBLE", "int": "INTEGER", "timestamp": "TIMESTAMP"}

GLUE_TYPES = {"integer": "int", "number": "double", "string": "string", "null": ""}
TIMES = {"arrived_at"}
"""In UTC, in a format that the deserializer reads; producers write other times as they like."""


def declared(table: str) -> dict[str, str]:
    """Return a table's columns and types from the module."""
    (block,) = re.findall(rf"^    {table} = \{{\n(.*?)^    \}}", MODULE, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r'^      (\w+)\s+= "(.*)"$', block, re.MULTILINE))


def glue_type(schema: dict[str, Any], definitions: dict[str, Any], name: str) -> str:
    """Return the type in Glue of a field of a JSON Schema."""
    if "$ref" in schema:
        fields = definitions[schema["$ref"].rpartition("/")[2]]["properties"]
        inside = [f"{key.lower()}:{glue_type(s, {}, key)}" for key, s in fields.items()]
        return f"struct<{','.join(inside)}>"
    if name in TIMES:
        return "timestamp"
    if "const" in schema or "enum" in schema:
        return "string"
    kinds = {GLUE_TYPES[each["type"]] for each in schema.get("anyOf", [schema])} - {""}
    return "string" if "string" in kinds else kinds.pop()


def documented(table: str) -> dict[str, str]:
    """Return the columns and types that the fields of a table's events have."""
    columns = {}
    for event in EVENTS[table]:
        schema = json.loads((SCHEMAS / f"{event}.v1.json").read_text())
        for name, field in schema["properties"].items():
            columns[name.lower()] = glue_type(field, schema.get("$defs", {}), name)
    return columns


def sql_type(kind: str) -> str:
    if not kind.startswith("struct<"):
        return SQL_TYPES[kind]
    fields = [field.split(":") for field in kind.removeprefix("struct<")[:-1].split(",")]
    return f"STRUCT({', '.join(f'{name} {SQL_TYPES[each]}' for name, each in fields)})"


def lowered(value: Any) -> Any:
    """Return JSON as the deserializer reads it: each key in lower case."""
    if isinstance(value, dict):
        return {key.lower(): lowered(each) for key, each in value.items()}
    return value


def deliver(folder: Path, table: str, events: list[Any]) -> None:
    """Write a file as Firehose does, from the columns that Glue has."""
    place = folder / table / "date=2025-03-01" / "hour=13"
    place.mkdir(parents=True)
    source = folder / f"{table}.jsonl"
    source.write_text("\n".join(json.dumps(lowered(event)) for event in events))
    columns = {name: sql_type(kind) for name, kind in declared(table).items()}
    with duckdb.connect() as db:
        db.read_json(str(source), columns=columns, format="newline_delimited").write_parquet(
            str(place / "1.parquet")
        )


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Open the views of docs/archive.md on delivered files, in which each row occurs twice."""
    for table, kinds in EVENTS.items():
        lines = [
            line
            for kind in kinds
            for line in (SCHEMAS / "examples" / f"{kind}.v1.valid.jsonl").read_text().splitlines()
        ]
        deliver(tmp_path, table, [json.loads(line) for line in lines] * 2)
    text = (ROOT / "docs" / "archive.md").read_text().partition("## Firehose")[2]
    (views,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as db:
        db.execute(views)
        yield db


@pytest.mark.parametrize("table", EVENTS)
def test_a_tables_columns_are_the_fields_of_its_events(table: str) -> None:
    assert declared(table) == documented(table)


@pytest.mark.parametrize(
    ("view", "event"),
    [("predictions", "ride_predicted"), ("ride_started", "ride_started"), ("ride_ended",) * 2],
)
def test_the_documented_views_have_each_event_once(tables: Any, view: str, event: str) -> None:
    lines = (SCHEMAS / "examples" / f"{event}.v1.valid.jsonl").read_text().splitlines()
    found = tables.table(view)

    expected = {
        str(json.loads(line).get("prediction", json.loads(line))["ride_id"]) for line in lines
    }
    assert {row[0] for row in found.project("ride_id").fetchall()} == expected
    assert found.shape[0] == found.distinct().shape[0]


def test_the_documented_views_have_the_archives_names(tables: Any) -> None:
    unknown = {
        "predictions": {"published_at"},
        "ride_started": {"event_id", "arrived_at"},
        "ride_ended": {"event_id", "arrived_at"},
    }
    for table in (RIDE_PREDICTIONS, RIDE_STARTED, RIDE_ENDED):
        columns = {column.name for column in table.columns} - unknown[table.name]
        assert set(tables.table(table.name).columns) == columns


def test_firehose_reads_both_streams_and_converts_by_the_tables(life: Life) -> None:
    for table, stream in (
        ("ride_events", "event_stream"),
        ("ride_predictions", "prediction_stream"),
    ):
        delivery = life.seen["delivery streams"][table]
        (destination,) = delivery["Destinations"]
        to = destination["ExtendedS3DestinationDescription"]
        conversion = to["DataFormatConversionConfiguration"]
        source = delivery["Source"]["KinesisStreamSourceDescription"]

        assert source["KinesisStreamARN"] == life.outputs[stream]["arn"]
        assert to["BucketARN"] == "arn:aws:s3:::lake"
        assert to["Prefix"].startswith(f"rides/{table}/date=!{{timestamp:yyyy-MM-dd}}/hour=")
        assert to["ErrorOutputPrefix"].startswith(f"rides/_errors/{table}/")
        assert conversion["Enabled"] is True
        assert conversion["SchemaConfiguration"]["TableName"] == table
        assert "ParquetSerDe" in conversion["OutputFormatConfiguration"]["Serializer"]
        assert to["EncryptionConfiguration"]["KMSEncryptionConfig"]["AWSKMSKeyARN"]


def test_glue_has_the_columns_and_where_the_files_are(life: Life) -> None:
    for table in EVENTS:
        found = life.seen["tables"][table]
        columns = {each["Name"]: each["Type"] for each in found["StorageDescriptor"]["Columns"]}

        assert columns == documented(table)
        assert found["StorageDescriptor"]["Location"] == f"s3://lake/rides/{table}/"
        assert [each["Name"] for each in found["PartitionKeys"]] == ["date", "hour"]
        template = found["Parameters"]["storage.location.template"]
        assert template == f"s3://lake/rides/{table}/date=${{date}}/hour=${{hour}}/"
