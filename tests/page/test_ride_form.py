"""Rides that visitors put, and what they are answered."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from page.live_rides import LiveRides
from page.ride_form import WAITING, Busy, RideForm
from tests.page.ride_stream import PREDICTIONS, RIDES
from tests.page.served_page import AS_JSON, RIDE, Browser, Producer, served

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def producer() -> Producer:
    return Producer()


@pytest.fixture(scope="module")
def browser(producer: Producer) -> Iterator[Browser]:
    live = LiveRides(PREDICTIONS)
    producer._live = live
    with served(form=RideForm(producer, RIDES, live)) as browser:
        yield browser


def test_a_ride_is_put_and_its_prediction_returned(browser: Browser, producer: Producer) -> None:
    status, found = browser.put(RIDE)

    assert status == 200
    assert (found["duration"], found["tip"], found["version"]) == (12.5, 3.25, "v1")
    assert found["milliseconds"] >= 0
    put = producer.put[-1]
    event = json.loads(put["Data"])
    assert put["StreamName"] == RIDES
    assert event["ride"] == RIDE
    assert event["ride_id"] == put["PartitionKey"] == found["ride"]


@pytest.mark.parametrize(
    ("ride", "error"),
    [
        (
            {**RIDE, "PULocationID": 999},
            "PULocationID is 999; allowed: an integer from 1 to 265 (a TLC taxi zone)",
        ),
        (
            {"PULocationID": 1},
            "DOLocationID is missing; allowed: an integer from 1 to 265 (a TLC taxi zone)",
        ),
        (
            {**RIDE, "trip_distance": -1},
            "trip_distance is -1; allowed: a number from 0 to 1000 (miles)",
        ),
        (b"{", "event is b'{'; allowed: a JSON object in UTF-8"),
    ],
)
def test_a_bad_ride_is_refused_with_the_field_the_value_and_what_is_allowed(
    browser: Browser, producer: Producer, ride: object, error: str
) -> None:
    before = len(producer.put)

    assert browser.put(ride) == (422, {"error": error})
    assert len(producer.put) == before


def test_a_ride_of_another_page_is_refused(browser: Browser, producer: Producer) -> None:
    before = len(producer.put)

    assert browser.request("POST", "/rides", b"{}", Sec_Fetch_Site="cross-site")[0] == 403
    assert browser.put(RIDE, Content_Type="text/plain")[0] == 415
    assert len(producer.put) == before


def test_a_large_ride_is_refused(browser: Browser) -> None:
    assert browser.put(b" " * 5_000) == (
        413,
        {"error": "the ride is too large; allowed: 4096 bytes"},
    )


def test_a_page_that_only_shows_puts_nothing() -> None:
    with served() as browser:
        assert browser.put(RIDE)[0] == 403


def test_a_ride_without_a_prediction_is_answered_after_the_wait() -> None:
    with served(form=RideForm(Producer(), RIDES, LiveRides(PREDICTIONS), wait=0.0)) as browser:
        status, answer = browser.put(RIDE)

    assert status == 504
    assert answer == {"error": "no prediction in time: see the dead letters, and the function"}


def test_a_ride_that_kinesis_refuses_is_an_error_of_one_line() -> None:
    form = RideForm(Producer(fails=True), RIDES, LiveRides(PREDICTIONS))
    with served(form=form) as browser:
        status, answer = browser.put(RIDE)

    assert status == 502
    assert answer["error"].startswith("cannot put the ride: AccessDeniedException")


def test_a_ride_that_kinesis_does_not_answer_for_holds_nobody_up() -> None:
    answers = threading.Event()

    class Silent(Producer):
        def put_record(self, **entry: Any) -> dict[str, str]:
            answers.wait(30)
            return super().put_record(**entry)

    form = RideForm(Silent(), RIDES, LiveRides(PREDICTIONS), wait=0.0)
    before = set(threading.enumerate())
    with served(form=form) as browser:
        for _ in range(WAITING):
            assert browser.put(RIDE)[0] == 504
        status, answer = browser.put(RIDE)
    stuck = set(threading.enumerate()) - before
    answers.set()

    assert status == 503
    assert answer == {"error": "20 rides wait for their predictions; allowed: 20 at once"}
    assert len(stuck) == WAITING
    assert all(thread.daemon for thread in stuck)


def test_an_answer_that_takes_too_long_ends() -> None:
    form = RideForm(Producer(), RIDES, LiveRides(PREDICTIONS))
    with served(form=form, seconds=0.2) as browser:
        status, headers, answer = browser.request(
            "POST", "/rides", json.dumps(RIDE).encode(), **AS_JSON
        )
        assert (status, answer) == (504, b"no answer within 0.2 s")
        assert "content-security-policy" in headers
        assert form._waiting == 0


def test_more_rides_than_may_wait_are_refused_until_one_no_longer_waits() -> None:
    form = RideForm(Producer(), RIDES, LiveRides(PREDICTIONS))
    ride = json.dumps(RIDE).encode()

    async def scenario() -> None:
        waiting = [asyncio.create_task(form.put(ride)) for _ in range(WAITING)]
        await asyncio.sleep(0)
        for put in form._puts:
            put.join()
        with pytest.raises(Busy, match="20 rides wait for their predictions; allowed: 20 at once"):
            await form.put(ride)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        waiting[0] = asyncio.create_task(form.put(ride))
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(scenario())
    assert form._waiting == 0
