"""A whole pipeline on one machine: streams, event source mapping, function."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.embedded_kinesis import HOST, embedded_kinesis, ensure_stream, without_aws_settings
from local.errors import StartError
from local.event_source_mapping import EventSourceMapping, EventSourceMappingConfiguration
from local.event_source_mapping.on_failure_destination import (
    Destination,
    DestinationCopies,
    StorageDestination,
    open_destination,
)
from local.execution_environment import ExecutionEnvironment
from local.function import Function, FunctionConfiguration, FunctionPool, MonitoredFunction
from local.runtime_emulator import RuntimeEmulator
from streaming.clients import NO_RETRIES, kinesis_client
from streaming.storage import FolderStorage

STOP_SECONDS = 2.0
"""How long a pipeline that is taken down waits for invocations in progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineConfig:
    """What to set up.

    Attributes:
        folder: For logs and discarded records.
        input_stream: The stream whose records invoke the function.
        output_stream: The stream that the function writes to.
        function: The function; its region and KINESIS_ENDPOINT_URL are set by `open_pipeline`.
        mapping: The event source mapping.
        endpoint_url: A running Kinesis; None: start an embedded one.
        isolated: The running Kinesis is on this machine: use dummy credentials, and no profile or
            proxy. An embedded one always is.
        function_url: A runtime interface emulator; None: child processes.
        shards: Shards of a stream that has to be created.
        on_failure: A second on-failure destination: `file:///folder`, `s3://bucket/prefix`, or the
            ARN of a standard SQS queue or SNS topic.
    """

    folder: Path
    input_stream: str
    output_stream: str
    function: FunctionConfiguration
    mapping: EventSourceMappingConfiguration
    endpoint_url: str | None = None
    isolated: bool = False
    function_url: str | None = None
    shards: int = 1
    on_failure: str | None = None

    @property
    def discarded(self) -> Path:
        """The on-failure destination's folder."""
        return self.folder / "discarded"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A running pipeline.

    Attributes:
        config: What was set up.
        client: A boto3 Kinesis client for its endpoint, which does not retry.
        mapping: The event source mapping.
        function: What the mapping invokes.
    """

    config: PipelineConfig
    client: Any
    mapping: EventSourceMapping
    function: MonitoredFunction


@contextmanager
def open_pipeline(config: PipelineConfig, notify: Callable[[str], None]) -> Iterator[Pipeline]:
    """Set up a pipeline, and take it down when the context ends, however it ends.

    Args:
        config: What to set up.
        notify: Called with a line for the user at each step.

    Raises:
        LocalError: Something does not start.
        StreamingError: An endpoint or a stream cannot be used.
    """
    destination = _destination(config)
    with ExitStack() as stack:
        endpoint_url = config.endpoint_url
        if endpoint_url is None:
            notify("Starting an embedded Kinesis ...")
            kinesis = stack.enter_context(embedded_kinesis(config.folder / "kinesis.log"))
            notify(kinesis.notice or f"Kinesis is at {kinesis.endpoint_url}")
            endpoint_url = kinesis.endpoint_url
        # The publisher and the readers retry by themselves; each shard has a thread that reads.
        client: Any = kinesis_client(
            endpoint_url,
            isolated=_is_isolated(config),
            retries=NO_RETRIES,
            max_pool_connections=config.shards + 10,
        )
        for stream in (config.input_stream, config.output_stream):
            if _ensured(client, stream, config.shards):
                notify(f"Created the stream {stream}, shards: {config.shards}")
        notify("Starting the function ...")
        configuration = _function_configuration(config, client)
        function = MonitoredFunction(_start_function(config, configuration))
        stack.callback(function.close)
        mapping = EventSourceMapping(
            client,
            config.input_stream,
            function,
            config.mapping,
            function_arn=configuration.arn,
            destination=destination,
        )
        stack.callback(mapping.stop, STOP_SECONDS)  # then the function ends, whatever it does
        mapping.start()
        yield Pipeline(config, client, mapping, function)


def _is_isolated(config: PipelineConfig) -> bool:
    return config.isolated or config.endpoint_url is None


def _ensured(client: Any, stream: str, shards: int) -> bool:
    try:
        return ensure_stream(client, stream, shards)
    except (BotoCoreError, ClientError) as error:
        raise StartError(f"cannot use the stream {stream}: {error}") from error


def _destination(config: PipelineConfig) -> Destination:
    folder = StorageDestination(FolderStorage(config.discarded))
    if config.on_failure is None:
        return folder
    return DestinationCopies(open_destination(config.on_failure), folder)


def _function_configuration(config: PipelineConfig, client: Any) -> FunctionConfiguration:
    kinesis = {"KINESIS_ENDPOINT_URL": client.meta.endpoint_url}
    environment = {**config.function.environment, **kinesis}
    inherited: Mapping[str, str] = os.environ
    if _is_isolated(config):
        inherited = isolated_environment({**inherited, **environment})
    return replace(
        config.function,
        region=client.meta.region_name,
        inherited=inherited,
        environment=environment,
    )


def _start_function(config: PipelineConfig, configuration: FunctionConfiguration) -> Function:
    if config.function_url is not None:
        return RuntimeEmulator(config.function_url)
    log = config.folder / "function.log"
    pool = FunctionPool(lambda: ExecutionEnvironment(configuration, log))
    pool.start()
    return pool


def isolated_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that a function inherits next to an embedded Kinesis.

    It connects to Kinesis without a proxy, and needs AWS settings only for a model on S3.
    """
    no_proxy = environment.get("no_proxy") or environment.get("NO_PROXY")
    direct = f"{no_proxy},{HOST}" if no_proxy else HOST
    on_s3 = environment.get("MODEL_LOCATION", "").startswith("s3://")
    inherited = environment if on_s3 else without_aws_settings(environment)
    return {**inherited, "no_proxy": direct, "NO_PROXY": direct}
