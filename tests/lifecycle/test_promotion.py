from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from lifecycle.errors import ChampionChanged, ComparisonError, RegistryError
from lifecycle.promotion import Author, Outcome, PromotionRequest, promote, roll_back
from lifecycle.registry import CHAMPION, FORMER_CHAMPION, MODELS, Registry, bundle_version
from tests.training.city import QUIET, write_month

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lifecycle.publication import Publication

NOW = datetime(2025, 3, 1, 8, 15, tzinfo=UTC)
SECONDS = count()
AUTHOR = Author("mary", "because", lambda: NOW + timedelta(seconds=next(SECONDS)))
ALL = {name: dict.fromkeys(MODELS, name) for name in "123"}


def promoting(
    registry: Registry,
    publication: Publication,
    version: str,
    *data: Path,
    force: bool = False,
) -> Outcome:
    versions = ALL.get(version) or dict([version.split("-")])
    request = PromotionRequest(AUTHOR, versions, data, force)
    return promote(registry, publication, request, QUIET)


@pytest.fixture
def held_out(months: dict[str, Path]) -> Path:
    return months["2023-03"]


@pytest.fixture
def first(registry: Registry, publication: Publication) -> Registry:
    """Return a registry whose champions are the weak models."""
    promoting(registry, publication, "1")
    return registry


def audit(registry: Registry, target: str, version: str) -> list[dict[str, Any]]:
    return [entry for _, entry in registry.audit_log(target, version)]


