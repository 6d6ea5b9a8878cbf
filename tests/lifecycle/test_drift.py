from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lifecycle.archive_query import open_archive_tables
from lifecycle.drift_measures import Bound, Drift, drift_failures, measure_drift
from lifecycle.drift_sources import archive_histograms, bundle_histograms
from scripts.drift import main
from tests.lifecycle.ride_archive import RideArchive, at, no_client
from tests.training.city import write_month
from training.bundle_io import read_model
from training.errors import BundleError
from training.histograms import EDGES, HISTOGRAMS, Histograms

ROOT = Path(__file__).parents[2]


def of(**values: Any) -> Histograms:
    histograms = Histograms()
    histograms.add(values)
    return histograms


def drift(before: Any, after: Any, name: str = "trip_distance") -> Drift:
    (found,) = measure_drift(of(**{name: before}), of(**{name: after}))
    return found


def test_counts_are_those_of_numpy_and_of_what_is_outside() -> None:
    miles = np.random.default_rng(1).exponential(10, 5_000)
    edges = np.array(EDGES["trip_distance"])

    (counts,) = (of(trip_distance=[*miles, np.nan]).counts["trip_distance"],)

    inside, _ = np.histogram(miles[miles < edges[-1]], edges)
    assert counts[1:-2].tolist() == inside.tolist()
    assert (counts[0], counts[-2], counts[-1]) == (0, (miles >= edges[-1]).sum(), 1)


def test_parts_add_up_to_the_whole() -> None:
    values = np.random.default_rng(2).uniform(0, 70, 999)
    parts = Histograms()
    for part in np.array_split(values, 7):
        parts.add({"duration": part})

    assert parts.counts["duration"].tolist() == of(duration=values).counts["duration"].tolist()


def test_rides_are_counted_by_borough_and_zero_miles_are_not_known() -> None:
    one = np.ones(2, np.float32)
    rides = {
        "PULocationID": np.array([43, 264], np.float32),  # Central Park in Manhattan; unknown
        "DOLocationID": np.array([43, 43], np.float32),
        "trip_distance": np.array([0, 2.2], np.float32),
        **dict.fromkeys(("hour", "weekday", "passenger_count", "payment_type"), one),
    }

    histograms = Histograms()
    histograms.add_rides(rides)

    assert histograms.counts["trip_distance"][-1] == 1
    assert sorted(histograms.counts["pickup_borough"].tolist())[-2:] == [1, 1]
    assert max(histograms.counts["dropoff_borough"].tolist()) == 2


def test_the_measures_are_those_computed_by_hand() -> None:
    """Before, 3 of 4 take 0-2 minutes and 1 of 4 2-4; afterwards 1 and 3 of 4."""
    before, after = [1.0] * 3_000 + [3.0] * 1_000, [1.0] * 1_000 + [3.0] * 3_000

    found = drift(before, after, "duration")

    assert found.psi == pytest.approx(2 * 0.5 * np.log(3))
    entropy = -0.25 * np.log2(0.25) - 0.75 * np.log2(0.75)
    assert found.jensen_shannon == pytest.approx(np.sqrt(1 - entropy))
    assert found.wasserstein == pytest.approx(1.0 / np.std(before))
    assert (found.rides, found.verdict) == (4_000, "moved far")


def test_the_wasserstein_distance_does_not_depend_on_the_scale() -> None:
    hours = np.random.default_rng(3).normal(12, 3, 20_000)
    deviations = 0.5

    found = drift(hours, hours + deviations * hours.std(), "hour")

    assert found.wasserstein == pytest.approx(deviations, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_distribution_has_not_moved(seed: int) -> None:
    rng = np.random.default_rng(seed)

    assert drift(rng.exponential(3, 50_000), rng.exponential(3, 5_000)).verdict == ""


def test_psi_by_chance_is_what_samples_without_drift_have() -> None:
    rng = np.random.default_rng(4)
    found = [drift(rng.exponential(3, 4_000), rng.exponential(3, 4_000)) for _ in range(60)]

    assert np.mean([each.psi for each in found]) == pytest.approx(found[0].by_chance, rel=0.25)


def test_few_rides_say_nothing_however_far_they_are() -> None:
    assert drift([1.0] * 10_000 + [3.0], [30.0] * 20).verdict == "too few rides"


def test_a_value_that_was_never_seen_is_a_finite_drift() -> None:
    found = drift([1.0] * 5_000, [1.0] * 4_500 + [5.0] * 500, "payment_type")

    assert found.psi == pytest.approx((0.1 - 1e-4) * np.log(0.1 / 1e-4) - 0.1 * np.log(0.9))
    assert found.wasserstein is None


def test_more_unknown_values_are_a_drift() -> None:
    found = drift([1.0] * 5_000, [1.0] * 4_500 + [np.nan] * 500)

    assert (found.rides, found.unknown_before, found.unknown) == (4_500, 0, 0.1)
    assert (found.psi, found.verdict) == (0, "moved")


def test_what_is_not_known_of_any_ride_is_left_out() -> None:
    assert measure_drift(of(tip=[np.nan]), of(tip=[1.0])) == []
    assert measure_drift(of(tip=[1.0]), Histograms()) == []


def test_a_bundles_histograms_come_back_as_they_were_written(tmp_path: Path) -> None:
    before = of(duration=[1.0, 5.0, np.nan])
    (tmp_path / "statistics.json").write_text(json.dumps({HISTOGRAMS: before.to_json()}))

    found = bundle_histograms(tmp_path)

    assert {name: counts.tolist() for name, counts in found.counts.items()} == {
        name: counts.tolist() for name, counts in before.counts.items()
    }


@pytest.mark.rides
def test_the_bundle_that_ships_has_histograms_of_the_trips_that_it_was_trained_on() -> None:
    _, trips = read_model(ROOT / "models", "duration")

    counts = bundle_histograms(ROOT / "models").counts

    assert {int(found.sum()) for found in counts.values()} == {trips}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "has no readable statistics.json"),
        ("{", "has no readable statistics.json"),
        ("{}", "has no histograms; train it again"),
        ('{"histograms": 7}', "has no histograms; train it again"),
        ('{"histograms": {"trip_distance": {"edges": [1]}}}', "trip_distance with other edges"),
    ],
)
def test_a_bundle_without_histograms_is_an_error(
    tmp_path: Path, content: str | None, error: str
) -> None:
    if content:
        (tmp_path / "statistics.json").write_text(content)

    with pytest.raises(BundleError, match=error):
        bundle_histograms(tmp_path)


