"""Promotion and rollback: which registered versions are the champion, and which bundle serves.

Each target has a registered model and an alias `champion` of its own, and is decided on by itself;
the bundle that serves holds the champions of all targets. `former-champion` points to the versions
of the bundle before.

Steps of a promotion, in this order: the bundle is written; the audit log; the aliases
`former-champion`, then `champion`; the pointer. Whatever the step at which it is killed, what
served before still serves, and the same command completes it: targets that are champions already
are not compared again, and the pointer always follows the aliases.

What MLflow cannot guarantee: it has neither a lock nor an alias that moves only if it is still
where it was. So the aliases are read again before they are moved, and a promotion that finds
another champion than the one that it compared with moves nothing. Of two that read the same
champion there and then both move it, the later one's aliases stay. The pointer follows: the aliases
are read again after it is written, and one that finds another champion there than its own says so
and fails. `make models` shows a pointer that differs from the aliases, and `make promote` mends it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.progress import Progress

from lifecycle.errors import ChampionChanged, ComparisonError, RegistryError
from lifecycle.gate import Comparison, compare, require_held_out
from lifecycle.publication import Publication, make_bundle
from lifecycle.registry import CHAMPION, FORMER_CHAMPION, MODELS, Registry, Versions, bundle_version
from streaming.consumer.model_pointer import Pointer
from training.fit import TARGETS
from training.trips import read_trips

_ATTEMPTS = 5  # to find a registry that nobody moves while the pointer is written


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes the champion.

    Attributes:
        name: For the audit log.
        why: The same; may be empty.
        clock: Returns the time (UTC).
    """

    name: str
    why: str = ""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one target's candidate.

    Attributes:
        target: The target.
        champion: The champion's version; None: there was none.
        candidate: The candidate's version.
        comparison: None: nothing was compared.
        is_promoted: Whether the candidate is the champion now.
        reason: Why, or why not.
    """

    target: str
    champion: str | None
    candidate: str
    comparison: Comparison | None
    is_promoted: bool
    reason: str

    def entry(self, author: Author) -> dict[str, Any]:
        """Return the entry of the audit log, which is written before the alias moves."""
        return {
            "action": "promote" if self.is_promoted else "refuse",
            "by": author.name,
            "why": author.why,
            "reason": self.reason,
            "champion": self.champion,
            **({"figures": self.comparison.figures()} if self.comparison else {}),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a promotion or rollback has done.

    Attributes:
        decisions: For each target with another candidate than its champion.
        served: The version of the bundle that serves now.
    """

    decisions: tuple[Decision, ...]
    served: str


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """What is to be promoted.

    Attributes:
        author: Who asks for it.
        versions: The candidates; the champion's versions, or else the latest, for targets that
            it lacks. Empty: the latest of each target.
        data: Parquet files of held-out trips; not needed without a champion or with `force`.
        force: Promote whatever the comparison says.
    """

    author: Author
    versions: Versions = field(default_factory=dict)
    data: Sequence[Path] = ()
    force: bool = False


def promote(
    registry: Registry, publication: Publication, request: PromotionRequest, progress: Progress
) -> Outcome:
    """Compare the candidates with the champions, promote those that are better, and publish.

    Raises:
        RegistryError: The registry cannot be reached, or lacks a version.
        ChampionChanged: The champion was moved meanwhile; nothing was promoted.
        ComparisonError: There are no held-out trips to compare on, or too few.
        TripDataError: They cannot be read.
        PublicationError: The bundle or the pointer cannot be written.
    """
    champions = registry.aliased(CHAMPION)
    candidates = dict(request.versions)
    if not candidates or champions.keys() | candidates.keys() != MODELS.keys():
        candidates = {**registry.latest(), **(champions if candidates else {}), **candidates}
    challengers = {t: v for t, v in candidates.items() if v != champions.get(t)}
    comparisons = _compare(registry, champions, challengers, request, progress)
    decisions = tuple(
        _decide(
            target, champions.get(target), version, comparisons.get(target), force=request.force
        )
        for target, version in challengers.items()
    )
    promoted = {d.target: d.candidate for d in decisions if d.is_promoted}
    task = progress.add_task("publish", total=1)
    pointer = None
    if promoted:
        pointer = publication.write_bundle(make_bundle(registry, {**champions, **promoted}))
    for decision in decisions:
        _audit(registry, decision, request.author, decision.entry(request.author))
    try:
        _move(registry, champions, promoted, former=champions if promoted else {})
    except ChampionChanged as error:
        for decision in decisions:
            if decision.is_promoted:
                entry = {"action": "abandon", "by": request.author.name, "reason": str(error)}
                _audit(registry, decision, request.author, entry)
        raise
    served = _publish(registry, publication, {**champions, **promoted}, pointer)
    progress.advance(task)
    return Outcome(decisions, served)


