"""The demo's pipeline: rides on one stream, their predictions on another."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.event_source_mapping.configuration import (
    PARTIAL_RESPONSES,
    EventSourceMappingConfiguration,
)
from local.function import FunctionConfiguration
from local.pipeline import PipelineConfig
from streaming.reader.checkpoints import StartingPosition

RIDES = "ride_events"
PREDICTIONS = "ride_predictions"

CLOCK_SKEW = timedelta(seconds=10)
"""How far this machine's clock may be from that of a Kinesis elsewhere."""

BATCH_SIZE = 1_000
RETRY_ATTEMPTS = 5
"""Enough for a transient error; a function that keeps failing must not stall the demo forever."""


def ride_pipeline(folder: Path) -> PipelineConfig:
    """Return the configuration of a pipeline that predicts rides from now on.

    Args:
        folder: For logs, dead-letter records and discarded records.
    """
    return PipelineConfig(
        folder=folder,
        input_stream=RIDES,
        output_stream=PREDICTIONS,
        function=FunctionConfiguration(
            name="ride-predictions",
            environment={
                "DEAD_LETTERS": dead_letter_folder(folder).resolve().as_uri(),
                "PREDICTIONS_STREAM_NAME": PREDICTIONS,
                "TEST_RUN": "False",
            },
        ),
        mapping=EventSourceMappingConfiguration(
            batch_size=BATCH_SIZE,
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=RETRY_ATTEMPTS,
            starting_position=StartingPosition.at(datetime.now(UTC) - CLOCK_SKEW),
            function_response_types=(PARTIAL_RESPONSES,),
        ),
    )


def dead_letter_folder(folder: Path) -> Path:
    """Return where the function of a pipeline writes its dead-letter records."""
    return folder / "dead-letters"