def assert_served(folder: Path, version: str) -> None:
    """Check that the pointer names a whole bundle of this version."""
    pointer = json.loads((folder / "live" / "champion.json").read_text())
    bundle = folder / "live" / pointer["bundle"]
    manifest = (bundle / "manifest.json").read_bytes()
    assert pointer["version"] == version
    assert hashlib.sha256(manifest).hexdigest() == pointer["manifest_sha256"]
    for target in json.loads(manifest)["targets"].values():
        content = (bundle / target["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == target["sha256"]


def test_the_first_champion_is_compared_with_nothing(
    registry: Registry, publication: Publication, tmp_path: Path
) -> None:
    outcome = promoting(registry, publication, "1")

    assert [(d.comparison, d.reason) for d in outcome.decisions] == 2 * [
        (None, "there was no champion to compare with")
    ]
    assert registry.aliased(CHAMPION) == ALL["1"]
    assert registry.aliased(FORMER_CHAMPION) == {}
    assert_served(tmp_path, "duration-1-tip-1")


def test_a_better_candidate_becomes_the_champion(
    first: Registry, publication: Publication, held_out: Path, tmp_path: Path
) -> None:
    outcome = promoting(first, publication, "duration-2", held_out)

    (decision,) = outcome.decisions
    assert decision.comparison is not None
    assert decision.comparison.overall.candidate < decision.comparison.overall.champion
    assert first.aliased(CHAMPION) == {"duration": "2", "tip": "1"}
    assert first.aliased(FORMER_CHAMPION) == ALL["1"]
    assert outcome.served == "duration-2-tip-1"
    assert_served(tmp_path, "duration-2-tip-1")


def test_the_audit_log_says_who_when_why_and_with_which_figures(
    first: Registry, publication: Publication, held_out: Path
) -> None:
    author = replace(AUTHOR, clock=lambda: NOW)
    promote(first, publication, PromotionRequest(author, {"duration": "2"}, [held_out]), QUIET)

    ((at, entry),) = first.audit_log("duration", "2")
    assert at == "2025-03-01T08:15:00.000000Z"
    assert (entry["action"], entry["by"], entry["why"]) == ("promote", "mary", "because")
    assert entry["champion"] == "1"
    figures = entry["figures"]
    assert figures["held_out"] == ["2023-03"]
    assert figures["high"] < 0
    assert figures["rides"] > 1_000


@pytest.mark.parametrize("champion", ["2", "1"], ids=["worse", "same"])
def test_a_candidate_that_is_not_better_is_refused(
    registry: Registry,
    publication: Publication,
    held_out: Path,
    tmp_path: Path,
    champion: str,
) -> None:
    promoting(registry, publication, champion)
    before = registry.aliased(CHAMPION)

    (decision,) = promoting(registry, publication, "duration-3", held_out).decisions

    assert not decision.is_promoted
    assert decision.reason.startswith("not better by more than noise: RMSE ")
    assert registry.aliased(CHAMPION) == before
    assert registry.aliased(FORMER_CHAMPION) == {}
    assert audit(registry, "duration", "3")[-1]["action"] == "refuse"
    assert_served(tmp_path, bundle_version(before))


def test_force_overrides_the_gate_and_the_log_says_so(
    registry: Registry, publication: Publication, held_out: Path
) -> None:
    promoting(registry, publication, "2")

    promoting(registry, publication, "duration-3", held_out, force=True)
    promoting(registry, publication, "tip-3", force=True)

    assert registry.aliased(CHAMPION) == ALL["3"]
    assert audit(registry, "duration", "3")[-1]["reason"].startswith("forced, although not better")
    assert audit(registry, "tip", "3")[-1]["reason"] == "forced, without a comparison"


def test_the_latest_versions_are_the_candidates_unless_others_are_named(
    registry: Registry, publication: Publication
) -> None:
    promote(registry, publication, PromotionRequest(AUTHOR), QUIET)

    assert registry.aliased(CHAMPION) == ALL["3"]


def test_a_champion_without_held_out_trips_to_compare_on_stays(
    first: Registry, publication: Publication
) -> None:
    with pytest.raises(ComparisonError, match=r"DATA is not set; .*duration-2-tip-2 nor"):
        promoting(first, publication, "2")
    assert first.aliased(CHAMPION) == ALL["1"]


@pytest.mark.parametrize("month", ["2023-01", "2023-02"])
def test_a_month_that_either_was_trained_on_is_refused(
    first: Registry, publication: Publication, months: dict[str, Path], month: str
) -> None:
    with pytest.raises(ComparisonError, match=f"ride-duration [12] was trained on {month};"):
        promoting(first, publication, "2", months["2023-03"], months[month])


def test_a_month_that_was_trained_on_is_refused_by_another_name(
    first: Registry, publication: Publication, months: dict[str, Path], tmp_path: Path
) -> None:
    renamed = tmp_path / "green_tripdata_2024-01.parquet"
    renamed.write_bytes(months["2023-02"].read_bytes())

    with pytest.raises(ComparisonError, match="ride-duration 2 was trained on 2024-01;"):
        promoting(first, publication, "2", renamed)


def test_too_few_held_out_trips_decide_nothing(
    first: Registry, publication: Publication, tmp_path: Path
) -> None:
    cash = write_month(tmp_path, "2023-05", payment_type=[1.0] * 500 + [2.0] * 1_500)

    with pytest.raises(ComparisonError, match=r"the tip of \d+ held-out trips .* at least 1,000"):
        promoting(first, publication, "tip-2", cash)


class Killed(BaseException):
    """As by kill -9: nothing is cleaned up."""


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch, *methods: tuple[Any, str]) -> None:
    """Raise `Killed` in place of the call of this number that changes something."""
    calls = iter(range(10_000))

    def killing(change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(calls) == step:
                raise Killed
            return change(*arguments, **options)

        return call

    for owner, name in methods:
        monkeypatch.setattr(owner, name, killing(getattr(owner, name)))


def changes(registry: Registry, publication: Publication) -> list[tuple[Any, str]]:
    return [
        (registry._client, "set_registered_model_alias"),
        (registry._client, "set_model_version_tag"),
        (publication._storage, "put"),
    ]


PROMOTION_CHANGES = 16 + 2 + 2 + 2 + 1  # files, audit tags, two aliases of two targets, pointer
KILLED_AT = [0, 8, *range(PROMOTION_CHANGES - 8, PROMOTION_CHANGES)]


@pytest.mark.parametrize("step", KILLED_AT)
def test_a_promotion_that_is_killed_is_completed_by_the_same_command(
    first: Registry, publication: Publication, tmp_path: Path, step: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(step, patch, *changes(first, publication))
        with pytest.raises(Killed):
            promoting(first, publication, "2", force=True)
    assert_served(tmp_path, "duration-1-tip-1")

    outcome = promoting(first, publication, "2", force=True)

    assert outcome.served == "duration-2-tip-2"
    assert first.aliased(CHAMPION) == ALL["2"]
    assert audit(first, "duration", "2")
    assert_served(tmp_path, "duration-2-tip-2")


def test_a_promotion_has_no_more_steps_than_it_is_killed_at(
    first: Registry, publication: Publication
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(PROMOTION_CHANGES, patch, *changes(first, publication))

        assert promoting(first, publication, "2", force=True).served == "duration-2-tip-2"


@pytest.mark.parametrize("step", range(PROMOTION_CHANGES - 3, PROMOTION_CHANGES))
def test_a_promotion_that_is_killed_can_be_rolled_back_instead(
    first: Registry, publication: Publication, tmp_path: Path, step: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(step, patch, *changes(first, publication))
        with pytest.raises(Killed):
            promoting(first, publication, "2", force=True)

    assert roll_back(first, publication, AUTHOR).served == "duration-1-tip-1"

    assert first.aliased(CHAMPION) == ALL["1"]
    assert_served(tmp_path, "duration-1-tip-1")


@pytest.mark.parametrize("step", range(2 + 2 + 2 + 1))
def test_a_rollback_that_is_killed_is_completed_by_the_same_command(
    first: Registry, publication: Publication, tmp_path: Path, step: int
) -> None:
    promoting(first, publication, "2", force=True)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(step, patch, *changes(first, publication))
        with pytest.raises(Killed):
            roll_back(first, publication, AUTHOR)
    assert_served(tmp_path, "duration-2-tip-2")

    assert roll_back(first, publication, AUTHOR).served == "duration-1-tip-1"

    assert first.aliased(CHAMPION) == ALL["1"]
    assert_served(tmp_path, "duration-1-tip-1")


def test_a_rollback_restores_the_former_champion_once(
    first: Registry, publication: Publication, tmp_path: Path
) -> None:
    promoting(first, publication, "2", force=True)
    promoting(first, publication, "duration-3", force=True)

    once, again = (roll_back(first, publication, AUTHOR) for _ in range(2))

    assert [(d.target, d.champion, d.candidate) for d in once.decisions] == [("duration", "3", "2")]
    assert again.decisions == ()
    assert again.served == once.served == "duration-2-tip-2"
    assert_served(tmp_path, "duration-2-tip-2")
    assert audit(first, "duration", "3")[-1]["action"] == "roll back"
    assert audit(first, "duration", "2")[-1]["action"] == "restore"


def test_without_a_former_champion_there_is_nothing_to_restore(
    first: Registry, publication: Publication
) -> None:
    with pytest.raises(RegistryError, match=r"no former champion.* is duration-1-tip-1"):
        roll_back(first, publication, AUTHOR)


def test_the_pointer_is_mended_although_there_is_nothing_to_promote(
    first: Registry, publication: Publication, tmp_path: Path
) -> None:
    (tmp_path / "live" / "champion.json").unlink()

    outcome = promoting(first, publication, "1")

    assert outcome.decisions == ()
    assert_served(tmp_path, "duration-1-tip-1")


def during(
    publication: Publication, method: str, event: Callable[[], object], patch: pytest.MonkeyPatch
) -> None:
    """Let something happen once, after a method's first call."""
    original, left = getattr(publication, method), [event]

    def call(*arguments: Any) -> Any:
        result = original(*arguments)
        if left:
            left.pop()()
        return result

    patch.setattr(publication, method, call)


def test_of_two_promotions_at_once_the_second_moves_nothing(
    first: Registry, publication: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other() -> None:
        promoting(Registry(first.uri), publication, "duration-3", force=True)

    during(publication, "write_bundle", other, monkeypatch)

    with pytest.raises(ChampionChanged, match="was duration-1-tip-1 and is duration-3-tip-1 now"):
        promoting(first, publication, "2", force=True)

    assert first.aliased(CHAMPION) == {"duration": "3", "tip": "1"}
    assert first.aliased(FORMER_CHAMPION) == ALL["1"]
    assert audit(first, "duration", "2")[-1]["action"] == "abandon"
    assert_served(tmp_path, "duration-3-tip-1")


def test_a_promotion_that_another_overtakes_says_so_and_the_pointer_follows_the_registry(
    first: Registry, publication: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other() -> None:
        first.move_alias(CHAMPION, {"duration": "3"})

    during(publication, "write_pointer", other, monkeypatch)

    with pytest.raises(ChampionChanged, match="is duration-3-tip-2 instead of duration-2-tip-2"):
        promoting(first, publication, "2", force=True)

    assert_served(tmp_path, "duration-3-tip-2")


def test_a_rollback_during_a_promotion_stops_it(
    first: Registry, publication: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoting(first, publication, "2", force=True)
    during(publication, "write_bundle", lambda: roll_back(first, publication, AUTHOR), monkeypatch)

    with pytest.raises(ChampionChanged, match="nothing was moved"):
        promoting(first, publication, "duration-3", force=True)

    assert_served(tmp_path, "duration-1-tip-1")
