from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lifecycle.archive_query import open_archive_tables
from lifecycle.errors import ComparisonError
from lifecycle.gate import difference
from lifecycle.scored_predictions import Scope, score
from lifecycle.version_comparison import VersionComparison, compare_versions, two_versions
from scripts.compare_versions import main
from tests.lifecycle.ride_archive import RideArchive, at, no_client

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY = 24 * 60
RIDES_A_DAY = 60


def fill(archive: RideArchive, days: int, gain: float) -> dict[str, NDArray[np.float64]]:
    """Add rides that "new" predicts with an error smaller by `gain` than that of "old"."""
    rng = np.random.default_rng(1)
    count = days * RIDES_A_DAY
    truth = rng.uniform(5, 55, count)
    old, new = rng.normal(0, 5, count), rng.normal(0, 5 - gain, count)
    day = np.repeat(np.arange(days), RIDES_A_DAY)
    for index in range(count):
        predicted = {"old": truth[index] + old[index], "new": truth[index] + new[index]}
        minute = float(day[index] * DAY + index % RIDES_A_DAY)
        archive.ride(f"r{index}", at(minute), truth[index], **predicted)
    return {"old": old**2, "new": new**2, "day": day.astype(np.float64)}


def compared(archive: RideArchive, a: str = "new", b: str = "old") -> VersionComparison:
    with open_archive_tables(archive.write(), no_client) as tables:
        scored = score(tables, Scope())
        return compare_versions(scored, *two_versions(tables, a, b))


def test_the_difference_is_that_of_the_gate_on_the_same_rides(archive: RideArchive) -> None:
    errors = fill(archive, days=21, gain=2)
    archive.end("none", at(30 * DAY))  # so that the last rides are old enough

    found = compared(archive, "old", "new")

    overall = found.parts[0]
    expected = difference("all rides", errors["old"], errors["new"], errors["day"].astype(int))
    assert (found.pairs, overall.days, overall.verdict) == (21 * RIDES_A_DAY, 21, "B is better")
    assert overall.difference.champion == pytest.approx(np.sqrt(errors["old"].mean()), abs=1e-6)
    assert overall.difference.candidate == pytest.approx(np.sqrt(errors["new"].mean()), abs=1e-6)
    assert overall.difference.low == pytest.approx(expected.low, abs=1e-5)
    assert overall.difference.high == pytest.approx(expected.high, abs=1e-5)
    slices = {part.difference.name: part.difference.rides for part in found.parts[1:]}
    assert slices == {"Queens": 1260, "10-16 h": 1260, "2-5 mi": 1260, "card": 1260}


def test_the_other_way_round_a_is_better(archive: RideArchive) -> None:
    fill(archive, days=21, gain=2)

    assert compared(archive).parts[0].verdict == "A is better"


def test_equally_good_versions_differ_by_noise_only(archive: RideArchive) -> None:
    fill(archive, days=21, gain=0)

    assert compared(archive).parts[0].verdict == "no difference beyond noise"


def test_few_days_are_too_little_to_tell_however_large_the_difference(
    archive: RideArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(archive, days=13, gain=4)

    found = compared(archive)
    assert {part.verdict for part in found.parts} == {"too little to tell"}

    assert main([archive.url]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "rides on 13 days; at least 1,000 on 14 days are needed" in printed
    assert " to +" not in printed
    assert " to -" not in printed


def test_only_rides_that_both_have_predicted_long_enough_ago_are_compared(
    archive: RideArchive,
) -> None:
    archive.ride("both", at(0), 10, new=11, old=12)
    archive.ride("new alone", at(0), 10, new=30)
    archive.ride("late", at(50), 5, new=30, old=30)
    archive.ride("not ended", at(0), None, new=30, old=30)
    archive.predict("shard:0", "both", 30, version="old", stream="another stream")
    archive.end("none", at(100))

    found = compared(archive)

    assert found.pairs == 2
    assert [part.difference.rides for part in found.parts[:1]] == [1]
    assert found.parts[0].difference.champion == pytest.approx(1)
    assert found.parts[0].difference.candidate == pytest.approx(2)


def test_without_labels_nothing_can_be_told(
    archive: RideArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.ride("a", at(0), None, new=11, old=12)

    assert main([archive.write()]) == 0

    assert capsys.readouterr().out.endswith("None of them is scored: too little to tell\n")


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ((None, None), ("new", "old")),
        (("old", None), ("old", "new")),
        ((None, "new"), ("old", "new")),
    ],
)
def test_of_two_versions_each_is_found(
    archive: RideArchive, given: tuple[str | None, str | None], chosen: tuple[str, str]
) -> None:
    archive.ride("a", at(0), 10, old=1, new=1)
    with open_archive_tables(archive.write(), no_client) as tables:
        assert two_versions(tables, *given) == chosen


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ((None, None), "A and B must name two versions of those in the archive: one, three, two"),
        (("one", None), "A and B must name two versions of those in the archive: one, three, two"),
        (("one", "four"), "version B is 'four'; the archive has predictions of: one, three, two"),
        (("one", "one"), "A and B are both 'one'; two versions can be compared"),
    ],
)
def test_versions_that_cannot_be_compared_are_named(
    archive: RideArchive, given: tuple[str | None, str | None], error: str
) -> None:
    archive.ride("a", at(0), 10, one=1, two=1, three=1)
    with (
        open_archive_tables(archive.write(), no_client) as tables,
        pytest.raises(ComparisonError) as raised,
    ):
        two_versions(tables, *given)

    assert str(raised.value) == error


@pytest.mark.parametrize("columns", ["40", "80"])
def test_a_narrow_terminal_cuts_no_figure_off(
    archive: RideArchive,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    fill(archive, days=21, gain=2)

    assert main([archive.write(), "--a", "old", "--b", "new"]) == 0

    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= int(columns)
    assert "…" not in printed
