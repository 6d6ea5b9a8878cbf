"""The page on a free port of loopback, and what asks it without a browser."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from page.guard import COOKIE, cookie_value
from page.server import Page, serve
from tests.fakes.kinesis import client_error
from tests.page.ride_stream import PREDICTIONS, predicted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from page.live_rides import LiveRides

TOKEN = "sixteen-letters-or-more"  # noqa: S105
KNOWN = f"{COOKIE}={cookie_value(TOKEN)}"
RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
AS_JSON = {"Content_Type": "application/json"}


class Producer:
    """Puts rides, and has them predicted at once."""

    def __init__(self, live: LiveRides | None = None, *, fails: bool = False) -> None:
        self.put: list[dict[str, Any]] = []
        self._live = live
        self._fails = fails

    def put_record(self, **entry: Any) -> dict[str, str]:
        if self._fails:
            raise client_error("AccessDeniedException", "put_record")
        self.put.append(entry)
        if self._live is not None:
            self._live.prediction(PREDICTIONS, predicted(entry["PartitionKey"], 12.5, tip=3.25))
        return {"ShardId": "shardId-000000000000", "SequenceNumber": "1"}


class Browser:
    """Sends requests as a browser does."""

    def __init__(self, address: str) -> None:
        self.host = address.removeprefix("http://").rstrip("/")

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def put(self, ride: object, **headers: str) -> tuple[int, dict[str, Any]]:
        content = ride if isinstance(ride, bytes) else json.dumps(ride).encode()
        status, _, body = self.request("POST", "/rides", content, **{**AS_JSON, **headers})
        return status, json.loads(body)


@contextmanager
def served(**page: Any) -> Iterator[Browser]:
    with serve(Page(**{"cells": lambda: {"figures": None}, **page}), port=0) as address:
        yield Browser(address)
