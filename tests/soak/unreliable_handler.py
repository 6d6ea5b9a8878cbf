"""This project's function with a model that fails now and then; the rest is as it is deployed."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import model
from tests.soak.model_faults import SEED, STARTED, UnreliableModel

_load_model = model.load_model


def _load_unreliable_model(environment: Mapping[str, str], *arguments: Any) -> UnreliableModel:
    loaded = _load_model(environment, *arguments)
    return UnreliableModel(loaded, int(os.environ[SEED]), float(os.environ[STARTED]))


model.load_model = _load_unreliable_model  # type: ignore[assignment]  # it has a model's members
lambda_handler = import_module("lambda_function").lambda_handler
