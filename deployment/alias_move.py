"""One alias on its way to another version, and back.

What a deployment has written it marks with its own id: a call without a response may have been
carried out, and what something else has written since must be left alone. Reads may be stale.
"""

from dataclasses import dataclass, field

from deployment.errors import AliasMoved, DeploymentError
from deployment.live_alias import AliasState, LiveAlias

ALL = 100
PUT_BACK_ATTEMPTS = 5


@dataclass(slots=True)
class Move:
    """One alias on its way to another version.

    Attributes:
        name: The consumer.
        alias: Its alias.
        version: Where it goes.
    """

    name: str
    alias: LiveAlias
    version: str
    _before: AliasState | None = field(default=None, init=False)
    _now: AliasState | None = field(default=None, init=False)
    _seen: set[str] = field(default_factory=set, init=False)  # revisions up to the last write
    _unknown: bool = field(default=False, init=False)  # whether the last write was carried out

    def begin(self) -> AliasState:
        """Read where the alias is.

        Raises:
            AliasMoved: It is between two versions.
        """
        self._before = self._now = state = self.alias.read()
        self._seen = {state.revision}
        if state.weights:
            raise AliasMoved(
                f"{self.alias} is between two versions ({state}): another deployment is running, "
                "or was killed; `make rollback` ends it"
            )
        return state

    def step(self, percent: int, deployment: str) -> None:
        """Move a share of the traffic.

        Args:
            percent: The new version's share.
            deployment: Marks what this deployment has written.
        """
        before, now = self._begun()
        mark = _mark(deployment)
        if percent == ALL:
            state = AliasState(
                self.version, description=f"previous version: {before.version} {mark}"
            )
        else:
            former = before.previous_version
            kept = f"; previous version: {former}" if former else ""
            description = f"to version {self.version} {mark}{kept}"
            state = AliasState(before.version, {self.version: percent / ALL}, description)
        self._unknown = True
        try:
            self._now = self.alias.write(state, replaces=now)
        except AliasMoved:
            self._unknown = False
            raise
        self._unknown = False
        self._seen.add(self._now.revision)

    def check(self) -> None:
        """Check that nothing else has moved the alias; a stale read is none.

        Raises:
            AliasMoved: Something has.
        """
        now = self.alias.read()
        if now.revision not in self._seen:
            raise AliasMoved(f"{self.alias} was moved by something else, and is now at {now}")

    def put_back(self, deployment: str) -> str | None:
        """Put the alias back, and return what happened in words; None: it had not moved.

        What something else has written since is left alone.

        Raises:
            DeploymentError: AWS refuses, or does not respond.
        """
        if self._before is None or (self._now is self._before and not self._unknown):
            return None
        for attempt in range(PUT_BACK_ATTEMPTS):
            now = self.alias.read()
            if now.revision not in self._seen:
                if _mark(deployment) not in now.description:
                    return f"{self.alias} was moved by something else; left at {now}"
                self._now = now  # of a write whose response was lost
            try:
                self.alias.write(self._before, replaces=self._begun()[1])
            except AliasMoved:  # the read may have been stale
                if attempt == PUT_BACK_ATTEMPTS - 1:
                    raise
            else:
                break
        return f"{self.alias} is back at {self._before}"

    def _begun(self) -> tuple[AliasState, AliasState]:
        if self._before is None or self._now is None:
            raise DeploymentError(f"{self.alias} has not been read yet")
        return self._before, self._now


def _mark(deployment: str) -> str:
    return f"(deployment {deployment})"
