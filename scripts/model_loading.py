"""Load model.py for a program; what is wrong with it is an error of one line."""

import os
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from scripts.image_contents import HOW_TO_ADD_A_PACKAGE
from streaming import ModelSource, PredictionFailed, StreamingError, aws_client
from streaming.consumer.model_check import check_count, check_predictions
from streaming.errors import excerpt
from streaming.publisher import PARTITION_KEY_CHARACTERS


class ModelProblem(Exception):
    """The model cannot be used at all."""


def load(name: str) -> tuple[ModuleType, Any]:
    """Return the model's module, and the model with the function's settings.

    Raises:
        ModelProblem: It cannot be imported or loaded.
        StreamingError: A setting or the bundle is wrong, or the model lacks a member.
    """
    module = _attempt(f"{name}.py cannot be imported", import_module, name)
    if not callable(getattr(module, "load_model", None)):
        raise ModelProblem(f"{name}.py has no function load_model(environment, s3_client)")
    s3_client = partial(aws_client, "s3")
    source = ModelSource[Any](module.load_model, os.environ, s3_client)
    return module, _attempt("load_model failed", source.load).model


def checked_predictions(model: Any, events: list[Any]) -> Sequence[Any]:
    """Predict events as the function does.

    Raises:
        PredictionFailed: There is not one prediction for each, or one that cannot be published.
        Exception: The model's own.
    """
    predictions: Sequence[Any] = model.predict(events)
    check_count(predictions, len(events))
    check_predictions(predictions)
    for prediction in predictions:
        length = len(prediction.partition_key)
        if length > PARTITION_KEY_CHARACTERS:
            raise PredictionFailed(
                f"Prediction.partition_key has {length} characters; allowed: 1 to "
                f"{PARTITION_KEY_CHARACTERS}"
            )
    return predictions


def raised(step: str, error: Exception, content: bytes | None = None) -> str:
    """Print a traceback, and return a line that says what was raised."""
    traceback.print_exception(error, limit=-5)
    for_what = "" if content is None else f" for {excerpt(content)}"
    return f"{step} raised {type(error).__name__}{for_what}"


def _attempt(failure: str, call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except StreamingError:
        raise
    except ModuleNotFoundError as error:
        raise ModelProblem(f"{failure}: {error}; {HOW_TO_ADD_A_PACKAGE}") from error
    except Exception as error:
        traceback.print_exc()
        raise ModelProblem(f"{failure}: {type(error).__name__}: {error}") from error
