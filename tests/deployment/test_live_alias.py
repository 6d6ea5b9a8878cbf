import pytest
from botocore.exceptions import ConnectTimeoutError

from deployment.errors import AliasMoved, DeploymentError
from deployment.live_alias import AliasState
from tests.deployment.emulated_account import FUNCTION, Account
from tests.fakes.kinesis import client_error


@pytest.fixture
def function(account: Account) -> Account:
    account.create_function(versions=4)
    return account


def test_an_alias_is_read_as_it_was_written(function: Account) -> None:
    alias = function.alias()
    state = AliasState("1", {"2": 0.1}, "previous version: 3")

    written = alias.write(state, replaces=alias.read())

    assert written == alias.read() == state
    assert str(state) == "version 1, 10% on version 2"


@pytest.mark.parametrize(
    ("description", "version"),
    [
        ("previous version: 3", "3"),
        ("to version 5 (deployment ab); previous version: 12", "12"),
        ("rolled back from version 4", None),
        ("", None),
    ],
)
def test_the_former_version_is_read_from_the_description(
    description: str, version: str | None
) -> None:
    assert AliasState("1", description=description).previous_version == version


def test_of_two_writes_that_replace_the_same_state_the_second_is_refused(
    function: Account,
) -> None:
    alias = function.alias()
    both_saw = alias.read()

    alias.write(AliasState("2", description="the first"), replaces=both_saw)

    line = f"{FUNCTION}:live was moved by something else, and is now at version 2: 'the first'"
    with pytest.raises(AliasMoved, match=line):
        alias.write(AliasState("3", description="the second"), replaces=both_saw)
    assert alias.read().version == "2"


def test_a_write_whose_response_was_lost_counts_when_its_retry_is_refused(
    function: Account,
) -> None:
    alias = function.alias()
    lost = client_error("PreconditionFailedException", "update_alias", status=412)
    function.functions.failures = [(lost, True)]

    state = AliasState("2", description="mine")

    assert alias.write(state, replaces=alias.read()) == state


def test_a_refused_write_is_no_success_because_a_read_is_stale(function: Account) -> None:
    alias = function.alias()
    before = alias.read()
    lost = ConnectTimeoutError(endpoint_url="https://lambda.us-east-1.amazonaws.com")
    function.functions.failures = [(lost, True)]
    with pytest.raises(DeploymentError):
        alias.write(AliasState("1", {"2": 0.1}), replaces=before)
    function.functions.stale_reads = 1

    with pytest.raises(AliasMoved):
        alias.write(before, replaces=before)


def test_an_alias_that_does_not_exist_is_one_line(account: Account) -> None:
    with pytest.raises(DeploymentError, match=r"nothing:live cannot be read: ResourceNotFound"):
        account.alias("nothing").read()


def test_aws_that_does_not_respond_is_one_line(function: Account) -> None:
    timeout = ConnectTimeoutError(endpoint_url="https://lambda.us-east-1.amazonaws.com")
    function.functions.failures = [(timeout, False)]
    alias = function.alias()

    with pytest.raises(DeploymentError, match=r"cannot be set: ConnectTimeoutError at https://"):
        alias.write(AliasState("2"), replaces=alias.read())


def at(account: Account, state: AliasState) -> None:
    account.alias().write(state, replaces=account.alias().read())


def test_the_version_that_the_alias_records_is_gone_back_to(function: Account) -> None:
    at(function, AliasState("3", {}, "previous version: 2 (deployment abcdef01)"))

    now, former = function.alias().way_back()

    assert now.version == "3"
    assert former == AliasState("2", {}, "rolled back from version 3")


def test_going_back_twice_does_not_return_to_the_version_that_failed(function: Account) -> None:
    at(function, AliasState("3", {}, "previous version: 2"))
    now, former = function.alias().way_back()
    function.alias().write(former, replaces=now)

    line = rf"^{FUNCTION}:live is at version 2, and its description records no former version \('"
    with pytest.raises(DeploymentError, match=line):
        function.alias().way_back()


def test_an_alias_between_two_versions_goes_back_to_the_older_and_records_what_it_did(
    function: Account,
) -> None:
    at(
        function,
        AliasState("3", {"4": 0.5}, "to version 4 (deployment abcdef01); previous version: 2"),
    )

    recorded = "rolled back from version 4; previous version: 2"
    assert function.alias().way_back()[1] == AliasState("3", {}, recorded)
    assert function.alias().way_back()[1].left_version == "4"


def test_an_alias_between_two_versions_goes_where_it_is_told(function: Account) -> None:
    at(function, AliasState("3", {"4": 0.5}, "to version 4; previous version: 2"))

    def left(to: str) -> AliasState:
        return function.alias().way_back(to)[1]

    assert left("2") == AliasState("2", {}, "rolled back from version 4")
    assert left("4") == AliasState("4", {}, "rolled back from version 3")


def test_any_version_that_exists_can_be_named(function: Account) -> None:
    at(function, AliasState("4", {}, "previous version: 3"))

    assert function.alias().way_back("1")[1].version == "1"
    with pytest.raises(DeploymentError, match=f"{FUNCTION} has no version 9: ResourceNotFound"):
        function.alias().way_back("9")
    with pytest.raises(DeploymentError, match=f"{FUNCTION}:live is at version 4 already"):
        function.alias().way_back("4")


def test_a_version_that_was_deleted_cannot_be_gone_back_to(function: Account) -> None:
    at(function, AliasState("3", {}, "previous version: 7"))
    with pytest.raises(DeploymentError, match=f"{FUNCTION} has no version 7"):
        function.alias().way_back()
