"""Lambda's entry point of a decision service: `streaming.decisions.decision_function.handler`."""

import os
from typing import Any

from streaming.decisions.decision_service import build_service
from streaming.errors import StreamingError

try:
    service = build_service(os.environ)
except StreamingError as error:
    # Lambda logs an ImportError in one line, any other error with its traceback.
    raise ImportError(str(error)) from None


def handler(event: Any, context: Any = None) -> dict[str, Any]:
    """Process one invocation; see `DecisionService.handle`."""
    return service.handle(event, context)
