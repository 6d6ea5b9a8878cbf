"""The service behind a Lambda function URL: the image with the command `web.function_url.handler`.

One request is one invocation, so nothing is predicted together. A stream must not be routed here:
an HTTP error is not a failed batch to an event source mapping.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from mangum import Mangum

from streaming import StreamingError, UnexpectedEvent
from streaming.consumer.model_refresh import WAIT_SECONDS
from web.service import Service, build_service
from web.web_settings import WebSettings

ERROR_CHARACTERS = 2_000
RESPONSE_SECONDS = 1.0
VERSION = "2.0"


class FunctionUrl:
    """Answers the requests of a function URL.

    Args:
        service: Answers; it looks for another model after each request.
    """

    def __init__(self, service: Service) -> None:
        # Mangum runs the thread's loop, and makes one that nobody keeps if there is none.
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._answer = Mangum(service, lifespan="off", text_mime_types=["text/", "application/"])
        self._service = service

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer a request.

        Args:
            event: A request in payload format 2.0.
            context: Lambda's.

        Returns:
            The response, in the same format.

        Raises:
            UnexpectedEvent: It is no such request.
        """
        request = event.get("requestContext") if isinstance(event, dict) else None
        is_request = isinstance(request, dict) and "http" in request
        if not is_request or event.get("version") != VERSION:
            raise UnexpectedEvent("expected a request of a function URL, payload format 2.0")
        asyncio.set_event_loop(self._loop)
        response = self._answer(event, context)
        # Lambda stops threads between invocations, so that a look needs this one's time.
        left = float(context.get_remaining_time_in_millis()) / 1000 - RESPONSE_SECONDS
        self._service.take_turn(max(0.0, left))
        return response

    def close(self) -> None:
        """Close the event loop."""
        asyncio.set_event_loop(None)
        self._loop.close()


def build(environment: Mapping[str, str]) -> FunctionUrl:
    """Build what environment variables describe.

    Raises:
        SettingsError: A variable has a value that is not allowed.
        ModelBundleError: The model bundle is missing, damaged or incompatible.
        InvalidModel: The model lacks a member.
    """
    settings = WebSettings.from_environment(environment)
    return FunctionUrl(build_service(environment, settings, wait_seconds=WAIT_SECONDS))


try:
    handler = build(os.environ)
except StreamingError as error:
    # Lambda logs an ImportError in one line, any other error with its traceback.
    raise ImportError(str(error)[:ERROR_CHARACTERS]) from None
