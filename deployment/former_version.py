"""Back to the former version: what `make rollback` does to an alias, in one call of UpdateAlias."""

from deployment.errors import DeploymentError
from deployment.live_alias import ROLLED_BACK, AliasState, LiveAlias


def former_state(alias: LiveAlias, to: str | None = None) -> tuple[AliasState, AliasState]:
    """Return what an alias is set to, and what going back sets it to.

    An alias between two versions goes back to the older one. After going back, the description
    records no former version: going back twice must not return to the version that failed.

    Args:
        alias: The alias.
        to: The version to go to; None: the one that the alias's description records.

    Raises:
        DeploymentError: None is recorded, it does not exist, or AWS does not respond.
    """
    now = alias.read()
    if now.weights and to is None:
        previous = now.previous_version
        description = f"previous version: {previous}" if previous else ""
        return now, AliasState(now.version, description=description)
    target = to or now.previous_version
    if target is None:
        raise DeploymentError(
            f"{alias} is at version {now.version}, and its description records no former version "
            f"({now.description!r}); TO= names one"
        )
    if target == now.version and not now.weights:
        raise DeploymentError(f"{alias} is at version {target} already")
    alias.require_version(target)
    return now, AliasState(target, description=f"{ROLLED_BACK}{now.version}")
