"""What is answered: predictions, errors, and the headers of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from streaming.consumer.predictor import Answer, Rejected, Skipped

JSON = b"application/json"
SKIPPED_REPLY = b'{"skipped":true}'
RETRY_AFTER = (b"retry-after", b"1")
CLOSE = (b"connection", b"close")

_encode = msgspec.json.Encoder().encode

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """A response.

    Attributes:
        status: The HTTP status.
        body: JSON.
        headers: Besides content type, content length and request id.
        reason: Why it is an error, without any value of the request: it is logged.
    """

    status: int
    body: bytes
    headers: Headers = ()
    reason: str | None = None


class Refused(Exception):
    """A request that is not answered with predictions.

    Args:
        status: The HTTP status.
        error_type: What it is, in one word.
        message: Why, and what is allowed; not logged, since it may show a value of the request.
        headers: Of the response.
    """

    def __init__(self, status: int, error_type: str, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.headers = headers

    def reply(self) -> Reply:
        """Return the response."""
        body = error_body(self.error_type, str(self))
        return Reply(self.status, body, self.headers, self.error_type)


class TooManyRequests(Refused):
    """As much is waiting as the service holds."""

    def __init__(self) -> None:
        message = "too much is waiting; try again in a second"
        super().__init__(429, "TooManyRequests", message, (RETRY_AFTER,))


class ServiceUnavailable(Refused):
    """The model predicts nothing now, or not in time."""

    def __init__(self) -> None:
        message = "the model predicts nothing now; try again in a second"
        super().__init__(503, "Unavailable", message, (RETRY_AFTER,))


def error_body(error_type: str, message: str) -> bytes:
    """Return the JSON of an error; a superset of the Open Inference Protocol's."""
    return _encode({"error_type": error_type, "error": message})


def single_reply(answer: Answer) -> Reply:
    """Return the response to a single event.

    Raises:
        ServiceUnavailable: It may be predicted later.
    """
    if isinstance(answer, bytes):
        return Reply(200, answer)
    if isinstance(answer, Rejected):
        return Reply(422, answer_json(answer), (), f"{answer.error_type}: {answer.reason}")
    return Reply(200, answer_json(answer))


def list_reply(answers: Sequence[Answer]) -> Reply:
    """Return the response to a list of events, all of them or none.

    Raises:
        ServiceUnavailable: One of them may be predicted later.
    """
    return Reply(200, b"[" + b",".join(map(answer_json, answers)) + b"]")


def answer_json(answer: Answer) -> bytes:
    """Return the JSON of an answer.

    Raises:
        ServiceUnavailable: It may be predicted later.
    """
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, Rejected):
        return error_body(answer.error_type, answer.error_message)
    if isinstance(answer, Skipped):
        return SKIPPED_REPLY
    raise ServiceUnavailable
