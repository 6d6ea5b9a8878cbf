import pytest

from deployment.errors import DeploymentError
from deployment.former_version import former_state
from deployment.live_alias import AliasState
from tests.deployment.emulated_account import FUNCTION, Account


@pytest.fixture
def function(account: Account) -> Account:
    account.create_function(versions=4)
    return account


def at(account: Account, state: AliasState) -> None:
    account.alias().write(state, replaces=account.alias().read())


def test_the_version_that_the_alias_records_is_gone_back_to(function: Account) -> None:
    at(function, AliasState("3", {}, "previous version: 2 (deployment abcdef01)"))

    now, former = former_state(function.alias())

    assert now.version == "3"
    assert former == AliasState("2", {}, "rolled back from version 3")


def test_going_back_twice_does_not_return_to_the_version_that_failed(function: Account) -> None:
    at(function, AliasState("3", {}, "previous version: 2"))
    now, former = former_state(function.alias())
    function.alias().write(former, replaces=now)

    line = rf"^{FUNCTION}:live is at version 2, and its description records no former version \('"
    with pytest.raises(DeploymentError, match=line):
        former_state(function.alias())


def test_an_alias_between_two_versions_goes_back_to_the_older_and_records_what_it_did(
    function: Account,
) -> None:
    at(
        function,
        AliasState("3", {"4": 0.5}, "to version 4 (deployment abcdef01); previous version: 2"),
    )

    assert former_state(function.alias())[1] == AliasState("3", {}, "previous version: 2")


def test_any_version_that_exists_can_be_named(function: Account) -> None:
    at(function, AliasState("4", {}, "previous version: 3"))

    assert former_state(function.alias(), "1")[1].version == "1"
    with pytest.raises(DeploymentError, match=f"{FUNCTION} has no version 9: ResourceNotFound"):
        former_state(function.alias(), "9")
    with pytest.raises(DeploymentError, match=f"{FUNCTION}:live is at version 4 already"):
        former_state(function.alias(), "4")


def test_a_version_that_was_deleted_cannot_be_gone_back_to(function: Account) -> None:
    at(function, AliasState("3", {}, "previous version: 7"))
    with pytest.raises(DeploymentError, match=f"{FUNCTION} has no version 7"):
        former_state(function.alias())