def roll_back(registry: Registry, publication: Publication, author: Author) -> Outcome:
    """Make the former champion the champion again, and publish it; repeating it changes nothing.

    Raises:
        RegistryError: The registry cannot be reached, or there is no former champion.
        PublicationError: The bundle or the pointer cannot be written.
    """
    champions, former = registry.aliased(CHAMPION), registry.aliased(FORMER_CHAMPION)
    if not former:
        raise RegistryError(
            "there is no former champion: nothing was promoted, or only once; the champion is "
            f"{_name(champions)}"
        )
    restored = {t: v for t, v in former.items() if v != champions.get(t)}
    pointer = None
    if restored:
        pointer = publication.write_bundle(make_bundle(registry, {**champions, **former}))
    decisions = tuple(
        Decision(target, champions.get(target), version, None, is_promoted=True, reason="rollback")
        for target, version in restored.items()
    )
    for decision in decisions:
        now = author.clock()
        entry = {"by": author.name, "why": author.why}
        back = {"action": "restore", **entry, "champion": decision.champion}
        registry.write_audit(decision.target, decision.candidate, now, back)
        if decision.champion is not None:
            gone = {"action": "roll back", **entry, "restored": decision.candidate}
            registry.write_audit(decision.target, decision.champion, now, gone)
    if restored:
        _move(registry, champions, restored, former={})
    served = _publish(registry, publication, {**champions, **restored}, pointer)
    return Outcome(decisions, served)


def _audit(
    registry: Registry, decision: Decision, author: Author, entry: Mapping[str, Any]
) -> None:
    registry.write_audit(decision.target, decision.candidate, author.clock(), entry)


def _move(registry: Registry, seen: Versions, moved: Versions, former: Versions) -> None:
    """Move the alias `champion`, unless it is not where it was seen."""
    present = registry.aliased(CHAMPION)
    if present != seen:
        raise ChampionChanged(
            f"the champion was {_name(seen)} and is {_name(present)} now: somebody else has moved "
            "it meanwhile; nothing was moved, run the command again"
        )
    registry.move_alias(FORMER_CHAMPION, former)
    registry.move_alias(CHAMPION, moved)


def _publish(
    registry: Registry, publication: Publication, expected: Versions, pointer: Pointer | None
) -> str:
    """Let the pointer name the bundle of the champions, also if somebody else moves them.

    Args:
        registry: Read before and after the pointer is written.
        publication: Where the bundle and the pointer are written.
        expected: The champions.
        pointer: To a bundle that was written already.

    Returns:
        The bundle's version.

    Raises:
        ChampionChanged: The champions, which are published, are not the expected ones.
    """
    champions = registry.aliased(CHAMPION)
    for _ in range(_ATTEMPTS):
        if pointer is None or pointer.version != bundle_version(champions):
            pointer = publication.write_bundle(make_bundle(registry, champions))
        publication.write_pointer(pointer)
        published, champions = champions, registry.aliased(CHAMPION)
        if champions == published:
            break
    if champions != expected:
        raise ChampionChanged(
            f"the champion is {_name(champions)} instead of {_name(expected)}: somebody else has "
            "moved it at the same time; `make models` shows what serves"
        )
    return bundle_version(champions)


def _name(versions: Versions) -> str:
    return bundle_version(versions) or "none"


def _compare(
    registry: Registry,
    champions: Versions,
    challengers: Versions,
    request: PromotionRequest,
    progress: Progress,
) -> Mapping[str, Comparison]:
    compared = [t for t in TARGETS if t.name in challengers and t.name in champions]
    if not compared or (request.force and not request.data):
        return {}
    if not request.data:
        raise ComparisonError(
            "DATA is not set; allowed: files of months that neither "
            f"{bundle_version(challengers)} nor the champion was trained on; or FORCE=1"
        )
    task = progress.add_task("read the registry", total=2 * len(compared))
    models = {}
    for target in compared:
        for versions in (champions, challengers):
            version = versions[target.name]
            models[target.name, version] = registry.model(target.name, version)
            progress.advance(task)
    require_held_out(
        request.data, {f"{MODELS[name]} {version}": m for (name, version), m in models.items()}
    )
    trips = read_trips(request.data, progress)
    return {
        target.name: compare(
            target,
            models[target.name, champions[target.name]],
            models[target.name, challengers[target.name]],
            trips,
            request.data,
        )
        for target in progress.track(compared, description="compare")
    }


def _decide(
    target: str, champion: str | None, candidate: str, comparison: Comparison | None, *, force: bool
) -> Decision:
    objections = comparison.objections if comparison else []
    if objections:
        reason = ("forced, although " if force else "") + "; ".join(objections)
    elif comparison:
        reason = "better by more than noise, and in no slice worse than the bound"
    else:
        reason = (
            "there was no champion to compare with"
            if champion is None
            else "forced, without a comparison"
        )
    return Decision(target, champion, candidate, comparison, force or not objections, reason)
