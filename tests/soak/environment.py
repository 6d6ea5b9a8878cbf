"""The real pipeline, set up between faults: streams, mapping, function processes, dead letters."""

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
from local.execution_environment import ExecutionEnvironment
from local.function import FunctionConfiguration, FunctionPool
from streaming.clients import kinesis_client
from streaming.storage import FolderStorage
from tests.soak.aws_contents import DeadLetterBucket
from tests.soak.fault_proxy import FaultProxy
from tests.soak.process_faults import FaultyEnvironment, ProcessFaultInjector, SteppingClock
from tests.soak.workload import Workload

RIDES, PREDICTIONS = "ride_events", "ride_predictions"
HANDLER = "lambda_function.lambda_handler"

FUNCTION_SECONDS = 12.0
"""The function's timeout: short, so that a hanging one is seen several times in a short soak."""

CALL_SECONDS = 5.0
"""How long the mapping, the producer and the reader wait for an answer."""

MAPPING = EventSourceMappingConfiguration(
    bisect_batch_on_function_error=True, function_response_types=(PARTIAL_RESPONSES,)
)
"""AWS's defaults (batches of 100 records, retried until they expire), but for these two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakConfig:
    """What to run.

    Attributes:
        folder: Where logs go.
        workload: What to put.
        rate: Events a second.
        seconds: How long to put; None: until the workload ends.
        shards: Of the input stream.
        output_shards: Of the output stream.
        handler: The function under test.
        mapping: Its event source mapping's parameters.
        timeout: How many seconds nothing may happen before what is outstanding counts as lost.
        kinesis: Starts a Kinesis and gives its URL; None: moto's.
        meanwhile: Does something to the input stream while records flow, given a client without
            faults.
    """

    folder: Path
    workload: Workload
    rate: float
    seconds: float | None = None
    shards: int = 2
    output_shards: int = 2
    handler: str = HANDLER
    mapping: EventSourceMappingConfiguration = field(default_factory=lambda: MAPPING)
    timeout: float = 60.0
    kinesis: Callable[[], AbstractContextManager[str]] | None = None
    meanwhile: Callable[[Any], None] | None = None

    @property
    def function_log(self) -> Path:
        """What the function printed."""
        return self.folder / "function.log"

    @property
    def discarded(self) -> Path:
        """Where the mapping leaves records that it gives up."""
        return self.folder / "discarded"


@dataclass(frozen=True, slots=True)
class SoakEnvironment:
    """A pipeline that is set up; its mapping is not started yet.

    Attributes:
        direct: A Kinesis client that meets no faults, for the audit.
        faulty: One that does, for the producer and the reader.
        bucket: The dead letters.
        proxy: Injects faults.
        process_faults: Disturbs the function.
        clock: The platform's wall clock.
        mapping: The event source mapping.
    """

    direct: Any
    faulty: Any
    bucket: DeadLetterBucket
    proxy: FaultProxy
    process_faults: ProcessFaultInjector
    clock: SteppingClock
    mapping: EventSourceMapping


@contextmanager
def open_environment(setup: SoakConfig) -> Iterator[SoakEnvironment]:
    """Set the pipeline up, and take it down when the context ends."""
    seed = setup.workload.seed
    with ExitStack() as stack:
        aws = stack.enter_context(embedded_kinesis(setup.folder / "aws.log", port=0))
        kinesis_url = aws.endpoint_url
        if setup.kinesis is not None:
            kinesis_url = stack.enter_context(setup.kinesis())
        proxy = stack.enter_context(
            FaultProxy(setup.folder / "proxy.log", kinesis_url, aws.endpoint_url, seed)
        )
        direct: Any = kinesis_client(kinesis_url)
        ensure_stream(direct, RIDES, setup.shards)
        ensure_stream(direct, PREDICTIONS, setup.output_shards)
        faulty: Any = kinesis_client(
            proxy.endpoint_url,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=50,
            read_timeout=CALL_SECONDS,
        )
        bucket = DeadLetterBucket(aws.endpoint_url)
        clock = SteppingClock()
        process_faults = ProcessFaultInjector(seed, clock)
        pool = _function(setup, proxy.endpoint_url, bucket.location, process_faults, clock)
        stack.callback(pool.close)
        pool.start()
        mapping = EventSourceMapping(
            faulty,
            RIDES,
            pool,
            setup.mapping,
            destination=FolderStorage(setup.discarded),
            timing=Timing(now=lambda: datetime.fromtimestamp(clock.now(), UTC)),
        )
        stack.callback(mapping.stop)
        stack.callback(process_faults.end)
        yield SoakEnvironment(direct, faulty, bucket, proxy, process_faults, clock, mapping)


def _function(
    setup: SoakConfig,
    endpoint_url: str,
    dead_letters: str,
    process_faults: ProcessFaultInjector,
    clock: SteppingClock,
) -> FunctionPool:
    settings = FunctionConfiguration(
        handler=setup.handler,
        timeout_seconds=FUNCTION_SECONDS,
        environment={
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL_S3": endpoint_url,
            "DEAD_LETTERS": dead_letters,
            "KINESIS_ENDPOINT_URL": endpoint_url,
            "PREDICTIONS_STREAM_NAME": PREDICTIONS,
            "TEST_RUN": "False",
        },
    )
    return FunctionPool(
        lambda: FaultyEnvironment(
            ExecutionEnvironment(settings, setup.function_log, now=clock.now), process_faults
        )
    )
