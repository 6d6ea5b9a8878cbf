"""Challengers: other models on the same rides, each with its own function and output stream.

A challenger is one more consumer of the events. It shares nothing with the champion's but the event
stream and the machine, so that it can fail without anybody who reads the predictions noticing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from demo.ride_pipeline import PREDICTIONS, dead_letter_folder
from local.pipeline import Pipeline, PipelineConfig, open_pipeline

POLL_SECONDS = 0.1

CATCH_UP_SECONDS = 5.0
"""How long challengers may take after the champion at the end of a run."""


@dataclass(frozen=True, slots=True)
class Challenger:
    """A challenger of a run.

    Attributes:
        location: Its `MODEL_LOCATION`.
        pipeline: Its function and its event source mapping.
    """

    location: str
    pipeline: Pipeline


@contextmanager
def open_challengers(
    champion: Pipeline, locations: Sequence[str], notify: Callable[[str], None]
) -> Iterator[list[Challenger]]:
    """Set up challengers, and take them down when the context ends.

    Args:
        champion: A running pipeline.
        locations: Each challenger's `MODEL_LOCATION`.
        notify: Called with a line for the user at each step.

    Raises:
        LocalError: A function does not start: its model cannot be loaded, say.
    """
    with ExitStack() as stack:
        challengers = []
        for number, location in enumerate(locations, 1):
            config = challenger_config(champion, number, location)
            notify(
                f"Challenger {number} is {location}, its predictions are on {config.output_stream}"
            )
            pipeline = stack.enter_context(open_pipeline(config, notify))
            challengers.append(Challenger(location, pipeline))
        yield challengers


def challenger_config(champion: Pipeline, number: int, location: str) -> PipelineConfig:
    """Return the configuration of a challenger's pipeline.

    Args:
        champion: A running pipeline.
        number: The challenger's, from 1.
        location: Its `MODEL_LOCATION`.
    """
    config = champion.config
    folder = config.folder / f"challenger-{number}"
    stream = f"{PREDICTIONS}_challenger_{number}"
    environment = {
        **config.function.environment,
        "DEAD_LETTERS": dead_letter_folder(folder).resolve().as_uri(),
        "MODEL_LOCATION": location,
        "PREDICTIONS_STREAM_NAME": stream,
        "RUN_ID": "",  # else two models would have one version
    }
    return replace(
        config,
        folder=folder,
        output_stream=stream,
        function=replace(
            config.function, name=f"{config.function.name}-{number}", environment=environment
        ),
        endpoint_url=champion.client.meta.endpoint_url,
        isolated=config.isolated or config.endpoint_url is None,
        on_failure=None,
    )


def challenger_lines(champion: Pipeline, challengers: Sequence[Challenger]) -> Iterator[str]:
    """Wait until the challengers have caught up, for a while, and summarise each in a line."""
    goal = champion.mapping.snapshot().checkpoints
    ends_at = time.monotonic() + CATCH_UP_SECONDS
    for number, challenger in enumerate(challengers, 1):
        mapping = challenger.pipeline.mapping
        while (
            mapping.snapshot().checkpoints != goal
            and mapping.failure is None
            and time.monotonic() < ends_at
        ):
            time.sleep(POLL_SECONDS)
        found = mapping.snapshot()
        problems = {
            "discarded": found.records_discarded,
            "function errors": found.function_errors,
            "batches with failures": found.partial_failures,
        }
        parts = [
            f"challenger {number}, {challenger.location}: {found.records_done:,} records done",
            *(f"{name}: {count:,}" for name, count in problems.items() if count),
            *([f"stopped: {mapping.failure}"] if mapping.failure else []),
            *(["behind the champion"] if found.checkpoints != goal else []),
        ]
        yield ", ".join(parts)
