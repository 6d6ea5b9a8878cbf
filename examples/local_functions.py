"""What the examples share: functions on this machine, a decision service, and a pace."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from local.embedded_kinesis import ensure_stream
from local.errors import FunctionError
from local.event_source_mapping import EventSourceMapping, EventSourceMappingConfiguration
from local.event_source_mapping.configuration import PARTIAL_RESPONSES
from local.function import Function, FunctionConfiguration
from local.pipeline import Pipeline, PipelineConfig, open_pipeline
from local.processes import PROJECT
from streaming.clients import aws_client
from streaming.decisions.decision_service import SCHEDULED
from streaming.decisions.decision_table import TABLE, TTL

ItemT = TypeVar("ItemT")

TICK_SECONDS = 1.0
"""On AWS a schedule ticks once a minute at the most often."""

MAPPING = EventSourceMappingConfiguration(
    batch_size=100,
    bisect_batch_on_function_error=True,
    maximum_retry_attempts=5,
    function_response_types=(PARTIAL_RESPONSES,),
)


@dataclass(frozen=True, slots=True)
class LocalFunctions:
    """Where the functions of an example run.

    Attributes:
        folder: For logs and dead-letter records.
        endpoint_url: Of Kinesis and DynamoDB.
    """

    folder: Path
    endpoint_url: str

    @contextmanager
    def consumer(
        self,
        name: str,
        streams: tuple[str, str],
        task_root: Path = PROJECT,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Pipeline]:
        """Run a consumer.

        Args:
            name: The function's name.
            streams: The input and the output stream; they are created unless they exist.
            task_root: The folder of its `model.py`.
            environment: Its own environment variables.
        """
        function = FunctionConfiguration(
            name=name,
            task_root=task_root,
            environment={**self._environment(name, streams[1]), **(environment or {})},
        )
        with open_pipeline(self._config(name, streams, function), lambda _line: None) as pipeline:
            yield pipeline

    @contextmanager
    def decisions(self, inputs: Sequence[str], output: str, policy: Path) -> Iterator[Pipeline]:
        """Run a decision service and its schedule.

        Args:
            inputs: The streams of the checks' results, and of what opens items.
            output: The decisions' stream, and the table's name.
            policy: The policy.
        """
        client = aws_client("dynamodb", self.endpoint_url, isolated=True)
        client.create_table(TableName=output, **TABLE)
        client.update_time_to_live(TableName=output, TimeToLiveSpecification=TTL)
        function = FunctionConfiguration(
            name="decisions",
            handler="streaming.decisions.decision_function.handler",
            environment={
                **self._environment("decisions", output),
                "AWS_ENDPOINT_URL_DYNAMODB": self.endpoint_url,
                "DECISION_POLICY": str(policy),
                "DECISION_TABLE": output,
            },
        )
        config = self._config("decisions", (inputs[0], output), function)
        with ExitStack() as stack:
            pipeline = stack.enter_context(open_pipeline(config, lambda _line: None))
            for stream in inputs[1:]:
                ensure_stream(pipeline.client, stream, 1)
                mapping = EventSourceMapping(pipeline.client, stream, pipeline.function, MAPPING)
                stack.enter_context(mapping)
            stack.enter_context(_ticks(pipeline.function, print))
            yield pipeline

    def dead_letters(self) -> int:
        """Return how many dead-letter records there are."""
        found = (self.folder / "dead-letters").rglob("*.jsonl")
        return sum(len(path.read_text().splitlines()) for path in found)

    def _environment(self, name: str, output: str) -> dict[str, str]:
        return {
            "DEAD_LETTERS": (self.folder / "dead-letters" / name).resolve().as_uri(),
            "MODEL_LOCATION": "",
            "PREDICTIONS_STREAM_NAME": output,
            "TEST_RUN": "False",
        }

    def _config(
        self, name: str, streams: tuple[str, str], function: FunctionConfiguration
    ) -> PipelineConfig:
        return PipelineConfig(
            folder=self.folder / name,
            input_stream=streams[0],
            output_stream=streams[1],
            function=function,
            mapping=MAPPING,
            endpoint_url=self.endpoint_url,
            isolated=True,
        )


def paced(items: Iterable[ItemT], per_second: float, stopped: threading.Event) -> Iterator[ItemT]:
    """Yield items at a rate, until they end or a program is stopped."""
    started = time.monotonic()
    for number, item in enumerate(items):
        if stopped.wait(max(0.0, started + number / per_second - time.monotonic())):
            return
        yield item


@contextmanager
def _ticks(function: Function, notify: Callable[[str], None]) -> Iterator[None]:
    """Invoke a decision service on a schedule; on AWS, EventBridge does."""
    stopped = threading.Event()
    payload = json.dumps({"detail-type": SCHEDULED, "source": "aws.scheduler"}).encode()

    def tick() -> None:
        while not stopped.wait(TICK_SECONDS):
            try:
                function.invoke(payload)
            except FunctionError as error:
                notify(f"a tick failed: {str(error)!r}")

    thread = threading.Thread(target=tick, name="schedule")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
