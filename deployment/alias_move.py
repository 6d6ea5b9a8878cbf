"""One alias on its way to another version, and back.

What a deployment has written it marks with its own id: a call without a response may have been
carried out, and what something else has written since must be left alone. Reads may be stale.
"""

from dataclasses import dataclass, field

from deployment.errors import AliasMoved
from deployment.live_alias import PREVIOUS, AliasState, LiveAlias

ALL = 100
PUT_BACK_ATTEMPTS = 6


@dataclass(slots=True)
class Move:
    """A consumer's alias on its way to another version, from where it was `before`."""

    name: str
    alias: LiveAlias
    version: str
    before: AliasState = field(init=False)
    _now: AliasState = field(init=False)
    _seen: set[str] = field(init=False)  # revisions up to the last write
    _written: bool = field(default=False, init=False)  # perhaps, if there was no response

    def begin(self) -> AliasState:
        """Read where the alias is.

        Raises:
            AliasMoved: It is between two versions.
        """
        self.before = self._now = state = self.alias.read()
        self._seen = {state.revision}
        if state.weights:
            raise AliasMoved(
                f"{self.alias} is between two versions ({state}): another deployment is running, "
                "or was killed; `make rollback` ends it"
            )
        return state

    def step(self, percent: int, deployment: str) -> None:
        """Give the new version its share of the traffic; `deployment` marks what is written."""
        mark, former = _mark(deployment), self.before.previous_version
        if percent == ALL:
            description = f"{PREVIOUS}{self.before.version} {mark}"
            state = AliasState(self.version, description=description)
        else:
            kept = f"; {PREVIOUS}{former}" if former else ""
            description = f"to version {self.version} {mark}{kept}"
            state = AliasState(self.before.version, {self.version: percent / ALL}, description)
        self._written = True
        self._now = self.alias.write(state, replaces=self._now)
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
        if not self._written:
            return None
        for _ in range(PUT_BACK_ATTEMPTS):
            try:
                self.alias.write(self.before, replaces=self._now)
            except AliasMoved as error:
                refused = error
                now = self.alias.read()
                if now.revision in self._seen:
                    continue  # the read is stale
                if _mark(deployment) not in now.description:
                    return f"{self.alias} was moved by something else; left at {now}"
                self._now = now  # of a write whose response was lost
            else:
                return f"{self.alias} is back at {self.before}"
        raise refused


def _mark(deployment: str) -> str:
    return f"(deployment {deployment})"
