"""The model that serves, and the one that takes its place."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Generic

import msgspec

from model import load_model
from streaming import ModelBundleError, ModelRefresh, ModelSource, aws_client
from streaming.clients import NO_RETRIES
from streaming.consumer.interface import EventT, Model
from streaming.consumer.predictor import Answer, Payload, Predictor
from streaming.consumer.telemetry import Telemetry
from web.web_settings import WebSettings

BUNDLE_CALLS: dict[str, Any] = {"connect_timeout": 2, "read_timeout": 5, "retries": NO_RETRIES}
WARM_UP_SECONDS = 10.0


class ServedModel(Generic[EventT]):
    """Predicts with the model in use; not for use by two threads at once.

    Args:
        model: The model.
        telemetry: Logs exceptions of the model.
        examples: Events that it is tried with.
        refresh: Finds another model; None: the model stays.
        clock: Monotonic seconds.
        now: Seconds since the epoch.
    """

    def __init__(
        self,
        model: Model[EventT],
        telemetry: Telemetry,
        *,
        examples: Sequence[bytes] = (),
        refresh: ModelRefresh[EventT] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._telemetry = telemetry
        self._refresh = refresh
        self._clock = clock
        self.now = now
        self.examples = examples
        self._predictor = Predictor(model, telemetry, clock=clock)

    @property
    def model(self) -> Model[EventT]:
        """The model in use."""
        return self._predictor.model

    def warm_up(self) -> list[Any]:
        """Predict the examples, so that the first request finds a model that has handled an event.

        Returns:
            The prediction records of the examples that could be predicted.
        """
        if not self.examples:
            return []
        payloads = [Payload(example) for example in self.examples]
        answers = self.predict(payloads, WARM_UP_SECONDS)
        return [msgspec.json.decode(each) for each in answers if isinstance(each, bytes)]

    def predict(self, payloads: Sequence[Payload], seconds: float) -> list[Answer]:
        """Predict payloads; see `Predictor.predict`."""
        return self._predictor.predict(payloads, self.now(), seconds)

    def follow(self, limit: float = 0.0) -> None:
        """Take the model into use that the pointer names, if it is loaded and as able as this one.

        As the function does: it must handle the last event that this one handled.

        Args:
            limit: How many seconds to wait for one that is being loaded.
        """
        if self._refresh is None:
            return
        loaded = self._refresh.poll(limit)
        if loaded is None:
            return
        candidate = Predictor(loaded.model, self._telemetry, clock=self._clock)
        last = self._predictor.last_handled
        if last is None or candidate.handles(last):
            self._predictor = candidate
            self._refresh.accept(loaded)
        else:
            version = loaded.model.version
            problem = f"version {version} fails on the last event that this one predicted"
            self._refresh.refuse(ModelBundleError(problem))


def load_served_model(
    environment: Mapping[str, str],
    settings: WebSettings,
    telemetry: Callable[[str], Telemetry],
    *,
    wait_seconds: float = 0.0,
) -> ServedModel[Any]:
    """Load the model that environment variables describe.

    Args:
        environment: Such as `os.environ`.
        settings: The service's.
        telemetry: Makes the telemetry of a model, by its name.
        wait_seconds: How long `follow` may wait for a look, in all; a server does not.

    Raises:
        SettingsError: A variable has a value that is not allowed.
        ModelBundleError: The model bundle is missing, damaged or incompatible.
        InvalidModel: The model lacks a member.
    """
    client = cache(partial(aws_client, "s3", **BUNDLE_CALLS))
    source: ModelSource[Any] = ModelSource(load_model, environment, client)
    loaded = source.load()
    logs = telemetry(loaded.model.name)
    refresh = None
    if source.is_pointer:
        every = settings.model_refresh_seconds
        refresh = ModelRefresh(source, loaded, logs, every, wait_seconds=wait_seconds)
    # Optional, and for `make check-model`, too.
    examples = getattr(sys.modules[load_model.__module__], "EXAMPLES", ())
    examples = [bytes(each) for each in examples if isinstance(each, bytes | bytearray)]
    return ServedModel(loaded.model, logs, examples=examples, refresh=refresh)
