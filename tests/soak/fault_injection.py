"""One call to AWS with a fault in it: what is passed on, and how the caller is answered."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from random import Random
from typing import Any

from tests.soak.wire_faults import GET_RECORDS, PUT_OBJECT, PUT_RECORDS, Fault, Injection

TARGET_HEADER = "X-Amz-Target"
JSON_TYPE, XML_TYPE = "application/x-amz-json-1.1", "application/xml"

REFUSED_SHARE = (0.05, 0.5)
"""Least and greatest share of a call's entries that are refused."""

SLOW_SECONDS = (0.05, 0.5)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    Attributes:
        method: Such as POST.
        path: With its query.
        headers: As they came.
        body: Whole.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_kinesis(self) -> bool:
        """Whether it speaks AWS JSON, as Kinesis does and S3 does not."""
        return TARGET_HEADER in self.headers

    @property
    def operation(self) -> str:
        """AWS's name of the operation, as far as faults depend on it."""
        if self.is_kinesis:
            return self.headers[TARGET_HEADER].rpartition(".")[2]
        is_object = self.path.strip("/").count("/") > 0
        return PUT_OBJECT if self.method == "PUT" and is_object else f"S3 {self.method}"


class Ending(Enum):
    """What the caller sees at the end of its call."""

    ANSWER = auto()
    SILENCE = auto()
    RESET = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets.

    Attributes:
        status: HTTP's.
        body: Whole.
        headers: Without Content-Length.
        ending: Whether it is sent at all.
    """

    status: int = HTTPStatus.OK
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = Ending.ANSWER


SILENCE = Answer(ending=Ending.SILENCE)
RESET = Answer(ending=Ending.RESET)

Forward = Callable[[Request], Answer]


def answer_with(
    injection: Injection,
    request: Request,
    forward: Forward,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """Answer one request.

    Args:
        injection: The fault it meets.
        request: As the caller sent it.
        forward: Passes a request on to AWS's stand-in and gives its answer.
        sleep: Waits for some seconds.
    """
    match injection.fault:
        case None:
            return forward(request)
        case Fault.REFUSED_ENTRIES:
            return _refuse_entries(request, forward, injection.chance)
        case Fault.UNANSWERED | Fault.RESET_AFTER:
            forward(request)
            return SILENCE if injection.fault is Fault.UNANSWERED else RESET
        case Fault.RESET_BEFORE:
            return RESET
        case Fault.SLOW:
            sleep(injection.chance.uniform(*SLOW_SECONDS))
            return forward(request)
        case fault:
            return _refusal(fault, request)


def _refusal(fault: Fault, request: Request) -> Answer:
    if not request.is_kinesis:
        return s3_error("SlowDown", HTTPStatus.SERVICE_UNAVAILABLE)
    if fault is Fault.EXPIRED:
        return kinesis_error("ExpiredIteratorException", HTTPStatus.BAD_REQUEST)
    if fault is Fault.FAILED:
        return kinesis_error("InternalFailure", HTTPStatus.INTERNAL_SERVER_ERROR)
    if request.operation in {PUT_RECORDS, "PutRecord", GET_RECORDS, "GetShardIterator"}:
        return kinesis_error("ProvisionedThroughputExceededException", HTTPStatus.BAD_REQUEST)
    return kinesis_error("LimitExceededException", HTTPStatus.BAD_REQUEST)


def kinesis_error(code: str, status: int) -> Answer:
    """Write an error as Kinesis does."""
    body = json.dumps({"__type": code, "message": "injected by the soak"}).encode()
    return Answer(status, body, {"Content-Type": JSON_TYPE})


def s3_error(code: str, status: int) -> Answer:
    """Write an error as S3 does."""
    body = f"<Error><Code>{code}</Code><Message>injected by the soak</Message></Error>".encode()
    return Answer(status, body, {"Content-Type": XML_TYPE})


def _refuse_entries(request: Request, forward: Forward, chance: Random) -> Answer:
    """Pass on a part of a PutRecords call's entries, and answer for all of them by position."""
    call = json.loads(request.body)
    entries = call["Records"]
    share = chance.uniform(*REFUSED_SHARE)
    refused = {place for place in range(len(entries)) if chance.random() < share}
    accepted = [entry for place, entry in enumerate(entries) if place not in refused]
    results: list[Any] = []
    if accepted:
        body = json.dumps({**call, "Records": accepted}).encode()
        answer = forward(Request(request.method, request.path, request.headers, body))
        if answer.status != HTTPStatus.OK:
            return answer
        results = json.loads(answer.body)["Records"]
    rest = iter(results)
    codes = ("ProvisionedThroughputExceededException", "InternalFailure")
    everything = [
        {"ErrorCode": chance.choice(codes), "ErrorMessage": "injected by the soak"}
        if place in refused
        else next(rest)
        for place in range(len(entries))
    ]
    body = json.dumps({"FailedRecordCount": len(refused), "Records": everything}).encode()
    return Answer(HTTPStatus.OK, body, {"Content-Type": JSON_TYPE})
