"""The rides example, small."""

from __future__ import annotations

import random
import threading
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from demo.ride_generator import generate_rides, read_statistics
from examples.rides.__main__ import Quoted, run
from examples.rides.app.model import EXAMPLES, load_model
from streaming import InvalidEvent, check_members

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.rides


def test_every_ride_gets_one_quote_with_both_predictions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    week = datetime(2025, 3, 3)  # noqa: DTZ001  New York's local time
    drawn = generate_rides(read_statistics(), random.Random(1), first_ride_id=1, week=week)

    quoted = run(list(islice(drawn, 8)), 50.0, tmp_path, threading.Event())

    assert quoted.complete == len(quoted.quotes) == len(quoted.put) == 8
    for quote in quoted.quotes.values():
        assert quote["minutes_low"] <= quote["minutes"] <= quote["minutes_high"]
        assert quote["ask_for_tip"] == (quote["suggested_tip"] >= 1)
    assert capsys.readouterr().out.count("ride ") >= 8


def test_the_app_is_a_model_that_predicts_its_example() -> None:
    model = load_model({}, lambda: None)
    check_members(model)

    event = model.decode(EXAMPLES[0], 0.0)
    assert event is not None
    (prediction,) = model.predict([event])
    assert (prediction.partition_key, prediction.value["ask_for_tip"]) == ("256", True)
    assert model.decode(b'{"event_type": "ride_predicted"}', 0.0) is None
    with pytest.raises(InvalidEvent):
        model.decode(b"1", 0.0)


def quote(number: int, **changes: Any) -> dict[str, Any]:
    both = {"minutes": 5.0, "suggested_tip": 1.5, "ask_for_tip": True}
    return {"ride_id": 1, "quote": number, **both, **changes}


def test_quotes_that_come_while_they_are_counted_do_not_disturb() -> None:
    quoted = Quoted()

    class Interrupted(dict[str, Any]):
        """Another thread's quote comes while this one is looked at."""

        def __getitem__(self, name: str) -> Any:
            quoted.quotes[len(quoted.quotes) + 2] = quote(1)
            return super().__getitem__(name)

    quoted.add(Interrupted(quote(1)))

    assert quoted.complete == 1


def test_the_highest_quote_counts_and_repetitions_are_dropped() -> None:
    quoted = Quoted(put={1: 0.0})

    assert quoted.add(quote(1, suggested_tip=None, ask_for_tip=False))
    assert quoted.complete == 0
    assert quoted.add(quote(2))
    assert not quoted.add(quote(1))
    assert (quoted.complete, quoted.revised, quoted.repeated) == (1, 1, 1)
