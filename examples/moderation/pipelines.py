"""The example's functions: three checks, the decisions, the notifications and people's queue."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from local.event_source_mapping import EventSourceMapping, EventSourceMappingConfiguration
from local.event_source_mapping.configuration import PARTIAL_RESPONSES
from local.function import FunctionConfiguration, MonitoredFunction
from local.pipeline import PipelineConfig, open_pipeline
from streaming.clients import aws_client
from streaming.decisions.decision_table import TABLE, TTL

FOLDER = Path(__file__).parent
UPLOADS, CHECKED, DECISIONS = "uploads", "upload_checks", "upload_decisions"
TABLE_NAME = "upload_decisions"
CHECKS = ("copyright", "language", "image")
READERS = {"notify": "notifications", "review": "review_queue"}
"""The consumers of decisions, and their output streams."""

TICK_SECONDS = 1.0
"""On AWS a schedule ticks once a minute at the most often."""

MAPPING = EventSourceMappingConfiguration(
    batch_size=100,
    bisect_batch_on_function_error=True,
    maximum_retry_attempts=5,
    function_response_types=(PARTIAL_RESPONSES,),
)


def create_table(endpoint_url: str) -> None:
    """Create the table of the decisions."""
    client = aws_client("dynamodb", endpoint_url, isolated=True)
    client.create_table(TableName=TABLE_NAME, **TABLE)
    client.update_time_to_live(TableName=TABLE_NAME, TimeToLiveSpecification=TTL)


@contextmanager
def open_function(name: str, folder: Path, endpoint_url: str) -> Iterator[None]:
    """Run a consumer: a check of uploads, or a consumer of decisions.

    Args:
        name: Its folder.
        folder: For logs and dead letters.
        endpoint_url: Of Kinesis.
    """
    config = _config(name, folder, endpoint_url)
    streams = (UPLOADS, CHECKED) if name in CHECKS else (DECISIONS, READERS[name])
    function = replace(
        config.function,
        task_root=FOLDER / name,
        environment={**config.function.environment, "PREDICTIONS_STREAM_NAME": streams[1]},
    )
    config = replace(config, input_stream=streams[0], output_stream=streams[1], function=function)
    with open_pipeline(config, lambda _line: None):
        yield


@contextmanager
def open_decisions(folder: Path, endpoint_url: str) -> Iterator[MonitoredFunction]:
    """Run the decision service, on the checks' stream and on the uploads'; yield its function."""
    config = _config("decisions", folder, endpoint_url)
    environment = {
        **config.function.environment,
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint_url,
        "DECISION_POLICY": str(FOLDER / "policy.json"),
        "DECISION_TABLE": TABLE_NAME,
        "PREDICTIONS_STREAM_NAME": DECISIONS,
    }
    function = replace(
        config.function,
        handler="streaming.decisions.decision_function.handler",
        environment=environment,
    )
    config = replace(config, input_stream=CHECKED, output_stream=DECISIONS, function=function)
    with open_pipeline(config, lambda _line: None) as pipeline:
        pipeline.client.create_stream(StreamName=UPLOADS, ShardCount=1)
        with EventSourceMapping(pipeline.client, UPLOADS, pipeline.function, MAPPING):
            yield pipeline.function


def _config(name: str, folder: Path, endpoint_url: str) -> PipelineConfig:
    dead_letters = folder / "dead-letters" / name
    return PipelineConfig(
        folder=folder / name,
        input_stream="",
        output_stream="",
        function=FunctionConfiguration(
            name=name,
            environment={
                "DEAD_LETTERS": dead_letters.resolve().as_uri(),
                "MODEL_LOCATION": "",
                "TEST_RUN": "False",
            },
        ),
        mapping=MAPPING,
        endpoint_url=endpoint_url,
        isolated=True,
    )