def test_an_archive_is_counted_in_new_york_time_and_by_version(tmp_path: Path) -> None:
    archive = RideArchive(tmp_path / "archive")
    archive.ride("a", at(0), 10, one=11, two=30)  # a Saturday, at noon
    archive.start("b", at(12.5 * 60), trip_distance=0, passenger_count=None)
    with open_archive_tables(archive.write(), no_client) as tables:
        found = archive_histograms(tables, "one").counts

    assert found["hour"].nonzero()[0].tolist() == [1, 13]  # half past midnight, and noon
    assert found["weekday"].nonzero()[0].tolist() == [6, 7]
    assert (found["trip_distance"][-1], found["passenger_count"][-1]) == (1, 1)
    assert found["duration"].nonzero()[0].tolist() == [6]
    assert found["tip"].tolist() == [*[0] * (len(EDGES["tip"]) + 1), 1]


def test_memory_does_not_grow_with_the_rides() -> None:
    def peak(batches: int) -> int:
        tracemalloc.start()
        histograms = Histograms()
        for _ in range(batches):
            histograms.add({"duration": np.linspace(0, 70, 10_000)})
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(50) < 1.5 * peak(2)


def test_months_are_compared_with_what_a_bundle_was_trained_on_or_with_other_months(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    before, after = (write_month(tmp_path, month) for month in ("2023-01", "2023-02"))

    assert main(["--data", str(after), "--against", str(before)]) == 0

    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 40
    assert "…" not in printed
    assert "0.0" in printed


MANY = [1.0] * 5_000
FAR = "the trip distance has moved far, on 5,000 rides"
FEW = "too few rides have a known trip distance, 20: nothing can be decided"


@pytest.mark.parametrize(
    ("after", "bound", "said"),
    [
        (MANY, "moved", []),
        ([1.0] * 4_500 + [np.nan] * 500, "moved far", []),
        (
            [1.0] * 4_500 + [np.nan] * 500,
            "moved",
            ["the trip distance has moved, on 4,500 rides"],
        ),
        ([30.0] * 5_000, "moved", [FAR]),
        ([30.0] * 5_000, "moved far", [FAR]),
        ([30.0] * 20, "moved far", [FEW]),
        ([np.nan] * 5_000, "moved far", ["no trip distance is known: nothing can be decided"]),
        ([], "moved", ["no trip distance is known: nothing can be decided"]),
    ],
)
def test_a_gate_names_what_moved_and_what_nothing_can_be_said_of(
    after: list[float], bound: Bound, said: list[str]
) -> None:
    reference = of(trip_distance=MANY)
    drifts = measure_drift(reference, of(trip_distance=after))

    assert list(drift_failures(reference, drifts, bound)) == said


@pytest.mark.parametrize(("gate", "status"), [([], 0), (["--fail-if", "moved far"], 1)])
def test_the_exit_status_says_whether_anything_moved(
    tmp_path: Path, gate: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The months of a small city have too few rides to say that they have not."""
    before, after = (write_month(tmp_path, month) for month in ("2023-01", "2023-02"))

    assert main(["--data", str(after), "--against", str(before), *gate]) == status

    assert ("Drift: " in capsys.readouterr().out) is bool(status)


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["archive", "--fail-if", "far"], 2, "--fail-if is 'far'; allowed: moved, moved far"),
        ([], 2, "the rides are missing or given twice; allowed: ARCHIVE, or --data"),
        (["archive", "--data", "x"], 2, "the rides are missing or given twice"),
        (["--data", "nope.parquet"], 1, "no such file: nope.parquet"),
        (["nope", "--bundle", "nope"], 1, "the bundle nope has no readable statistics.json"),
    ],
)
def test_a_bad_option_is_an_error_of_one_line(
    arguments: list[str], status: int, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        found = main(arguments)
    except SystemExit as ended:
        found = int(ended.code or 0)

    printed = capsys.readouterr().err
    assert (found, printed.count("\n")) == (status, 1)
    assert printed.startswith(f"error: {error}")
