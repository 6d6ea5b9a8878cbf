"""A small run: each driver's feed of recommendations, and the sums that it ends with."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from examples.recommender.__main__ import main, run
from examples.recommender.driver_feeds import Feeds
from examples.recommender.simulated_drivers import ended_rides, generated_trips

if TYPE_CHECKING:
    from pathlib import Path


def recommendation(ride: int, driver: str = "d1") -> dict[str, Any]:
    return {"driver_id": driver, "ride_id": ride, "advice": "stay"}


def test_a_run_gives_each_driver_a_feed_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generated = generated_trips(12, random.Random(1))
    ends = ended_rides(generated, 3, random.Random(1))
    ends[4]["DOLocationID"] = 265

    feeds = run(ends, 50.0, tmp_path, threading.Event())

    assert feeds.in_order, "\n".join(feeds.summary())
    assert (feeds.missing, feeds.skipped, len(feeds.feeds)) == (0, 1, 3)
    printed = capsys.readouterr().out.splitlines()
    assert sum(" min" in line and line.endswith(" s") for line in printed) == 11
    for driver, feed in feeds.feeds.items():
        assert [each["ride_id"] for each in feed] == [
            end["ride_id"]
            for end in ends
            if end["driver_id"] == driver and end["DOLocationID"] < 264
        ]


def test_a_file_that_is_no_month_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path / "none"), "--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: no such file: {tmp_path / 'none'}\n"


@pytest.mark.parametrize(
    ("found", "in_order", "missing"),
    [
        ([1, 2], True, 0),
        ([1, 1, 2, 1], True, 0),  # those that came again are dropped
        ([2, 1], False, 0),
        ([1], False, 1),
        ([], False, 2),
    ],
)
def test_the_sums_notice_what_is_missing_or_out_of_order(
    found: list[int],
    in_order: bool,  # noqa: FBT001
    missing: int,
) -> None:
    feeds = Feeds()
    for ride in (1, 2):
        feeds.ended({"ride_id": ride, "driver_id": "d1", "DOLocationID": 74})
    for ride in found:
        feeds.add(recommendation(ride))

    assert (feeds.in_order, feeds.missing) == (in_order, missing)
    assert feeds.repeated == len(found) - len(set(found))
    assert feeds.summary()[-1].startswith("each feed" if in_order else "NOT")


def test_a_feed_holds_its_own_drivers_recommendations_only() -> None:
    feeds = Feeds()
    feeds.ended({"ride_id": 1, "driver_id": "d1", "DOLocationID": 74})
    feeds.add(recommendation(1, driver="d2"))

    assert not feeds.in_order
