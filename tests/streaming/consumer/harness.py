"""A consumer with its model, its clients and its clock."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from streaming.consumer.consumer import Consumer
from streaming.consumer.interface import Prediction
from streaming.errors import InvalidEvent, StorageError
from streaming.publisher import Publisher
from streaming.retries import Retries
from streaming.storage import FolderStorage
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.fakes.last_batch import LastBatch
from tests.lambda_events import ARRIVED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streaming.consumer.batch import BatchCounts

OUTPUT = "words"
THROTTLED = "ProvisionedThroughputExceededException"


class Shout:
    """Predicts the event in capitals, with its first character as the partition key."""

    name, version, event_type = "shout", "7", "word_shouted"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.memory = 1_000_000  # events that can be predicted at once

    def decode(self, content: bytes, arrived_at: float) -> str | None:
        assert arrived_at > 0
        if content == b"exhausting":
            raise MemoryError
        word = content.decode("utf-8", "replace")
        if not word.isalpha():
            raise InvalidEvent("word", word, "alphabetic")
        return None if word.startswith("unknown") else word

    def predict(self, events: Sequence[str]) -> list[Prediction]:
        self.batches.append(len(events))
        if any("curse" in word for word in events):
            raise ValueError("such language")
        if any("mute" in word for word in events):
            return []
        if len(events) > self.memory:
            raise MemoryError
        huge = 1024 * 1024 if "huge" in events[0] else 0
        return [Prediction(word[0], {"loud": word.upper() + "!" * huge}) for word in events]


class Fragile(Shout):
    """Raises on an empty JSON object."""

    def decode(self, content: bytes, arrived_at: float) -> str | None:
        if content == b"{}":
            raise KeyError("word")
        return super().decode(content, arrived_at)


class BrokenStorage:
    def put(self, _name: str, content: bytes) -> None:
        raise StorageError(f"no room for {len(content.splitlines())}")


class Harness:
    """A consumer with its model, its clients and its clock."""

    def __init__(self, folder: Path | None = None) -> None:
        self.clock = Clock()
        self.age = 2.0  # of the records, in seconds
        self.kinesis = FakeKinesis(self.clock)
        self.kinesis.create_stream(StreamName=OUTPUT, ShardCount=1)
        self.model = Shout()
        self.telemetry = LastBatch("shout", "Shout", "CRITICAL")
        self.publisher = Publisher(
            self.kinesis, OUTPUT, clock=self.clock.now, sleep=self.clock.sleep, jitter=lambda: 1.0
        )
        self.folder = folder
        self.dead_letters: Any = FolderStorage(folder) if folder else None

    def handle(self, batch: Any, context: Any = None, **changes: Any) -> dict[str, Any]:
        """Handle a batch in a fresh execution environment."""
        return self.environment(**changes).handle(batch, context)

    def environment(self, **changes: Any) -> Consumer[str]:
        parts: dict[str, Any] = {
            "publisher": self.publisher,
            "dead_letters": self.dead_letters,
            "telemetry": self.telemetry,
            "draw": random.Random(1).sample,
        }
        parts = {**parts, **changes}
        retries = Retries(self.clock.now, self.clock.sleep, lambda: 1.0)
        return Consumer(self.model, **parts, now=self.now, retries=retries)

    def now(self) -> float:
        return ARRIVED + self.age

    def published(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.kinesis.payloads(OUTPUT)]

    def words(self) -> list[str]:
        return [record["prediction"]["loud"].rstrip("!") for record in self.published()]

    def dead_letters_written(self) -> list[dict[str, Any]]:
        assert self.folder is not None
        paths = sorted(self.folder.rglob("*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    def sums(self) -> tuple[int, int, int, int, int]:
        a = self.telemetry.counts
        return (a.received, a.published, a.skipped, a.dead_lettered, a.failed)


def context(seconds: float) -> Any:
    """Return Lambda's context of an invocation with some remaining time."""
    return SimpleNamespace(get_remaining_time_in_millis=lambda: 1000 * seconds, aws_request_id="r")


def failed(sequence_number: int | None) -> list[dict[str, str | None]]:
    identifier = None if sequence_number is None else str(sequence_number)
    return [{"itemIdentifier": identifier}]


class KeepsLines(LastBatch):
    """Telemetry that keeps what it is asked to log."""

    def __init__(self) -> None:
        super().__init__("shout", "Shout", "CRITICAL")
        self.times: dict[str, Any] = {}
        self.failures: list[str] = []
        self.reasons: list[str] = []
        self.steps: list[str] = []
        self.warnings: list[str] = []

    def batch(self, counts: BatchCounts, **rest: Any) -> None:
        self.times = rest
        super().batch(counts, **rest)

    def failure(self, message: str) -> None:
        self.failures.append(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    def model_error(self, step: str, _error: Exception) -> None:
        self.steps.append(step)

    def poison(self, found: Any, *_: Any) -> None:
        self.reasons += [error.reason for _, error in found]
