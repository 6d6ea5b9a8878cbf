"""The decision service's entry point for its soak: calls fail, and the process kills itself."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from streaming.decisions import item_state
from streaming.decisions.decision_service import build_service

KILLED, THROTTLED, RESPONSE_LOST = "killed", "throttled", "response lost"
KILLS, THROTTLES, LOST_RESPONSES = 0.005, 0.02, 0.02
"""The probability of each fault at a call. An invocation makes dozens of calls, and one that is
killed starts again."""

item_state.REPUBLISH_SECONDS = 1.0  # else the soak would take half a minute to end

_random = random.Random(f"{os.environ['SOAK_SEED']} {os.getpid()}")
_log = Path(os.environ["SOAK_FAULTS"])


class _Faulty:
    """A client with faults before and after its calls."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._client, operation)
        return lambda **parameters: _call(operation, lambda: method(**parameters))


def _call(operation: str, make: Callable[[], Any]) -> Any:
    drawn = _random.random()
    if drawn < KILLS / 2:
        _kill()
    if drawn < KILLS + THROTTLES and drawn >= KILLS:
        _note(THROTTLED)
        code = "ProvisionedThroughputExceededException"
        raise ClientError({"Error": {"Code": code, "Message": ""}}, operation)
    made = make()
    if drawn < KILLS:
        _kill()
    if KILLS + THROTTLES <= drawn < KILLS + THROTTLES + LOST_RESPONSES:
        _note(RESPONSE_LOST)
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1")
    return made


def _kill() -> None:
    _note(KILLED)
    os.kill(os.getpid(), signal.SIGKILL)


def _note(fault: str) -> None:
    with _log.open("a") as log:
        log.write(f"{fault}\n")


service = build_service(os.environ, _Faulty)


def handler(event: Any, context: Any = None) -> dict[str, Any]:
    """Process one invocation."""
    return service.handle(event, context)
