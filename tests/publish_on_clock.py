"""How a redrive publishes, on a clock that the test turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.publisher import Publisher
from streaming.redrive.delivery import PUT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.publisher import Entry, Published, PutRecordsClient
    from streaming.redrive.delivery import Publish
    from tests.fakes.clock import Clock


def publish_on(clock: Clock) -> Publish:
    """Return what `deliver` puts with, on a clock, with the longest waits."""

    def publish(client: PutRecordsClient, stream: str, entries: Sequence[Entry]) -> Published:
        publisher = Publisher(
            client, stream, clock=clock.now, sleep=clock.sleep, jitter=lambda: 1.0
        )
        return publisher.publish(entries, clock.now() + PUT_TIMEOUT_SECONDS)

    return publish
