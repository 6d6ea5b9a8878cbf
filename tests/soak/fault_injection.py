"""Fault injection on the wire: which call to AWS meets which fault, and what its caller sees.

The plan depends on its seed alone: the n-th call of an operation meets the same fault in every run
with that seed. Which call is the n-th depends on how threads and processes interleave.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from http import HTTPStatus
from random import Random
from typing import Any

TARGET_HEADER = "X-Amz-Target"
PUT_RECORDS, GET_RECORDS, PUT_OBJECT = "PutRecords", "GetRecords", "PutObject"
JSON_TYPE, XML_TYPE = "application/x-amz-json-1.1", "application/xml"
MESSAGE = "injected by the soak"


class Fault(Enum):
    """One way in which a call to AWS fails; the value is its name in the report."""

    REFUSED_ENTRIES = "entries refused"
    THROTTLED = "throttled"
    INTERNAL_FAILURE = "internal failure"
    NO_RESPONSE = "processed, no response"
    RESET_BEFORE = "connection reset before processing"
    RESET_AFTER = "connection reset after processing"
    SLOW = "slow response"
    TRICKLED = "response a byte at a time"
    CONTRADICTION = "response contradicts itself"
    EXPIRED_ITERATOR = "expired iterator"
    OUTAGE = "outage"


FAULT_RATES: Mapping[str, Mapping[Fault, float]] = {
    PUT_RECORDS: {
        Fault.REFUSED_ENTRIES: 0.15,
        Fault.THROTTLED: 0.03,
        Fault.INTERNAL_FAILURE: 0.01,
        Fault.NO_RESPONSE: 0.01,
        Fault.RESET_BEFORE: 0.015,
        Fault.RESET_AFTER: 0.015,
        Fault.SLOW: 0.05,
        Fault.TRICKLED: 0.01,
        Fault.CONTRADICTION: 0.03,
    },
    "PutRecord": {  # one ride per call: throttled as often as PutRecords' entries are refused
        Fault.THROTTLED: 0.04,
        Fault.INTERNAL_FAILURE: 0.01,
        Fault.NO_RESPONSE: 0.002,
        Fault.RESET_BEFORE: 0.005,
        Fault.RESET_AFTER: 0.005,
    },
    GET_RECORDS: {
        Fault.THROTTLED: 0.04,
        Fault.EXPIRED_ITERATOR: 0.02,
        Fault.INTERNAL_FAILURE: 0.01,
        Fault.RESET_BEFORE: 0.01,
        Fault.SLOW: 0.02,
        Fault.TRICKLED: 0.004,
    },
    "GetShardIterator": {Fault.THROTTLED: 0.05, Fault.RESET_BEFORE: 0.02},
    "ListShards": {Fault.THROTTLED: 0.05, Fault.RESET_BEFORE: 0.02},
    PUT_OBJECT: {
        Fault.THROTTLED: 0.05,
        Fault.RESET_AFTER: 0.02,
        Fault.SLOW: 0.05,
        Fault.TRICKLED: 0.02,
    },
}
"""By operation: the probability of each fault. Other operations meet none."""

SPARED_CALLS = 5
"""The first calls of each operation meet no fault, so that everything starts."""

OUTAGE_EVERY_SECONDS, OUTAGE_SECONDS = 30.0, 5.0
"""How often the dead-letter store and the model have an outage, and for how long."""

REFUSED_SHARE = (0.05, 0.5)
"""The lowest and highest share of a call's entries that are refused."""

SLOW_SECONDS = (0.05, 0.5)

TRICKLE_SECONDS = (0.5, 10.0)
"""How long a response trickles. No byte comes later than a read timeout after the one before, but
the last one may come after the function's deadline for a call."""


@dataclass(frozen=True, slots=True)
class Injection:
    """The fault that one call meets.

    Attributes:
        fault: None: the call is forwarded.
        random: Decides the fault's details, such as which entries are refused.
    """

    fault: Fault | None
    random: Random


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Decides which call meets which fault; the same seed gives the same plan."""

    seed: int

    def draw(self, operation: str, number: int, elapsed: float) -> Injection:
        """Return the fault of one call.

        Args:
            operation: AWS's name of the operation, such as `PutRecords`.
            number: How many calls of this operation came before.
            elapsed: Seconds since the start.
        """
        random = Random(f"{self.seed} {operation} {number}")
        if operation == PUT_OBJECT and is_outage(self.seed, operation, elapsed):
            return Injection(Fault.OUTAGE, random)
        if number < SPARED_CALLS:
            return Injection(None, random)
        drawn = random.random()
        for fault, probability in FAULT_RATES.get(operation, {}).items():
            drawn -= probability
            if drawn < 0:
                return Injection(fault, random)
        return Injection(None, random)


def is_outage(seed: int, service: str, elapsed: float) -> bool:
    """Return whether a service has its outage.

    Args:
        seed: The same seed gives the same outages.
        service: Each has its own.
        elapsed: Seconds since the start.
    """
    shift = Random(f"{seed} {service} outage").uniform(0, OUTAGE_EVERY_SECONDS / 2)
    return (elapsed - shift) % OUTAGE_EVERY_SECONDS > OUTAGE_EVERY_SECONDS - OUTAGE_SECONDS


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request; its path includes the query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_kinesis(self) -> bool:
        """Whether it is AWS JSON, which Kinesis speaks and S3 does not."""
        return TARGET_HEADER in self.headers

    @property
    def operation(self) -> str:
        """AWS's name of the operation, as far as faults depend on it."""
        if self.is_kinesis:
            return self.headers[TARGET_HEADER].rpartition(".")[2]
        is_object = self.path.strip("/").count("/") > 0
        return PUT_OBJECT if self.method == "PUT" and is_object else f"S3 {self.method}"


