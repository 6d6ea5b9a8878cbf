from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
import pytest

from lifecycle.archive_query import open_archive_tables
from lifecycle.errors import RetrainingError
from lifecycle.gate import parse_graph
from lifecycle.labelled_rides import ArchivedTrips
from lifecycle.promotion import Author, PromotionRequest, promote
from lifecycle.recalibration import RECALIBRATION, level_of
from lifecycle.registry import CHAMPION, MODELS, Registry
from lifecycle.retraining import (
    SETTLED,
    LabelledRides,
    champion_models,
    labelled_rides,
    recalibrate,
    retrain,
    seen_until,
)
from tests.lifecycle.city_archive import write_city_archive
from tests.training.city import QUIET, write_month
from training.fit import DURATION
from training.trips import read_trips

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lifecycle.publication import Publication

CUT = datetime(2023, 3, 14)  # noqa: DTZ001  local; the last ride's pickup is on the 28th


def labelled(location: str, folder: Path, as_of: datetime | None = None) -> LabelledRides:
    with open_archive_tables(location, pytest.fail) as tables:
        return labelled_rides(ArchivedTrips(tables, as_of, SETTLED), folder)


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> LabelledRides:
    """Return a month's rides, which take longer by a tenth than what the champion learnt from."""
    folder = tmp_path_factory.mktemp("slower")
    return labelled(write_city_archive(folder / "archive", "2023-03", slower=1.1), folder / "rides")


@pytest.fixture
def second(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Return the tracked registry, whose champions are the strong models."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    registry.move_alias(CHAMPION, dict.fromkeys(MODELS, "2"))
    yield registry
    mlflow.set_tracking_uri(None)


def test_the_last_two_weeks_are_held_out(slower: LabelledRides) -> None:
    learnt, held_out = (read_trips(paths, QUIET) for paths in (slower.learnt, slower.held_out))

    assert slower.cut == CUT
    assert learnt["pickup"].max() < CUT <= held_out["pickup"].min()
    assert held_out["pickup"].dt.normalize().nunique() >= 14
    assert len(learnt) + len(held_out) > 5_000


def test_an_archive_that_is_too_young_to_train_on_is_named(tmp_path: Path) -> None:
    young = labelled(
        write_city_archive(tmp_path / "archive", "2023-03", trips=5),
        tmp_path / "rides",
        as_of=datetime(2023, 3, 10, 12, tzinfo=UTC),
    )

    with pytest.raises(RetrainingError, match="has no labelled rides before 2023-02-24; those of"):
        retrain(young, [], tmp_path / "bundle", QUIET)


def test_an_empty_archive_has_nothing_to_recalibrate_with(second: Registry, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    nothing = labelled((tmp_path / "archive").as_uri(), tmp_path / "rides")

    with pytest.raises(RetrainingError, match="the archive has no labelled rides"):
        recalibrate(second, nothing, QUIET)


def test_a_recalibration_makes_a_version_of_the_champion_with_another_level(
    second: Registry, slower: LabelledRides
) -> None:
    learnt, versions = recalibrate(second, slower, QUIET)

    assert versions == {"duration": "4"}  # the tips are what they were
    assert learnt["duration"].factor == pytest.approx(1.06, abs=0.02)
    assert learnt["tip"].factor == pytest.approx(1, abs=0.005)
    assert learnt["duration"].after < learnt["duration"].before
    before, after = (second.model("duration", version) for version in ("2", "4"))
    assert level_of(parse_graph(after, DURATION)) == pytest.approx(learnt["duration"].factor)
    assert after.statistics == before.statistics
    recalibration = after.record[RECALIBRATION]
    assert recalibration["base_level"] == 1
    assert min(recalibration["factors"]) == "2023-03-01"
    assert after.record == {
        **before.record,
        "validated_on": ["2023-03"],
        "until": "2023-03-01",
        "metrics": after.record["metrics"],
        RECALIBRATION: recalibration,
    }


def test_a_recalibration_is_learnt_anew_not_on_top_of_the_one_before(
    second: Registry, slower: LabelledRides
) -> None:
    first, versions = recalibrate(second, slower, QUIET)
    second.move_alias(CHAMPION, versions)

    again, none = recalibrate(second, slower, QUIET)

    assert none == {}
    assert again["duration"].factor == pytest.approx(first["duration"].factor, rel=1e-6)


@pytest.mark.parametrize("version", ["2", "4"], ids=["no better", "better"])
def test_the_gate_of_every_promotion_decides_on_a_recalibration(
    second: Registry,
    slower: LabelledRides,
    publication: Publication,
    version: str,
) -> None:
    _, versions = recalibrate(second, slower, QUIET)
    request = PromotionRequest(Author("mary"), {"duration": version}, slower.held_out)

    outcome = promote(second, publication, request, QUIET)

    assert [d.candidate for d in outcome.decisions if d.is_promoted] == [
        v for v in versions.values() if v == version
    ]
    assert second.aliased(CHAMPION)["duration"] == version


def test_without_a_champion_there_is_nothing_to_recalibrate(
    registry: Registry, slower: LabelledRides
) -> None:
    with pytest.raises(RetrainingError, match="there is no champion to recalibrate"):
        recalibrate(registry, slower, QUIET)


def test_a_champion_learns_no_factor_from_rides_that_it_has_seen(
    second: Registry, tmp_path: Path
) -> None:
    location = write_city_archive(tmp_path / "archive", "2023-02", trips=300)

    with pytest.raises(RetrainingError, match="ride-duration 2 has seen all labelled rides;"):
        recalibrate(second, labelled(location, tmp_path / "rides"), QUIET)


@pytest.mark.parametrize("name", ["green_tripdata_2023-03.parquet", "trips.parquet"])
def test_trips_of_the_archives_months_would_count_twice(
    slower: LabelledRides, tmp_path: Path, name: str
) -> None:
    path = write_month(tmp_path, "2023-03").rename(tmp_path / name)

    with pytest.raises(RetrainingError, match=f"DATA has {name}; allowed: .* before 2023-03"):
        retrain(slower, [path], tmp_path / "bundle", QUIET)


def test_too_few_held_out_rides_are_named_before_anything_is_trained(
    second: Registry, tmp_path: Path
) -> None:
    location = write_city_archive(tmp_path / "archive", "2023-03", trips=300)
    few = labelled(location, tmp_path / "rides")

    with pytest.raises(RetrainingError, match=r"labelled rides since 2023-03-1\d; .* needs 1,000"):
        few.require_held_out(champion_models(second))
    few.require_held_out({})


@pytest.mark.parametrize(
    ("record", "until"),
    [
        ({"trained_on": ["2023-01", "2022-12"], "validated_on": ["2023-02"]}, "2023-03-01"),
        ({"trained_on": ["2023-03"], "validated_on": [], "until": "2023-03-14T00:00:00"}, CUT),
        ({"trained_on": ["my trips"], "validated_on": [], "until": ""}, "1970-01-01"),
    ],
    ids=["months", "part of a month", "no month"],
)
def test_a_model_has_seen_its_months_to_their_end_or_until_a_day(
    record: dict[str, Any], until: Any
) -> None:
    assert seen_until(record) == pd.Timestamp(until)


def test_a_recalibrated_champion_has_not_seen_the_rides_that_follow(
    second: Registry, slower: LabelledRides
) -> None:
    _, versions = recalibrate(second, slower, QUIET)
    second.move_alias(CHAMPION, versions)

    slower.require_held_out(champion_models(second))
