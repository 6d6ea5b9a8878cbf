"""Check a model's members when the function starts, and its predictions when they are encoded."""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec

from streaming.consumer.settings import ALLOWED, StreamName
from streaming.errors import InvalidModel, PredictionFailed, excerpt

TEXTS = ("name", "version", "event_type")
METHODS = ("decode", "predict")
# A namespace's characters: CloudWatch's API reference, PutMetricData; its length: its user guide.
Namespace = Annotated[str, msgspec.Meta(pattern=r"\A(?=.*[!-~])[ -~]{1,255}\Z")]
OPTIONAL: dict[str, tuple[Any, str]] = {
    "binary_data": (bool, "True or False"),
    "output_stream": (StreamName, ALLOWED["PREDICTIONS_STREAM_NAME"]),
    "metrics_namespace": (Namespace, "1 to 255 printable ASCII characters, not only spaces"),
}
KEY = "a string of 1 to 256 characters"
UNICODE_KEY = f"{KEY} that UTF-8 can encode"

_encode_lines = msgspec.json.Encoder().encode_lines
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_lines = msgspec.json.Decoder(msgspec.Raw).decode_lines


def check_members(model: Any) -> None:
    """Check that a model has the members of `Model`.

    Raises:
        InvalidModel: One is missing or of the wrong type, or an optional one cannot work.
    """
    kind = type(model).__name__
    if model is None:
        raise InvalidModel("load_model returned None; it must return the model")
    for name in TEXTS:
        value = getattr(model, name, None)
        if not isinstance(value, str) or not value:
            raise InvalidModel(f"{kind}.{name} is {_missing(model, name)}; allowed: a string")
    for name in METHODS:
        if not callable(getattr(model, name, None)):
            raise InvalidModel(f"{kind}.{name} is {_missing(model, name)}; allowed: a method")
    for name, (allowed_type, allowed) in OPTIONAL.items():
        if hasattr(model, name):
            value = getattr(model, name)
            try:
                msgspec.convert(value, allowed_type)
            except msgspec.ValidationError:
                problem = f"{kind}.{name} is {excerpt(value)}; allowed: {allowed}"
                raise InvalidModel(problem) from None


def check_count(predictions: Sequence[Any], events: int) -> None:
    """Check that `predict` returned a prediction for each event.

    Raises:
        PredictionFailed: There are more or fewer, or they are no sequence.
    """
    try:
        count = len(predictions)
    except TypeError:
        kind = type(predictions).__name__
        raise PredictionFailed(f"predict returned a {kind}; allowed: a list") from None
    if count != events:
        raise PredictionFailed(f"predict returned {count} predictions for {events} events")


def encoded_values(predictions: Sequence[Any]) -> Sequence[Any]:
    """Return the values of predictions, checked and as JSON; `msgspec` writes them as they are.

    One search of all values together is the cheapest: for what `msgspec` writes as null, such as
    NaN and infinity, and for what it writes unread, `msgspec.Raw`.

    Raises:
        PredictionFailed: A value is no JSON, or holds NaN or infinity.
        Exception: A value cannot be encoded, or a prediction has none.
    """
    lines = _encode_lines([prediction.value for prediction in predictions])
    count = len(predictions)
    if (
        b"null" not in lines
        and lines.count(b"\n") == count
        and (lines.isascii() or _is_utf8(lines))
    ):
        try:
            values = _decode_lines(lines)
        except (msgspec.DecodeError, RecursionError):
            pass
        else:
            if b"\n".join(values) + b"\n" == lines:  # one on each line
                return values
    check_predictions(predictions)
    return [prediction.value for prediction in predictions]


def check_predictions(predictions: Iterable[Any]) -> None:
    """Name the member that makes a prediction impossible to publish.

    Raises:
        PredictionFailed: A prediction has no valid partition key, or its value is no JSON.
    """
    for prediction in predictions:
        for name in ("partition_key", "value"):
            if not hasattr(prediction, name):
                kind = type(prediction).__name__
                raise PredictionFailed(f"predict returned a {kind}; allowed: Prediction")
        check_key(prediction.partition_key)
        _check_value(prediction.value)


def check_key(partition_key: Any) -> None:
    """Check a partition key's type and encoding, and that it is not empty.

    Raises:
        PredictionFailed: Kinesis cannot accept it.
    """
    if not isinstance(partition_key, str):
        kind = type(partition_key).__name__
        raise PredictionFailed(f"Prediction.partition_key is of type {kind}; allowed: {KEY}")
    if not partition_key:
        raise PredictionFailed(f"Prediction.partition_key is empty; allowed: {KEY}")
    try:
        partition_key.encode()
    except UnicodeEncodeError:
        raise PredictionFailed(
            f"Prediction.partition_key is no Unicode text; allowed: {UNICODE_KEY}"
        ) from None


def _check_value(value: Any) -> None:
    try:
        encoded = msgspec.json.encode(value)
        encoded.decode()  # the decoder does not validate UTF-8 in what it does not build
        _decode_raw(encoded)
        finite = _is_finite(msgspec.to_builtins(value, enc_hook=_without_raw))
    except Exception as error:
        problem = "Prediction.value is no JSON"
        raise PredictionFailed(f"{problem}: {error}", reason=problem) from error
    if not finite:
        raise PredictionFailed("Prediction.value holds NaN or infinity, which JSON does not have")


def _is_finite(value: Any) -> bool:
    """Return whether builtin types hold no NaN and no infinity, which msgspec writes as null."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, list | tuple) or all(map(_is_finite, value))


def _without_raw(value: Any) -> None:
    if not isinstance(value, msgspec.Raw):
        raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _missing(model: Any, name: str) -> str:
    return "missing" if not hasattr(model, name) else repr(getattr(model, name))
