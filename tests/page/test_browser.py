"""The page in a real Chromium, which `.ci/browser` runs; without one these tests are skipped.

Nothing here weakens the content security policy: what the page refuses to run, the tests see.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from page.server import serve
from streaming import DeadLetterRecord
from tests.page.browser import SIZES, WAIT, City, Visit, expect, visiting
from tests.page.ride_stream import CHALLENGER, PREDICTIONS, RIDES, ended, predicted, started

if TYPE_CHECKING:
    from collections.abc import Iterator

axe = pytest.importorskip("axe_playwright_python.sync_playwright")


def test_it_shows_the_figures(visit: Visit, city: City) -> None:
    city.ride(1, 130, 20.0)

    visit.has("#figure-rides_in dd", "1")
    visit.has("#figure-predictions_out dd", "1,234,567")
    visit.has("#figure-in_per_second dd", "100")
    visit.has("#figure-p99 dd", "873 ms")
    visit.has("#about", "ride_events → ride_predictions, ride_predictions_challenger_1")


def test_it_follows_what_happens(visit: Visit, city: City) -> None:
    for ride in range(1, 30):
        city.ride(ride, 130, 20.0 + ride)
        visit.has("#recent tbody tr:first-child", f"{20.0 + ride:.1f} min")

    visit.has("#recent tbody tr:first-child", "Jamaica → Saint Albans")
    expect(visit.tab.locator("#recent tbody tr")).to_have_count(12)


def test_the_map_is_coloured_by_the_chosen_value(visit: Visit, city: City) -> None:
    city.ride(1, 130, minutes=7.0, tip=7.0)
    city.ride(2, 74, minutes=45.0, tip=0.5)

    expect(visit.zone(130)).to_have_class("zone level-1", timeout=WAIT)
    expect(visit.zone(74)).to_have_class("zone level-5")
    expect(visit.zone(132)).to_have_class("zone")
    colours = {number: _fill(visit.zone(number)) for number in (130, 74, 132)}
    assert len(set(colours.values())) == 3
    visit.has("#legend", "5 min to 10 min")

    visit.tab.get_by_label("Median tip").check()
    expect(visit.zone(130)).to_have_class("zone level-5")
    expect(visit.zone(74)).to_have_class("zone level-0")
    visit.has("#legend", "$6 and more")

    visit.tab.get_by_label("Rides", exact=True).check()
    expect(visit.zone(130)).to_have_class("zone level-0")


def _fill(zone: Any) -> str:
    return str(zone.evaluate("path => getComputedStyle(path).fill"))


def test_the_zones_are_a_table_too(visit: Visit, city: City) -> None:
    city.ride(1, 130, 20.0, 3.5)
    visit.tab.get_by_text("The zones as a table").click()

    visit.has("#zones tbody tr", re.compile(r"130 Jamaica, Queens\s*20.0 min\s*\$3.50\s*1"))


def test_a_ride_that_is_picked_on_the_map_is_predicted(visit: Visit, city: City) -> None:
    visit.zone(130).click()
    visit.zone(205).click()
    expect(visit.tab.get_by_label("From zone")).to_have_value("130 Jamaica, Queens")
    expect(visit.tab.get_by_label("To zone")).to_have_value("205 Saint Albans, Queens")
    visit.tab.get_by_label("Miles").fill("7.5")
    visit.tab.get_by_role("button", name="Put the ride").click()

    visit.has("#answer", re.compile(r"33\.3 min, tip \$4\.50\. Round trip: [\d,]+ ms"))
    assert city.put == [{"PULocationID": 130, "DOLocationID": 205, "trip_distance": 7.5}]


def test_a_ride_is_put_with_the_keyboard_alone(visit: Visit, city: City) -> None:
    visit.tab.get_by_label("From zone").focus()
    keyboard = visit.tab.keyboard
    keyboard.type("JFK")
    keyboard.press("Tab")
    keyboard.type("74")
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Enter")

    visit.has("#answer", "33.3 min")
    assert city.put == [{"PULocationID": 132, "DOLocationID": 74, "trip_distance": 3.66}]


@pytest.mark.parametrize(
    ("pickup", "miles", "answer"),
    [
        ("999", "1", "PULocationID is 999; allowed: an integer from 1 to 265 (a TLC taxi zone)"),
        ("Atlantis", "1", "From zone is not readable; allowed: a zone's number"),
        ("130", "far", "Miles is not readable; allowed: a number from 0 to 1000"),
        ("130", "-1", "trip_distance is -1; allowed: a number from 0 to 1000 (miles)"),
    ],
)
def test_a_bad_ride_is_answered_in_one_line(
    chromium: Any, city: City, pickup: str, miles: str, answer: str
) -> None:
    with serve(city.page, port=0) as address, visiting(chromium, address) as visit:
        visit.open()
        visit.tab.get_by_label("From zone").fill(pickup)
        visit.tab.get_by_label("To zone").fill("205")
        visit.tab.get_by_label("Miles").fill(miles)
        visit.tab.get_by_role("button", name="Put the ride").click()
        visit.has("#answer.wrong", answer)

    assert city.put == []


def test_a_page_that_only_shows_has_no_form(chromium: Any) -> None:
    with serve(City(can_put=False).page, port=0) as address, visiting(chromium, address) as visit:
        visit.open()
        visit.has("#about", "ride_events")
        expect(visit.tab.locator("#put")).to_be_hidden()


def test_versions_challengers_and_errors_are_shown(visit: Visit, city: City) -> None:
    city.ride(1, 130, 25.0)
    city.live.prediction(CHALLENGER, predicted(1, 18.0, version="rival"))
    city.live.event(ended(1, dropoff_datetime="2025-03-01T08:35:00", tip_amount=3.0))

    champion, challenger = "#versions tbody tr:nth-child(1)", "#versions tbody tr:nth-child(2)"
    visit.has(champion, re.compile(r"champion v1.*100 %.*5\.0 min.*bias \+5\.0 min"))
    visit.has(challenger, re.compile(r"challenger rival.*100 %.*2\.0 min.*bias \u22122\.0 min"))


def test_a_challenger_is_not_the_champion_although_it_alone_predicts(
    visit: Visit, city: City
) -> None:
    city.live.prediction(CHALLENGER, predicted(1, 18.0, version="rival"))

    visit.has("#versions tbody tr:nth-child(1)", "challenger rival")


def test_a_prediction_with_half_a_range_leaves_the_page_alive(visit: Visit, city: City) -> None:
    half = {"ride_duration": 20.0, "ride_duration_low": 10.0}
    city.live.prediction(PREDICTIONS, predicted(1, prediction=half))
    visit.has("#recent tbody tr:first-child", "20.0 min")

    city.ride(2, 130, 21.0)
    visit.has("#recent tbody tr:first-child", "21.0 min")


def test_dead_letters_show_reason_and_structure(visit: Visit, city: City) -> None:
    message = "ride.PULocationID is 999; allowed: an integer from 1 to 265"
    city.letters.add(
        DeadLetterRecord(
            data="eyJyaWRlIjogeyJQVUxvY2F0aW9uSUQiOiA5OTl9fQ==",
            event_id="shardId-000000000000:7",
            stream=RIDES,
            shard_id="shardId-000000000000",
            sequence_number="7",
            partition_key="256",
            arrived_at="2025-03-01T13:15:00.123Z",
            error_type="InvalidEvent",
            error_message=message,
        )
    )

    visit.has("#reasons", "InvalidEvent: ride.PULocationID is not an integer from 1 to 265: 1")
    visit.has("#letters", "31 bytes, JSON: {ride: {PULocationID: number}}")
    assert "999" not in visit.tab.locator("main").inner_text()


def test_dead_letters_that_are_not_read_are_not_said_to_be_none(visit: Visit, city: City) -> None:
    visit.has("#no-letters", "None.")
    city.are_letters_read = False

    visit.has("#no-letters", "Not read: DEAD_LETTERS= of make page names their place.")
    visit.has("#figure-dead_lettered dd", "\u2013")


def test_html_in_a_stream_stays_text(visit: Visit, city: City) -> None:
    hostile = '<img src="x" onerror="alert(1)">'
    city.live.event(started(hostile))
    city.live.prediction(PREDICTIONS, predicted(hostile, version=hostile, model=hostile))

    visit.has("#recent tbody tr:first-child th", hostile)
    assert visit.tab.locator("img").count() == 0


def test_the_tables_can_be_paused(visit: Visit, city: City) -> None:
    city.ride(1, 130, 11.0)
    visit.has("#recent tbody tr:first-child", "11.0 min")
    visit.tab.get_by_role("button", name="Pause the tables").click()
    city.ride(2, 130, 22.0)
    visit.has("#figure-rides_in dd", "2")
    visit.has("#recent tbody tr:first-child", "11.0 min")
    visit.tab.get_by_role("button", name="Pause the tables").click()
    city.ride(3, 130, 33.0)
    visit.has("#recent tbody tr:first-child", "33.0 min")


def test_streams_that_cannot_be_read_are_said(visit: Visit, city: City) -> None:
    city.failure = "cannot read the stream 'ride_events': unreachable"

    visit.has("#failure", "cannot read the stream 'ride_events': unreachable")
    city.failure = None
    expect(visit.tab.locator("#failure")).to_be_hidden(timeout=WAIT)


@pytest.mark.parametrize(
    ("size", "scheme"), [("desktop", "light"), ("desktop", "dark"), ("phone", "light")]
)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    chromium: Any, city: City, size: str, scheme: str
) -> None:
    for ride in range(20):
        city.ride(ride, 100 + ride, 3.0 * ride)
    city.live.event(ended(1, dropoff_datetime="2025-03-01T08:35:00", tip_amount=3.0))
    with (
        serve(city.page, port=0) as address,
        visiting(chromium, address, SIZES[size], scheme) as visit,
    ):
        visit.open()
        visit.tab.get_by_text("The zones as a table").click()
        visit.has("#recent tbody tr:first-child", "57.0 min")
        assert visit.tab.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        violations = axe.Axe().run(visit.tab).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []


@pytest.fixture(scope="module", autouse=True)
def screenshots(chromium: Any) -> Iterator[None]:
    """Keep a picture of the page at each size, to look at, if SCREENSHOTS names a folder."""
    yield
    folder = os.environ.get("SCREENSHOTS")
    if not folder:
        return
    city = City()
    for ride in range(260):
        city.ride(ride, 1 + ride, 3.0 + ride % 40, tip=ride % 7)
    with serve(city.page, port=0) as address:
        for name, size in SIZES.items():
            with visiting(chromium, address, size) as visit:
                visit.open()
                visit.has("#recent tbody tr:first-child", "min")
                visit.tab.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
