import json
from collections import Counter
from random import Random
from typing import Any

import pytest

from tests.soak.fault_injection import (
    FAULT_RATES,
    SPARED_CALLS,
    Ending,
    Fault,
    FaultPlan,
    Injection,
    Request,
    Response,
    respond,
)

CALLS = 8000


def put_records(count: int) -> Request:
    entries = [{"Data": str(position), "PartitionKey": "key"} for position in range(count)]
    body = json.dumps({"StreamName": "rides", "Records": entries}).encode()
    return Request("POST", "/", {"X-Amz-Target": "Kinesis_20131202.PutRecords"}, body)


def call(operation: str) -> Request:
    return Request("POST", "/", {"X-Amz-Target": f"Kinesis_20131202.{operation}"}, b"{}")


PUT_OBJECT = Request("PUT", "/bucket/prefix/key?x-id=PutObject", {}, b"dead-letter records")


class Kinesis:
    """Accepts every entry that is forwarded to it."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.calls = 0

    def __call__(self, request: Request) -> Response:
        self.calls += 1
        results = []
        for entry in json.loads(request.body or b"{}").get("Records", []):
            self.accepted.append(entry["Data"])
            results.append({"SequenceNumber": entry["Data"], "ShardId": "shard"})
        return Response(body=json.dumps({"FailedRecordCount": 0, "Records": results}).encode())


def inject(fault: Fault | None, request: Request, kinesis: Kinesis, seed: int = 1) -> Response:
    waits: list[float] = []
    return respond(Injection(fault, Random(seed)), request, kinesis, waits.append)


@pytest.mark.parametrize("seed", range(20))
def test_refused_entries_keep_their_positions_and_only_the_others_are_forwarded(seed: int) -> None:
    kinesis = Kinesis()

    response = json.loads(inject(Fault.REFUSED_ENTRIES, put_records(100), kinesis, seed).body)

    results = response["Records"]
    refused = [position for position, result in enumerate(results) if "ErrorCode" in result]
    accepted = [result["SequenceNumber"] for result in results if "ErrorCode" not in result]
    assert response["FailedRecordCount"] == len(refused) > 0
    assert accepted == kinesis.accepted == [str(n) for n in range(100) if n not in refused]


def test_a_call_with_every_entry_refused_is_not_forwarded() -> None:
    outcomes = {
        json.loads(inject(Fault.REFUSED_ENTRIES, put_records(1), kinesis, seed).body)[
            "FailedRecordCount"
        ]: kinesis.calls
        for seed in range(20)
        for kinesis in [Kinesis()]
    }
    assert outcomes == {0: 1, 1: 0}


def contradictions(entries: int) -> list[tuple[Any, int]]:
    """Return the contents of responses that contradict themselves, each with what was accepted."""
    found = []
    for seed in range(60):
        kinesis = Kinesis()
        response = inject(Fault.CONTRADICTION, put_records(entries), kinesis, seed)
        found.append((json.loads(response.body), len(kinesis.accepted)))
    return found


@pytest.mark.parametrize("entries", [1, 10])
def test_no_response_that_contradicts_itself_fits_what_was_accepted(entries: int) -> None:
    for content, accepted in contradictions(entries):
        results = content.get("Records", [])
        stored = sum("SequenceNumber" in result for result in results)
        fits = len(results) == entries and stored == accepted
        assert not (fits and content.get("FailedRecordCount") == entries - accepted)


def test_a_response_may_count_no_failure_and_hold_error_codes_or_too_few_results() -> None:
    kinds = {
        (content.get("FailedRecordCount") == 0, len(content.get("Records", ())) < 10)
        for content, accepted in contradictions(10)
        if accepted < 10
    }
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}


@pytest.mark.parametrize(
    ("fault", "ending", "processed"),
    [
        (Fault.NO_RESPONSE, Ending.NO_RESPONSE, True),
        (Fault.RESET_AFTER, Ending.RESET, True),
        (Fault.RESET_BEFORE, Ending.RESET, False),
        (Fault.SLOW, Ending.RESPONSE, True),
        (Fault.TRICKLED, Ending.RESPONSE, True),
        (None, Ending.RESPONSE, True),
    ],
)
def test_the_fault_decides_whether_a_call_is_processed_and_how_it_ends(
    fault: Fault | None, ending: Ending, *, processed: bool
) -> None:
    kinesis = Kinesis()
    response = inject(fault, put_records(3), kinesis)
    assert (response.ending, bool(kinesis.accepted)) == (ending, processed)


@pytest.mark.parametrize(
    ("fault", "request_", "status", "code"),
    [
        (Fault.THROTTLED, put_records(1), 400, "ProvisionedThroughputExceededException"),
        (Fault.THROTTLED, call("GetRecords"), 400, "ProvisionedThroughputExceededException"),
        (Fault.THROTTLED, call("ListShards"), 400, "LimitExceededException"),
        (Fault.EXPIRED_ITERATOR, call("GetRecords"), 400, "ExpiredIteratorException"),
        (Fault.INTERNAL_FAILURE, put_records(1), 500, "InternalFailure"),
        (Fault.THROTTLED, PUT_OBJECT, 503, "SlowDown"),
        (Fault.OUTAGE, PUT_OBJECT, 503, "SlowDown"),
    ],
)
def test_a_failed_call_gets_the_services_own_error_and_is_not_forwarded(
    fault: Fault, request_: Request, status: int, code: str
) -> None:
    kinesis = Kinesis()
    response = inject(fault, request_, kinesis)
    assert (response.status, code in response.body.decode(), kinesis.calls) == (status, True, 0)


@pytest.mark.parametrize(
    ("request_", "operation"),
    [
        (put_records(1), "PutRecords"),
        (PUT_OBJECT, "PutObject"),
        (Request("PUT", "/bucket", {}, b""), "S3 PUT"),
        (Request("GET", "/bucket/key", {}, b""), "S3 GET"),
    ],
)
def test_a_requests_operation_has_the_name_that_aws_gives_it(
    request_: Request, operation: str
) -> None:
    assert request_.operation == operation


def planned_faults(plan: FaultPlan, operation: str) -> list[Fault | None]:
    return [plan.draw(operation, number, elapsed=0.0).fault for number in range(CALLS)]


def test_the_same_seed_gives_every_call_the_same_fault() -> None:
    assert planned_faults(FaultPlan(1), "PutRecords") == planned_faults(FaultPlan(1), "PutRecords")
    assert planned_faults(FaultPlan(1), "PutRecords") != planned_faults(FaultPlan(2), "PutRecords")


def test_every_fault_is_about_as_frequent_as_its_rate() -> None:
    for operation, rates in FAULT_RATES.items():
        counts = Counter(planned_faults(FaultPlan(1), operation))
        for fault, rate in rates.items():
            assert 0.4 < counts[fault] / (rate * CALLS) < 2, (operation, fault)


def test_the_first_calls_are_spared() -> None:
    assert planned_faults(FaultPlan(1), "PutRecords")[:SPARED_CALLS] == [None] * SPARED_CALLS


def test_an_operation_without_fault_rates_meets_no_fault() -> None:
    assert set(planned_faults(FaultPlan(1), "CreateStream")) == {None}


def test_the_dead_letter_store_has_an_outage_of_five_seconds_in_thirty() -> None:
    plan = FaultPlan(1)
    down = [
        tick for tick in range(600)
        if plan.draw("PutObject", 0, elapsed=tick / 10).fault is Fault.OUTAGE
    ]  # fmt: skip
    assert 90 < len(down) < 110
