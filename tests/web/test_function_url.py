"""The service behind a Lambda function URL."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest

from streaming import UnexpectedEvent
from tests.web.serving import ROOT
from tests.web.thermometers import GOOD, Asked
from web.function_url import FunctionUrl

KEY = "sixteen-characters-or-more"


class Context:
    aws_request_id = "invocation"

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


def request(
    method: str, path: str, body: str | None = None, *, encoded: bool = False, **headers: str
) -> dict[str, Any]:
    """Return a request as a function URL sends it; see "Invoking Lambda function URLs"."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    host = "abcdefghij.lambda-url.eu-central-1.on.aws"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": host, "content-type": "application/json", **named},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdefghij",
            "domainName": host,
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8",
            },
            "requestId": "r",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Mar/2025:13:15:00 +0000",
            "timeEpoch": 1_740_834_900_123,
        },
        **({} if body is None else {"body": body}),
        "isBase64Encoded": encoded,
    }


def ask(event: Any, **settings: Any) -> Any:
    with closing(FunctionUrl(Asked(**settings).service)) as handler:
        return handler(event, Context())


def test_a_request_is_answered() -> None:
    found = ask(request("POST", "/predict", GOOD.decode(), x_request_id="mine"))

    assert (found["statusCode"], found["isBase64Encoded"]) == (200, False)
    assert found["headers"]["x-request-id"] == "mine"
    assert json.loads(found["body"])["prediction"]["machine"] == "m1"


def test_a_body_in_base64_is_answered() -> None:
    body = base64.b64encode(b"[" + GOOD + b",5]").decode()

    found = ask(request("POST", "/predict", body, encoded=True))

    predicted, refused = json.loads(found["body"])
    assert predicted["prediction"]["kelvin"] == 368.65
    assert refused["error_type"] == "InvalidEvent"


def test_a_request_without_a_body_is_answered() -> None:
    assert ask(request("POST", "/predict"))["statusCode"] == 422
    assert ask(request("GET", "/v2/models/alarm_model"))["statusCode"] == 200
    assert ask(request("GET", "/"))["headers"]["content-type"].startswith("text/html")


def test_limits_and_the_key_hold_here_too() -> None:
    large = "x" * 2_000

    assert ask(request("POST", "/predict", large), max_body_bytes=1_024)["statusCode"] == 413
    assert ask(request("POST", "/predict", "{}"), api_key=KEY)["statusCode"] == 401
    found = ask(request("POST", "/predict", GOOD.decode(), x_api_key=KEY), api_key=KEY)
    assert found["statusCode"] == 200


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"Records": [{"eventSource": "aws:kinesis"}]},
        {"version": "1.0", "httpMethod": "GET", "requestContext": {}},
    ],
)
def test_what_is_no_request_of_a_function_url_is_refused(event: Any) -> None:
    with pytest.raises(UnexpectedEvent, match=r"^expected a request of a function URL, .* 2\.0$"):
        ask(event)


def test_every_request_of_an_environment_is_answered() -> None:
    with closing(FunctionUrl(Asked().service)) as handler:
        for number in range(3):
            found = handler(request("POST", "/predict", GOOD.decode()), Context())
            assert found["statusCode"] == 200, number


def test_a_model_is_looked_for_after_each_request() -> None:
    looks: list[float] = []

    class Refresh:
        def poll(self, limit: float) -> None:
            looks.append(limit)

    asked = Asked(refresh=Refresh())  # type: ignore[arg-type]
    with closing(FunctionUrl(asked.service)) as handler:
        handler(request("GET", "/livez"), Context())

    assert looks == [9.0]


def test_a_bad_setting_stops_the_start_with_one_line() -> None:
    program = "import web.function_url"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "MAX_EVENTS": "none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    last = found.stderr.splitlines()[-1]
    assert last == "ImportError: MAX_EVENTS is 'none'; allowed: an integer from 1 to 10000"


def test_the_stream_function_imports_nothing_of_the_service() -> None:
    program = (
        "import json, lambda_function, sys; "
        "print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TEST_RUN": "True"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    service = {"anyio", "httptools", "mangum", "prometheus_client", "starlette", "uvicorn", "web"}
    imported = set(json.loads(found.stdout))
    assert "botocore" in imported
    assert not service & imported
