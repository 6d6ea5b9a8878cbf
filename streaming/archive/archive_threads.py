"""Several streams' archives at once, a thread for each."""

import threading
from collections.abc import Callable, Sequence

from streaming.archive.stream_archive import StreamArchive


class ArchiveThreads:
    """Runs archives until they are stopped, or one of them fails, which stops the others.

    Args:
        archives: One for each stream.
        failed: Called when one of them fails, in its thread.

    Attributes:
        archives: The same.
        failure: The error that ended an archive; None so far.
    """

    def __init__(
        self,
        archives: Sequence[StreamArchive],
        failed: Callable[[], object] = lambda: None,
    ) -> None:
        self.archives = archives
        self._failed = failed
        self.failure: Exception | None = None
        self._threads: list[threading.Thread] = []

    def start(self, *, follow: bool = True) -> None:
        """Run each archive; see `StreamArchive.run`."""
        self._threads = [
            threading.Thread(
                target=self._run, args=(archive, follow), name=archive.stream, daemon=True
            )
            for archive in self.archives
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End each archive after a last commit; may be called in a signal handler."""
        for archive in self.archives:
            archive.stop()

    def join(self) -> None:
        """Wait until all have ended.

        Raises:
            StreamingError: One of them failed.
        """
        for thread in self._threads:
            while thread.is_alive():
                thread.join(0.2)  # so that the main thread handles signals in between
        if self.failure is not None:
            raise self.failure

    def finish(self) -> None:
        """Stop, and archive what the streams hold by now.

        Raises:
            StreamingError: One of them failed.
        """
        self.stop()
        self.join()
        for archive in self.archives:
            archive.reset()
        self.start(follow=False)
        self.join()

    def _run(self, archive: StreamArchive, follow: bool) -> None:  # noqa: FBT001  Thread's args
        try:
            archive.run(follow=follow)
        except Exception as error:  # noqa: BLE001  a thread's error ends the others; join raises it
            self.failure = self.failure or error
            self.stop()
            self._failed()
