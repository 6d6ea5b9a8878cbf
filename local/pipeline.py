"""The whole pipeline on one machine: streams, event source mapping, function."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.embedded_kinesis import HOST, EmbeddedKinesis, ensure_stream, without_aws
from local.errors import StartError
from local.event_source_mapping import EventSourceMapping
from local.event_source_mapping.configuration import PARTIAL_RESPONSES, MappingConfiguration
from local.event_source_mapping.on_failure_destination import (
    Destination,
    DestinationCopies,
)
from local.function import Function, FunctionConfiguration, FunctionPool, FunctionProcess
from local.runtime_emulator import RuntimeEmulator
from streaming.clients import aws_client, kinesis_client
from streaming.reader.checkpoints import StartingPosition
from streaming.storage import FolderStorage, open_storage

RIDES = "ride_events"
PREDICTIONS = "ride_predictions"

CLOCK_SKEW = timedelta(seconds=10)
"""How far this machine's clock may be from that of a Kinesis elsewhere."""

BATCH_SIZE = 1_000
RETRY_ATTEMPTS = 5
"""Enough for a hiccup; a function that keeps failing must not stall the demo for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """What to set up.

    Attributes:
        folder: Where logs, dead letters and discarded records go.
        endpoint_url: A Kinesis that runs already; None: one of our own.
        function_url: A runtime interface emulator; None: child processes.
        shards: Shards of a stream that has to be created.
        on_failure: Where else records go that the mapping gives up: `file:///folder` or
            `s3://bucket/prefix`.
    """

    folder: Path
    endpoint_url: str | None = None
    function_url: str | None = None
    shards: int = 1
    on_failure: str | None = None

    @property
    def dead_letters(self) -> Path:
        """Where the function's dead letters go."""
        return self.folder / "dead-letters"

    @property
    def discarded(self) -> Path:
        """Where records go that the mapping gives up."""
        return self.folder / "discarded"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline that runs.

    Attributes:
        endpoint_url: Its Kinesis.
        client: A boto3 Kinesis client of that, which does not retry.
        mapping: The event source mapping.
        start: Where a reader begins that must see everything of this run.
    """

    endpoint_url: str
    client: Any
    mapping: EventSourceMapping
    start: StartingPosition


@contextmanager
def open_pipeline(settings: PipelineSettings, say: Callable[[str], None]) -> Iterator[Pipeline]:
    """Set everything up, and take it down again when the context ends, however it ends.

    Args:
        settings: What to set up.
        say: Tells the user what happens.

    Raises:
        LocalError: Something does not start.
        StreamingError: An endpoint or a stream cannot be used.
    """
    start = StartingPosition.at(datetime.now(UTC) - CLOCK_SKEW)
    destination = _destination(settings)
    with ExitStack() as stack:
        endpoint_url = settings.endpoint_url
        if endpoint_url is None:
            say("Starting an embedded Kinesis ...")
            kinesis = stack.enter_context(EmbeddedKinesis(settings.folder / "kinesis.log"))
            say(kinesis.notice or f"Kinesis is at {kinesis.endpoint_url}")
            endpoint_url = kinesis.endpoint_url
        # The publisher and the readers retry by themselves; each shard has a thread that reads.
        client: Any = kinesis_client(
            endpoint_url,
            isolated=settings.endpoint_url is None,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=settings.shards + 10,
        )
        for stream in (RIDES, PREDICTIONS):
            if _ensured(client, stream, settings.shards):
                say(f"Created the stream {stream}, shards: {settings.shards}")
        say("Starting the function ...")
        function = _start_function(settings, client)
        stack.callback(function.close)
        mapping = EventSourceMapping(
            client,
            RIDES,
            function,
            MappingConfiguration(
                batch_size=BATCH_SIZE,
                bisect_batch_on_function_error=True,
                maximum_retry_attempts=RETRY_ATTEMPTS,
                starting_position=start,
                function_response_types=(PARTIAL_RESPONSES,),
            ),
            destination=destination,
        )
        yield Pipeline(endpoint_url, client, stack.enter_context(mapping), start)


def _ensured(client: Any, stream: str, shards: int) -> bool:
    try:
        return ensure_stream(client, stream, shards)
    except (BotoCoreError, ClientError) as error:
        raise StartError(f"cannot use the stream {stream}: {error}") from error


def _destination(settings: PipelineSettings) -> Destination:
    folder = FolderStorage(settings.discarded)
    if settings.on_failure is None:
        return folder
    # The folder keeps a copy, since that is where the demo looks for what became of a ride.
    s3 = partial(aws_client, "s3")
    return DestinationCopies(open_storage("OnFailure", settings.on_failure, s3), folder)


def _start_function(settings: PipelineSettings, client: Any) -> Function:
    if settings.function_url is not None:
        return RuntimeEmulator(settings.function_url)
    embedded = settings.endpoint_url is None
    function_settings = FunctionConfiguration(
        region=client.meta.region_name,
        inherited=function_environment(os.environ) if embedded else os.environ,
        environment={
            "DEAD_LETTERS": settings.dead_letters.resolve().as_uri(),
            "KINESIS_ENDPOINT_URL": client.meta.endpoint_url,
            "PREDICTIONS_STREAM_NAME": PREDICTIONS,
            "TEST_RUN": "False",
        },
    )
    log = settings.folder / "function.log"
    pool = FunctionPool(lambda: FunctionProcess(function_settings, log))
    pool.start()
    return pool


def function_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Choose what of this machine's environment a function gets beside an embedded Kinesis.

    No proxy stands between them, and nothing of AWS is needed, except for a model on S3.
    """
    no_proxy = environment.get("no_proxy") or environment.get("NO_PROXY")
    direct = f"{no_proxy},{HOST}" if no_proxy else HOST
    on_s3 = environment.get("MODEL_LOCATION", "").startswith("s3://")
    chosen = environment if on_s3 else without_aws(environment)
    return {**chosen, "no_proxy": direct, "NO_PROXY": direct}
