"""Handlers that a test runs in a function's process."""

import os
import signal
import time
from typing import Any


def echo(event: Any, context: Any) -> Any:
    return {
        "event": event,
        "request_id": context.aws_request_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "pid": os.getpid(),
        "variables": {name: os.environ.get(name) for name in event.get("variables", [])},
    }


def misbehave(event: Any, context: Any) -> Any:
    match event["do"]:
        case "return":
            return {"pid": os.getpid()}
        case "raise":
            raise LookupError("no such zone")
        case "exit":
            os._exit(3)
        case "fork and exit":
            if not os.fork():
                os.read(0, 1)  # until the test's own process closes it
            os._exit(4)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(60)
        case "return a set":
            return {1, 2}
        case "return too much":
            return "x" * 6_500_000
    return context
