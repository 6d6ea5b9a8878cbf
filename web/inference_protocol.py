"""The Open Inference Protocol, version 2, over HTTP, for any model.

A request's input is one tensor, `events`: BYTES, an event of the contract in each element. The
output is one tensor, `predictions`: BYTES, the JSON that `/predict` answers for each. A number in
the predictions, such as `ride_duration`, can be requested as an FP64 tensor by its name, if every
event was predicted.
https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from streaming.consumer.predictor import Answer
from streaming.errors import DECODE_ERRORS, excerpt
from web.predictions import Predictions
from web.replies import Refused, Reply, answer_json

EVENTS, PREDICTIONS = "events", "predictions"
BYTES, FP64 = "BYTES", "FP64"
ID_CHARACTERS = 128


class Tensor(msgspec.Struct):
    """An input."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class WantedOutput(msgspec.Struct):
    """An output that is requested."""

    name: str


class InferRequest(msgspec.Struct):
    """A request to predict."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[WantedOutput] | None = None


_decode = msgspec.json.Decoder(InferRequest).decode
_encode = msgspec.json.Encoder().encode


async def infer(
    predictions: Predictions, body: bytes, request_id: str, name: str, version: str
) -> Reply:
    """Answer a request to predict.

    Args:
        predictions: Predicts.
        body: The request.
        request_id: The HTTP request's id; the protocol's own takes its place.
        name: The model's name.
        version: The model's version when the request came; that of the answer is its predictions'.

    Raises:
        Refused: The request is malformed or too much.
    """
    try:
        request = _decode(body)
    except DECODE_ERRORS as error:
        raise _bad(f"the request cannot be read: {_short(error)}") from None
    if request.id is not None and not _is_id(request.id):
        raise _bad(f"id is {excerpt(request.id)}; allowed: 1 to {ID_CHARACTERS} characters")
    events = _events(request.inputs)
    wanted = [output.name for output in request.outputs or ()] or [PREDICTIONS]
    if len(set(wanted)) < len(wanted):  # each would multiply the answer
        raise _bad("outputs name one twice; allowed: each once")
    answers = await predictions.ask_all(events, request.id or request_id)
    texts = [answer_json(answer) for answer in answers]
    response = {
        "model_name": name,
        "model_version": _version(answers, version),
        "id": request.id or request_id,
        "outputs": [_output(output, texts, answers) for output in wanted],
    }
    return Reply(200, _encode(response))


def model_metadata(name: str, version: str, fields: Sequence[str]) -> dict[str, Any]:
    """Return the protocol's description of a model.

    Args:
        name: Its name.
        version: Its version.
        fields: Numbers in its predictions.
    """
    return {
        "name": name,
        "versions": [version],
        "platform": "python",
        "inputs": [_described(EVENTS, BYTES)],
        "outputs": [_described(PREDICTIONS, BYTES), *(_described(each, FP64) for each in fields)],
    }


def numeric_fields(records: Sequence[Any]) -> list[str]:
    """Return the names of the fractional numbers in prediction records; an integer may be an id."""
    values = [record["prediction"] for record in records]
    first = values[0] if values and isinstance(values[0], dict) else {}
    return [name for name, value in first.items() if isinstance(value, float)]


def _events(inputs: Sequence[Tensor]) -> list[bytes]:
    if len(inputs) != 1 or inputs[0].name != EVENTS:
        names = [tensor.name for tensor in inputs]
        raise _bad(f"inputs are {excerpt(names)}; allowed: one, {EVENTS}")
    tensor = inputs[0]
    if tensor.datatype != BYTES:
        raise _bad(f"the datatype of {EVENTS} is {excerpt(tensor.datatype)}; allowed: {BYTES}")
    data = tensor.data
    if data and isinstance(data[0], list):  # the protocol allows nested and flattened data
        if not all(isinstance(row, list) for row in data):
            raise _bad(f"the data of {EVENTS} is partly nested; allowed: all or nothing")
        data = [each for row in data for each in row]
    shape = tensor.shape
    if len(shape) not in {1, 2} or min(shape) < 0 or math.prod(shape) != len(data):
        allowed = f"[{len(data)}] or [{len(data)}, 1], as many as data has elements"
        raise _bad(f"the shape of {EVENTS} is {excerpt(shape)}; allowed: {allowed}")
    for index, event in enumerate(data):
        if not isinstance(event, str):
            kind = type(event).__name__
            raise _bad(f"{EVENTS}[{index}] is of type {kind}; allowed: the text of an event")
    try:
        return [event.encode() for event in data]
    except UnicodeEncodeError:
        raise _bad(f"{EVENTS} has a text that UTF-8 cannot encode") from None


def _output(name: str, texts: Sequence[bytes], answers: Sequence[Answer]) -> dict[str, Any]:
    if name == PREDICTIONS:
        data: list[Any] = [text.decode() for text in texts]
        return {"name": name, "datatype": BYTES, "shape": [len(data)], "data": data}
    return {
        "name": name,
        "datatype": FP64,
        "shape": [len(answers)],
        "data": [_number(name, index, answer) for index, answer in enumerate(answers)],
    }


def _number(name: str, index: int, answer: Answer) -> float:
    if not isinstance(answer, bytes):
        problem = f"{EVENTS}[{index}] was not predicted: the output {PREDICTIONS} says why"
        raise _bad(problem)
    prediction = msgspec.json.decode(answer)["prediction"]
    value = prediction.get(name) if isinstance(prediction, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _bad(
            f"the output {excerpt(name)} is no number in the prediction of {EVENTS}[{index}]"
        )
    return float(value)


def _version(answers: Sequence[Answer], version: str) -> str:
    """Return the version that predicted: another model may have taken the place of the first."""
    for answer in reversed(answers):
        if isinstance(answer, bytes):
            return str(msgspec.json.decode(answer)["version"])
    return version


def _described(name: str, datatype: str) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1]}


def _is_id(text: str) -> bool:
    return 1 <= len(text) <= ID_CHARACTERS and text.isprintable() and text.isascii()


def _short(error: Exception) -> str:
    # msgspec's words name fields and types; what they could quote is the request's own.
    return str(error) if isinstance(error, msgspec.ValidationError) else "it is no JSON"


def _bad(message: str) -> Refused:
    return Refused(400, "InvalidRequest", message)