class Ending(Enum):
    """How a call ends for its caller."""

    RESPONSE = auto()
    NO_RESPONSE = auto()
    RESET = auto()


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response.

    Attributes:
        status: Its status code.
        body: Its body.
        headers: Its headers, without Content-Length.
        ending: How the call ends.
        trickle_seconds: How long its first bytes take, one at a time; 0: it is sent at once.
    """

    status: int = HTTPStatus.OK
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = Ending.RESPONSE
    trickle_seconds: float = 0.0


Forward = Callable[[Request], Response]


def respond(
    injection: Injection,
    request: Request,
    forward: Forward,
    sleep: Callable[[float], None] = time.sleep,
) -> Response:
    """Return the response to one request, with a fault injected.

    Args:
        injection: The fault.
        request: The caller's request.
        forward: Sends a request to the AWS emulator and returns its response.
        sleep: Waits for some seconds.
    """
    match injection.fault:
        case None:
            return forward(request)
        case Fault.REFUSED_ENTRIES | Fault.CONTRADICTION:
            response = _refuse_entries(request, forward, injection.random)
            contradict = injection.fault is Fault.CONTRADICTION
            return _contradict(response, injection.random) if contradict else response
        case Fault.NO_RESPONSE | Fault.RESET_AFTER:
            forward(request)
            no_response = injection.fault is Fault.NO_RESPONSE
            return Response(ending=Ending.NO_RESPONSE if no_response else Ending.RESET)
        case Fault.RESET_BEFORE:
            return Response(ending=Ending.RESET)
        case Fault.SLOW | Fault.TRICKLED:
            return _delay(injection, request, forward, sleep)
        case fault:
            return _error(fault, request)


def _delay(
    injection: Injection, request: Request, forward: Forward, sleep: Callable[[float], None]
) -> Response:
    if injection.fault is Fault.TRICKLED:
        seconds = injection.random.uniform(*TRICKLE_SECONDS)
        return replace(forward(request), trickle_seconds=seconds)
    sleep(injection.random.uniform(*SLOW_SECONDS))
    return forward(request)


def _error(fault: Fault, request: Request) -> Response:
    """Return the error of the service that the request is for."""
    if not request.is_kinesis:
        body = f"<Error><Code>SlowDown</Code><Message>{MESSAGE}</Message></Error>".encode()
        return Response(HTTPStatus.SERVICE_UNAVAILABLE, body, {"Content-Type": XML_TYPE})
    status = HTTPStatus.BAD_REQUEST
    if fault is Fault.EXPIRED_ITERATOR:
        code = "ExpiredIteratorException"
    elif fault is Fault.INTERNAL_FAILURE:
        code, status = "InternalFailure", HTTPStatus.INTERNAL_SERVER_ERROR
    elif request.operation in {PUT_RECORDS, "PutRecord", GET_RECORDS, "GetShardIterator"}:
        code = "ProvisionedThroughputExceededException"
    else:
        code = "LimitExceededException"
    return _json_response({"__type": code, "message": MESSAGE}, status)


def _refuse_entries(request: Request, forward: Forward, random: Random) -> Response:
    """Forward some entries of a PutRecords call, and respond for all of them by position."""
    call = json.loads(request.body)
    entries = call["Records"]
    share = random.uniform(*REFUSED_SHARE)
    refused = {position for position in range(len(entries)) if random.random() < share}
    accepted = [entry for position, entry in enumerate(entries) if position not in refused]
    results: list[Any] = []
    if accepted:
        body = json.dumps({**call, "Records": accepted}).encode()
        response = forward(Request(request.method, request.path, request.headers, body))
        if response.status != HTTPStatus.OK:
            return response
        results = json.loads(response.body)["Records"]
    remaining = iter(results)
    codes = ("ProvisionedThroughputExceededException", "InternalFailure")
    everything = [
        {"ErrorCode": random.choice(codes), "ErrorMessage": MESSAGE}
        if position in refused
        else next(remaining)
        for position in range(len(entries))
    ]
    return _json_response({"FailedRecordCount": len(refused), "Records": everything})


def _contradict(response: Response, random: Random) -> Response:
    """Return a response to PutRecords with a count or results that do not fit the entries."""
    if response.status != HTTPStatus.OK:
        return response
    content = json.loads(response.body)
    results = content["Records"]
    failed = content["FailedRecordCount"]
    contradictions: list[Any] = [
        {"FailedRecordCount": failed},
        {"FailedRecordCount": failed, "Records": results[: random.randrange(len(results))]},
        {"FailedRecordCount": failed + 1, "Records": results},
        {"Records": results},
    ]
    if failed:
        accepted = [result for result in results if "ErrorCode" not in result]
        contradictions += [
            {"FailedRecordCount": 0, "Records": results},
            {"FailedRecordCount": 0, "Records": accepted},
        ]
    return _json_response(random.choice(contradictions))


def _json_response(content: Any, status: int = HTTPStatus.OK) -> Response:
    return Response(status, json.dumps(content).encode(), {"Content-Type": JSON_TYPE})
