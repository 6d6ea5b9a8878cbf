"""Puts a ride that a visitor chose, and waits for its prediction."""

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from page.live_rides import LiveRides
from page.ride_records import RIDE_STARTED, Predicted, Zone
from streaming import DECODE_ERRORS, WHOLE_EVENT, StreamError, invalid_event
from streaming.aws_errors import describe_error

WAIT_SECONDS = 20.0
WAITING = 20
"""Rides that are waited for at once, for all visitors together."""

_ZONE_WORDS = "an integer from 1 to 265 (a TLC taxi zone)"
ALLOWED = {
    WHOLE_EVENT: "a JSON object in UTF-8",
    "PULocationID": _ZONE_WORDS,
    "DOLocationID": _ZONE_WORDS,
    "trip_distance": "a number from 0 to 1000 (miles)",
}


class _Ride(msgspec.Struct):
    PULocationID: Zone
    DOLocationID: Zone
    trip_distance: Annotated[float, Meta(ge=0, le=1000)] = 0.0


class Busy(Exception):
    """Too many rides are waited for."""


class RideForm:
    """Puts rides on the input stream.

    Args:
        client: A boto3 Kinesis client.
        stream: The input stream.
        live: Sees the predictions.
        wait: Seconds to wait for Kinesis and the prediction.
    """

    def __init__(
        self, client: Any, stream: str, live: LiveRides, wait: float = WAIT_SECONDS
    ) -> None:
        self._client = client
        self._stream = stream
        self._live = live
        self._wait = wait
        self._waiting = 0
        self._puts: set[threading.Thread] = set()

    async def put(self, content: bytes) -> dict[str, Any] | None:
        """Put a ride; return its prediction and the milliseconds until it was read.

        Args:
            content: JSON with `PULocationID`, `DOLocationID` and `trip_distance`.

        Returns:
            None if there is no prediction in time.

        Raises:
            InvalidEvent: A field is missing or out of range.
            Busy: Too many rides are waited for.
            StreamError: The ride cannot be put.
        """
        try:
            ride = msgspec.json.decode(content, type=_Ride)
        except DECODE_ERRORS as error:
            raise invalid_event(content, error, ALLOWED) from error
        self._puts = {each for each in self._puts if each.is_alive()}
        if max(self._waiting, len(self._puts)) >= WAITING:
            raise Busy(f"{WAITING} rides wait for their predictions; allowed: {WAITING} at once")
        key = f"page-{secrets.token_hex(6)}"
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Predicted] = loop.create_future()

        def resolve(outcome: Predicted | StreamError) -> None:
            if found.done():
                return
            if isinstance(outcome, StreamError):
                found.set_exception(outcome)
            else:
                found.set_result(outcome)

        def tell(outcome: Predicted | StreamError) -> None:
            with contextlib.suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(resolve, outcome)

        self._waiting += 1
        self._live.expect(key, tell)
        began = time.perf_counter()
        event = {"event_type": RIDE_STARTED, "ride_id": key, "ride": ride}
        self._start_put(key, msgspec.json.encode(event), tell)
        try:
            predicted = await asyncio.wait_for(found, self._wait)
        except TimeoutError:
            return None
        finally:
            self._live.expect_no_more(key)
            self._waiting -= 1
        return {
            "ride": key,
            "duration": predicted.duration,
            "low": predicted.low,
            "high": predicted.high,
            "tip": predicted.tip,
            "text": predicted.text,
            "version": predicted.version,
            "milliseconds": round((time.perf_counter() - began) * 1000),
        }

    def _start_put(self, key: str, data: bytes, failed: Callable[[StreamError], None]) -> None:
        def put() -> None:
            try:
                self._client.put_record(StreamName=self._stream, Data=data, PartitionKey=key)
            except Exception as error:  # noqa: BLE001  botocore's parser may raise anything
                failed(StreamError(f"cannot put the ride: {describe_error(error)}"))

        # Python waits for the threads of an executor before it ends, whatever Kinesis does.
        thread = threading.Thread(target=put, name="page-put", daemon=True)
        self._puts.add(thread)
        thread.start()
