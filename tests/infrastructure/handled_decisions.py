"""The decision service's real code, on the table, streams and settings that Terraform created."""

from __future__ import annotations

import io
import json
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from streaming.clients import aws_client
from streaming.decisions.decision_service import build_service
from streaming.decisions.decision_table import DecisionTable
from streaming.decisions.item_state import ItemState
from tests.infrastructure.function_calls import Handled, lambda_environment, recorded_calls
from tests.lambda_events import event

ROOT = Path(__file__).parent.parent.parent
POLICY = ROOT / "examples" / "rides" / "policy.json"
KEEP_SECONDS = 86_400

DECIDED, WAITING, OVERDUE = 7, 8, 9
"""Rides: one with both results, one that was only opened, and one whose time is up."""


def handle_decisions(seen: dict[str, Any], endpoint: str) -> Handled:
    """Handle results, an opening event, poison, and a tick; return the last response."""
    variables = seen["function"]["Environment"]["Variables"]
    results = event(*(_result(model) for model in ("duration", "tip")), b"poison")
    for record in results["Records"]:
        record["eventSourceARN"] = seen["mapping"]["EventSourceArn"]
    opening = event(json.dumps({"event_type": "ride_started", "ride_id": WAITING}).encode())
    for record in (*results["Records"], *opening["Records"]):
        record["kinesis"]["approximateArrivalTimestamp"] = time.time()
    region, account = seen["function"]["FunctionArn"].split(":")[3:5]
    tick = json.loads(seen["tick"])
    printed = io.StringIO()
    with lambda_environment(variables, region, endpoint):
        _write_overdue(variables["DECISION_TABLE"])
        with recorded_calls(f"{region}:{account}") as calls, redirect_stdout(printed):
            service = build_service(variables)
            responses = [service.handle(each) for each in (results, opening, tick)]
    lines = [json.loads(line) for line in printed.getvalue().splitlines()]
    return Handled({"responses": responses}, calls, lines)


def described_table(client: Any, name: str) -> dict[str, Any]:
    """Describe a table, with its TTL and backups, as AWS's API answers."""
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return {
        **client.describe_table(TableName=name)["Table"],
        "ttl": client.describe_time_to_live(TableName=name)["TimeToLiveDescription"],
        "recovery": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
    }


def _result(target: str) -> bytes:
    prediction = {"ride_id": DECIDED, f"ride_{target}": 2.5}
    record = {
        "event_type": "ride_predicted",
        "event_id": "shardId-000000000000:1",
        "model": f"ride_{target}_prediction_model",
        "version": "1",
        "prediction": prediction,
        "arrived_at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
    }
    return json.dumps(record).encode()


def _write_overdue(table: str) -> None:
    opened = time.time() - 3600
    client = aws_client("dynamodb")
    state = ItemState(OVERDUE, opened, due_at=opened + 5)
    DecisionTable(client, table, time.time).write(state, None, KEEP_SECONDS)
