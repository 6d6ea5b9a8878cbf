"""What may be logged of a failed call to AWS.

A response's message, or a page of a proxy, may repeat the request with its session token and its
payload; so may the message of an exception on the way. The code, the operation and the status never
do.
"""

import re

from botocore.exceptions import BotoCoreError, ClientError

from streaming.errors import without_password
from streaming.retries import error_code

CODE = re.compile(r"[A-Za-z0-9_.:]{1,64}")


def describe_error(error: BaseException) -> str:
    """Return the kind of an error, and where it occurred, in one short line without its message."""
    if isinstance(error, ClientError):
        code = str(error_code(error))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        known = code if CODE.fullmatch(code) else "an unreadable code"
        return f"{known} ({error.operation_name}, HTTP status {status})"
    kind = type(error).__name__
    endpoint = error.kwargs.get("endpoint_url") if isinstance(error, BotoCoreError) else None
    if endpoint is None:
        return kind
    return f"{kind} at {without_password(str(endpoint)).partition('?')[0]}"
