"""The page of a run: what the demo reads and counts anyway, shown in a browser."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from demo.challengers import Challenger
from demo.snapshot import Snapshot
from local.pipeline import Pipeline
from page.dead_letter_view import DeadLetters
from page.live_rides import LiveRides
from page.measures import RateMeter
from page.page_state import About, Figures, PageState
from page.ride_form import RideForm
from page.server import Page, serve
from page.stream_source import StreamThreads
from streaming import DeadLetterRecord, StreamRecord


@dataclass(slots=True)
class PageFeed:
    """Gets what the demo reads.

    Attributes:
        live: Follows the rides.
        dead_letters: The dead letters.
        snapshot: The last one; None before there is any.
    """

    live: LiveRides
    dead_letters: DeadLetters
    snapshot: Snapshot | None = None

    def event(self, record: StreamRecord) -> None:
        """Add a record of the input stream."""
        self.live.event(record)

    def prediction(self, record: StreamRecord) -> None:
        """Add a record of the output stream."""
        self.live.prediction(self.live.champion, record)

    def dead_letter(self, record: DeadLetterRecord) -> None:
        """Add a dead letter, or a discarded record."""
        self.dead_letters.add(record)

    def show(self, snapshot: Snapshot) -> None:
        """Take over the figures."""
        self.snapshot = snapshot


@contextmanager
def open_page(
    pipeline: Pipeline,
    challengers: Sequence[Challenger],
    port: int | None,
    notify: Callable[[str], None],
) -> Iterator[PageFeed]:
    """Serve the page of a run on loopback until the context ends.

    Args:
        pipeline: The run's.
        challengers: Other models on the same rides; their streams are read here.
        port: As for `page.server.serve`.
        notify: Called with the page's address.

    Raises:
        PageError: The port cannot be used.
    """
    config = pipeline.config
    others = [each.pipeline.config.output_stream for each in challengers]
    live = LiveRides(config.output_stream)
    feed = PageFeed(live, DeadLetters())
    threads = StreamThreads(
        pipeline.client,
        {stream: _tap(live, stream) for stream in others},
        config.mapping.starting_position,
    )
    about = About(
        endpoint=pipeline.client.meta.endpoint_url,
        input_stream=config.input_stream,
        output_streams=(config.output_stream, *others),
        can_put=True,
    )
    meter = RateMeter()
    state = PageState(
        about,
        live,
        feed.dead_letters,
        lambda: figures(feed.snapshot, meter) if feed.snapshot else None,
        failure=threads.failure,
    )
    form = RideForm(pipeline.client, config.input_stream, live)
    with serve(Page(cells=state.cells, form=form), port=port) as address:
        notify(f"The page is at {address}")
        threads.start()
        try:
            yield feed
        finally:
            threads.stop()


def figures(snapshot: Snapshot, meter: RateMeter) -> Figures:
    """Return the page's figures of a snapshot.

    Args:
        snapshot: The run's.
        meter: Computes the rate of what is put.
    """
    counts = snapshot.counts
    return Figures(
        rides_in=counts.all_put,
        predictions_out=counts.all_predicted,
        in_per_second=meter.rate(snapshot.elapsed, counts.all_put),
        out_per_second=snapshot.per_second,
        p50=snapshot.p50 and snapshot.p50 * 1000,
        p99=snapshot.p99 and snapshot.p99 * 1000,
        iterator_age=snapshot.iterator_age,
        duplicates=counts.duplicates,
        dead_lettered=counts.all_dead_lettered,
        ended=counts.ends.put,
        outstanding=counts.outstanding,
    )


def _tap(live: LiveRides, stream: str) -> Callable[[StreamRecord], object]:
    return lambda record: live.prediction(stream, record)
