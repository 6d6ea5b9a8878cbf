import json
from random import Random

import pytest

from tests.soak.fault_injection import Answer, Ending, Request, answer_with
from tests.soak.wire_faults import Fault, Injection


def put_records(count: int) -> Request:
    entries = [{"Data": str(place), "PartitionKey": "key"} for place in range(count)]
    body = json.dumps({"StreamName": "rides", "Records": entries}).encode()
    return Request("POST", "/", {"X-Amz-Target": "Kinesis_20131202.PutRecords"}, body)


def call(operation: str) -> Request:
    return Request("POST", "/", {"X-Amz-Target": f"Kinesis_20131202.{operation}"}, b"{}")


PUT_OBJECT = Request("PUT", "/bucket/prefix/key?x-id=PutObject", {}, b"letters")


class Kinesis:
    """Takes every entry that is passed on to it."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.calls = 0

    def __call__(self, request: Request) -> Answer:
        self.calls += 1
        results = []
        for entry in json.loads(request.body or b"{}").get("Records", []):
            self.taken.append(entry["Data"])
            results.append({"SequenceNumber": entry["Data"], "ShardId": "shard"})
        return Answer(body=json.dumps({"FailedRecordCount": 0, "Records": results}).encode())


def inject(fault: Fault | None, request: Request, kinesis: Kinesis, seed: int = 1) -> Answer:
    waits: list[float] = []
    return answer_with(Injection(fault, Random(seed)), request, kinesis, waits.append)


@pytest.mark.parametrize("seed", range(20))
def test_refused_entries_are_answered_by_position_and_only_the_rest_is_passed_on(seed: int) -> None:
    kinesis = Kinesis()

    answer = json.loads(inject(Fault.REFUSED_ENTRIES, put_records(100), kinesis, seed).body)

    refused = [place for place, result in enumerate(answer["Records"]) if "ErrorCode" in result]
    accepted = [
        result["SequenceNumber"] for result in answer["Records"] if "ErrorCode" not in result
    ]
    assert answer["FailedRecordCount"] == len(refused) > 0
    assert accepted == kinesis.taken == [str(n) for n in range(100) if n not in refused]


def test_a_call_of_which_every_entry_is_refused_is_not_passed_on() -> None:
    outcomes = {
        json.loads(inject(Fault.REFUSED_ENTRIES, put_records(1), kinesis, seed).body)[
            "FailedRecordCount"
        ]: kinesis.calls
        for seed in range(20)
        for kinesis in [Kinesis()]
    }
    assert outcomes == {0: 1, 1: 0}


@pytest.mark.parametrize(
    ("fault", "ending", "written"),
    [
        (Fault.UNANSWERED, Ending.SILENCE, True),
        (Fault.RESET_AFTER, Ending.RESET, True),
        (Fault.RESET_BEFORE, Ending.RESET, False),
        (Fault.SLOW, Ending.ANSWER, True),
        (None, Ending.ANSWER, True),
    ],
)
def test_whether_a_call_is_done_and_answered_depends_on_its_fault(
    fault: Fault | None, ending: Ending, *, written: bool
) -> None:
    kinesis = Kinesis()
    answer = inject(fault, put_records(3), kinesis)
    assert (answer.ending, bool(kinesis.taken)) == (ending, written)


@pytest.mark.parametrize(
    ("fault", "request_", "status", "code"),
    [
        (Fault.THROTTLED, put_records(1), 400, "ProvisionedThroughputExceededException"),
        (Fault.THROTTLED, call("GetRecords"), 400, "ProvisionedThroughputExceededException"),
        (Fault.THROTTLED, call("ListShards"), 400, "LimitExceededException"),
        (Fault.EXPIRED, call("GetRecords"), 400, "ExpiredIteratorException"),
        (Fault.FAILED, put_records(1), 500, "InternalFailure"),
        (Fault.THROTTLED, PUT_OBJECT, 503, "SlowDown"),
        (Fault.OUTAGE, PUT_OBJECT, 503, "SlowDown"),
    ],
)
def test_a_refused_call_gets_the_services_own_error_and_is_not_passed_on(
    fault: Fault, request_: Request, status: int, code: str
) -> None:
    kinesis = Kinesis()
    answer = inject(fault, request_, kinesis)
    assert (answer.status, code in answer.body.decode(), kinesis.calls) == (status, True, 0)


@pytest.mark.parametrize(
    ("request_", "operation"),
    [
        (put_records(1), "PutRecords"),
        (PUT_OBJECT, "PutObject"),
        (Request("PUT", "/bucket", {}, b""), "S3 PUT"),
        (Request("GET", "/bucket/key", {}, b""), "S3 GET"),
    ],
)
def test_an_operation_is_known_by_aws_name(request_: Request, operation: str) -> None:
    assert request_.operation == operation
