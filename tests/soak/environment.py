"""The real pipeline with fault injection: streams, mapping, function processes, dead letters."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.embedded_kinesis import embedded_kinesis, ensure_stream
from local.event_source_mapping.configuration import (
    PARTIAL_RESPONSES,
    EventSourceMappingConfiguration,
)
from local.event_source_mapping.mapping import EventSourceMapping, Timing
from local.event_source_mapping.on_failure_destination import StorageDestination
from local.execution_environment import ExecutionEnvironment
from local.function import FunctionConfiguration, FunctionPool
from local.pipeline import STOP_SECONDS
from streaming.clients import kinesis_client
from streaming.storage import FolderStorage
from tests.soak.fault_proxy import FaultProxy, fault_proxy
from tests.soak.model_faults import SEED, STARTED
from tests.soak.process_faults import FaultyEnvironment, ProcessFaultInjector, SteppingClock
from tests.soak.resource_limits import ResourceLimits
from tests.soak.stream_contents import DeadLetterBucket
from tests.soak.workload import Workload

RIDES, PREDICTIONS = "ride_events", "ride_predictions"
HANDLER = "lambda_function.lambda_handler"
UNRELIABLE_HANDLER = "tests.soak.unreliable_handler.lambda_handler"
"""The same with a model that meets faults."""

FUNCTION_TIMEOUT_SECONDS = 12.0
"""Short, so that a short soak sees several timeouts."""

READ_TIMEOUT_SECONDS = 5.0
"""How long the mapping, the producer and the reader wait for a response."""

MAPPING = EventSourceMappingConfiguration(
    bisect_batch_on_function_error=True, function_response_types=(PARTIAL_RESPONSES,)
)
"""AWS's defaults (batches of 100 records, retried until they expire) except for these two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakConfig:
    """What to run.

    Attributes:
        folder: The folder for logs.
        workload: What to put.
        rate: Events per second.
        seconds: How long to put; None: until the workload ends.
        shards: Shards of the input stream.
        output_shards: Shards of the output stream.
        handler: The function under test.
        mapping: The parameters of its event source mapping.
        timeout: After this many seconds without progress, outstanding events count as lost.
        kinesis: Starts a Kinesis emulator and returns its URL; None: moto.
        memory_mb: What each process of the function may hold; None: no limit.
        cpu_share: The share of one CPU that each of them gets; None: no limit.
        archive: Whether both streams are archived meanwhile, by a program that is killed at random.
        restart_reader: Whether the reader of the predictions is restarted at random.
        meanwhile: Called with a Kinesis client without faults while records flow.
    """

    folder: Path
    workload: Workload
    rate: float
    seconds: float | None = None
    shards: int = 2
    output_shards: int = 2
    handler: str = UNRELIABLE_HANDLER
    mapping: EventSourceMappingConfiguration = field(default_factory=lambda: MAPPING)
    timeout: float = 60.0
    kinesis: Callable[[], AbstractContextManager[str]] | None = None
    memory_mb: int | None = None
    cpu_share: float | None = None
    archive: bool = False
    restart_reader: bool = True
    meanwhile: Callable[[Any], None] = lambda _client: None

    @property
    def function_log(self) -> Path:
        """The function's output."""
        return self.folder / "function.log"


@dataclass(frozen=True, slots=True)
class SoakEnvironment:
    """A pipeline with fault injection; its mapping is not started yet.

    Attributes:
        direct: A Kinesis client without faults, for the reconciliation.
        faulty: A Kinesis client with faults, for the producer and the reader.
        bucket: The dead letters.
        proxy: Injects faults on the wire.
        injector: Injects process faults.
        limits: Limits the function's processes.
        clock: The platform's wall clock.
        mapping: The event source mapping.
    """

    direct: Any
    faulty: Any
    bucket: DeadLetterBucket
    proxy: FaultProxy
    injector: ProcessFaultInjector
    limits: ResourceLimits
    clock: SteppingClock
    mapping: EventSourceMapping


@contextmanager
def open_environment(config: SoakConfig) -> Iterator[SoakEnvironment]:
    """Set the environment up, and tear it down when the context ends."""
    seed = config.workload.seed
    with ExitStack() as stack:
        aws = stack.enter_context(embedded_kinesis(config.folder / "aws.log", port=0))
        kinesis_url = stack.enter_context(config.kinesis()) if config.kinesis else aws.endpoint_url
        proxy = stack.enter_context(
            fault_proxy(config.folder / "proxy.log", kinesis_url, aws.endpoint_url, seed)
        )
        direct: Any = kinesis_client(kinesis_url)
        ensure_stream(direct, RIDES, config.shards)
        ensure_stream(direct, PREDICTIONS, config.output_shards)
        faulty: Any = kinesis_client(
            proxy.endpoint_url,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=50,
            read_timeout=READ_TIMEOUT_SECONDS,
        )
        bucket = DeadLetterBucket(aws.endpoint_url)
        clock = SteppingClock()
        limits = ResourceLimits(config.memory_mb, config.cpu_share)
        injector = ProcessFaultInjector(seed, clock, hang=limits.hang)
        function = _function(config, proxy.endpoint_url)

        def new_environment() -> FaultyEnvironment:
            process = ExecutionEnvironment(function, config.function_log, now=clock.now)
            limits.add(lambda: process.pid)
            return FaultyEnvironment(process, injector)

        pool = FunctionPool(new_environment)
        stack.callback(pool.close)
        pool.start()
        limits.start()
        stack.callback(limits.stop)
        mapping = EventSourceMapping(
            faulty,
            RIDES,
            pool,
            config.mapping,
            destination=StorageDestination(FolderStorage(config.folder / "discarded")),
            timing=Timing(now=lambda: datetime.fromtimestamp(clock.now(), UTC)),
        )
        stack.callback(mapping.stop, STOP_SECONDS)
        stack.callback(injector.stop)
        yield SoakEnvironment(direct, faulty, bucket, proxy, injector, limits, clock, mapping)


def _function(config: SoakConfig, endpoint_url: str) -> FunctionConfiguration:
    return FunctionConfiguration(
        handler=config.handler,
        timeout_seconds=FUNCTION_TIMEOUT_SECONDS,
        environment={
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL_S3": endpoint_url,
            "DEAD_LETTERS": DeadLetterBucket.location,
            "KINESIS_ENDPOINT_URL": endpoint_url,
            "PREDICTIONS_STREAM_NAME": PREDICTIONS,
            "TEST_RUN": "False",
            SEED: str(config.workload.seed),
            STARTED: str(time.time()),
        },
    )
