import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest

from deployment.alias_move import Move
from deployment.errors import AliasMoved, DeploymentError
from deployment.live_alias import AliasState
from deployment.traffic_shift import StopRequest, move_traffic, raised_alarms
from tests.deployment.emulated_account import Account
from tests.fakes.clock import Clock
from tests.fakes.kinesis import client_error

ALARMS = ["a-dead-letters", "a-errors", "b-errors"]
BEFORE = AliasState("1", {}, "created")


class Stop(StopRequest):
    """A request to stop while time passes only in a test's pauses."""

    def __init__(self, pause: Callable[[float], None]) -> None:
        super().__init__()
        self._pause = pause

    def pause(self, seconds: float) -> None:
        self._pause(seconds)
        super().pause(0)


@dataclass
class Deployment:
    """Two functions at version 1, with version 2 published.

    Attributes:
        at: What happens at a time, in seconds after the start.
        seen: The states of the first function's alias, as time passed.
        lines: What was printed.
    """

    account: Account
    clock: Clock
    at: dict[float, Callable[[], object]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.say: Callable[[str], object] = self.lines.append
        self.stop = Stop(self.pause)

    def pause(self, seconds: float) -> None:
        if seconds:
            self.seen.append(str(self.account.alias("a").read()))
            self.clock.sleep(seconds)
            for time in [time for time in self.at if time <= self.clock.now()]:
                self.at.pop(time)()

    def run(self, *, force: bool = False) -> None:
        client = self.account("cloudwatch")
        move_traffic(
            [Move(name, self.account.alias(name), "2") for name in ("a", "b")],
            lambda: raised_alarms(client, ALARMS),
            self.stop,
            self.say,
            steps=(10, 50),
            bake_seconds=30,
            force=force,
        )

    def states(self) -> list[AliasState]:
        return [self.account.alias(name).read() for name in ("a", "b")]


@pytest.fixture
def deployment(account: Account, clock: Clock) -> Deployment:
    for name in ("a", "b"):
        account.create_function(name, versions=4)
    for name in ALARMS:
        account.create_alarm(name)
    return Deployment(account, clock)


def test_traffic_moves_in_steps_each_of_which_is_watched(deployment: Deployment) -> None:
    deployment.run()

    ten, half = "version 1, 10% on version 2", "version 1, 50% on version 2"
    assert deployment.seen == [ten] * 3 + [half] * 3 + ["version 2"] * 3
    assert deployment.clock.now() == 90
    for state in deployment.states():
        assert (state.version, state.weights, state.previous_version) == ("2", {}, "1")


@pytest.mark.parametrize("time", [10, 20, 30, 40, 60, 70, 80, 90])
def test_an_alarm_puts_every_alias_back_whenever_it_comes(
    deployment: Deployment, time: float
) -> None:
    deployment.at[time] = lambda: deployment.account.set_alarm("b-errors")

    with pytest.raises(DeploymentError, match="in ALARM: b-errors; the new version takes no more"):
        deployment.run()

    assert deployment.states() == [BEFORE, BEFORE]
    assert deployment.clock.now() == time
    assert deployment.lines[-2:] == ["b:live is back at version 1", "a:live is back at version 1"]


@pytest.mark.parametrize("time", [10, 40, 90])
def test_a_stop_puts_every_alias_back_whenever_it_comes(
    deployment: Deployment, time: float
) -> None:
    deployment.at[time] = deployment.stop.set

    with pytest.raises(KeyboardInterrupt):
        deployment.run()

    assert deployment.states() == [BEFORE, BEFORE]


def test_a_stop_in_the_middle_of_a_step_puts_back_the_alias_that_had_moved(
    deployment: Deployment,
) -> None:
    def pause(_seconds: float) -> None:
        if deployment.account.functions.writes:
            deployment.stop.set()

    deployment.stop = Stop(pause)
    with pytest.raises(KeyboardInterrupt):
        deployment.run()

    assert [write["FunctionVersion"] for write in deployment.account.functions.writes] == ["1", "1"]
    assert deployment.states() == [BEFORE, BEFORE]


def test_an_interrupt_in_a_call_of_aws_puts_the_alias_back(deployment: Deployment) -> None:
    interrupt = KeyboardInterrupt()
    deployment.account.functions.failures = [(interrupt, True)]  # type: ignore[list-item]

    with pytest.raises(KeyboardInterrupt):
        deployment.run()

    assert deployment.states() == [BEFORE, BEFORE]


@pytest.mark.parametrize("written", [True, False])
def test_an_error_of_aws_in_a_step_puts_every_alias_back(
    deployment: Deployment, *, written: bool
) -> None:
    refused = client_error("ServiceException", "update_alias", status=500)
    deployment.account.functions.failures = [(refused, written)]

    with pytest.raises(DeploymentError, match="a:live cannot be set: ServiceException"):
        deployment.run()

    assert deployment.states() == [BEFORE, BEFORE]


def test_stale_reads_of_an_alias_neither_stop_a_deployment_nor_its_way_back(
    deployment: Deployment,
) -> None:
    functions = deployment.account.functions

    def stale() -> None:
        functions.stale_reads = 1

    deployment.at = dict.fromkeys((10, 20, 40, 70), stale)

    def alarm_and_stale_reads() -> None:
        deployment.account.set_alarm("a-errors")
        functions.stale_reads = 20

    deployment.at[80] = alarm_and_stale_reads

    with pytest.raises(DeploymentError):
        deployment.run()

    functions.stale_reads = 0
    assert deployment.clock.now() == 80
    assert deployment.states() == [BEFORE, BEFORE]


@pytest.mark.parametrize("stale", [0, 1, 2, 3, 8])
def test_a_write_without_a_response_is_put_back_even_if_the_next_reads_are_stale(
    deployment: Deployment, stale: int
) -> None:
    functions = deployment.account.functions
    refused = client_error("ServiceException", "update_alias", status=500)
    functions.failures = [(refused, True)]
    functions.stale_reads = stale

    with pytest.raises(DeploymentError, match="a:live cannot be set: ServiceException"):
        deployment.run()

    assert deployment.states() == [BEFORE, BEFORE]


def test_an_alias_whose_reads_stay_stale_is_said_not_to_be_put_back(
    deployment: Deployment,
) -> None:
    functions = deployment.account.functions
    refused = client_error("ServiceException", "update_alias", status=500)
    functions.failures = [(refused, True)]
    functions.stale_reads = 20

    line = "^a:live was moved by something else, .*: put it back with `make rollback`, or the"
    with pytest.raises(DeploymentError, match=line):
        deployment.run()


def test_a_terminal_that_is_gone_puts_every_alias_back(deployment: Deployment) -> None:
    def say(line: str) -> None:
        if not line.startswith(("a:", "b:")):
            return
        raise BrokenPipeError

    deployment.at[20] = lambda: deployment.account.set_alarm("a-errors")
    deployment.say = say

    with pytest.raises(BrokenPipeError):
        deployment.run()

    assert deployment.states() == [BEFORE, BEFORE]


def test_alarms_that_cannot_be_read_put_every_alias_back(deployment: Deployment) -> None:
    client = deployment.account("cloudwatch")
    deployment.at[20] = lambda: client.delete_alarms(AlarmNames=["a-errors"])

    with pytest.raises(DeploymentError, match="no such alarm: a-errors"):
        deployment.run()

    assert deployment.states() == [BEFORE, BEFORE]


def test_what_was_recorded_before_is_recorded_again_after_an_alarm(
    deployment: Deployment,
) -> None:
    alias = deployment.account.alias("a")
    before = AliasState("3", {}, "previous version: 1 (deployment 12345678)")
    alias.write(before, replaces=alias.read())
    deployment.at[20] = lambda: deployment.account.set_alarm("b-errors")

    with pytest.raises(DeploymentError):
        deployment.run()

    assert deployment.states() == [before, BEFORE]


def test_an_alarm_that_is_raised_already_stops_before_anything_moves(
    deployment: Deployment,
) -> None:
    deployment.account.set_alarm("a-errors")

    with pytest.raises(DeploymentError, match="in ALARM: a-errors; nothing was moved; FORCE=1"):
        deployment.run()

    assert not deployment.account.functions.writes


def test_forced_traffic_moves_in_spite_of_that_alarm_but_not_of_another(
    deployment: Deployment,
) -> None:
    deployment.account.set_alarm("a-errors")
    deployment.at[40] = lambda: deployment.account.set_alarm("a-dead-letters")

    with pytest.raises(DeploymentError, match="in ALARM: a-dead-letters;"):
        deployment.run(force=True)

    assert deployment.clock.now() == 40
    assert deployment.states() == [BEFORE, BEFORE]


def test_an_alias_between_two_versions_is_another_deployments(deployment: Deployment) -> None:
    alias = deployment.account.alias("b")
    alias.write(AliasState("1", {"3": 0.5}), replaces=alias.read())
    writes = len(deployment.account.functions.writes)

    line = r"b:live is between two versions \(version 1, 50% on version 3\): another deployment"
    with pytest.raises(AliasMoved, match=line):
        deployment.run()

    assert len(deployment.account.functions.writes) == writes


@pytest.mark.parametrize("time", [10, 30, 50, 90])
def test_what_something_else_has_written_is_left_alone(deployment: Deployment, time: float) -> None:
    other = AliasState("4", {}, "by hand")

    def by_hand() -> None:
        alias = deployment.account.alias("a")
        alias.write(other, replaces=alias.read())

    deployment.at[time] = by_hand

    with pytest.raises(AliasMoved, match="a:live was moved by something else, and is now at"):
        deployment.run()

    assert deployment.states() == [other, BEFORE]
    assert deployment.lines[-1] == "a:live was moved by something else; left at version 4"


def test_of_two_deployments_at_once_the_second_is_refused_and_the_first_goes_on(
    deployment: Deployment,
) -> None:
    """Both have read the alias before either moves it."""
    moves = [Move("a", deployment.account.alias("a"), version) for version in ("2", "3")]
    for move in moves:
        move.begin()

    moves[0].step(10, "first")
    with pytest.raises(AliasMoved, match="a:live was moved by something else"):
        moves[1].step(10, "second")

    left = "a:live was moved by something else; left at version 1, 10% on version 2"
    assert moves[1].put_back("second") == left
    moves[0].check()


def test_two_deployments_of_one_version_at_once_are_told_apart(deployment: Deployment) -> None:
    moves = [Move("a", deployment.account.alias("a"), "2") for _ in range(2)]
    for move in moves:
        move.begin()

    moves[0].step(10, "first")

    with pytest.raises(AliasMoved):
        moves[1].step(10, "second")


def test_an_alias_that_cannot_be_put_back_is_said_and_the_others_are(
    deployment: Deployment,
) -> None:
    refused = client_error("TooManyRequestsException", "update_alias", status=429)

    def alarm_and_refusal() -> None:
        deployment.account.set_alarm("a-errors")
        deployment.account.functions.failures = [(refused, False)]

    deployment.at[20] = alarm_and_refusal

    with pytest.raises(DeploymentError, match=r"b:live cannot be set: TooMany.*: put it back with"):
        deployment.run()

    first, second = deployment.states()
    assert first == BEFORE
    assert second.weights == {"2": 0.1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("interrupted", [True, False], ids=["a second signal", "after an alarm"])
def test_a_signal_while_the_aliases_are_put_back_does_not_end_that(
    deployment: Deployment, number: signal.Signals, *, interrupted: bool
) -> None:
    deployment.at[20] = (
        partial(signal.raise_signal, number)
        if interrupted
        else partial(deployment.account.set_alarm, "a-errors")
    )
    update = deployment.account.functions.update_alias
    signals: list[int] = []

    def update_with_signal(**changes: object) -> object:
        if changes["Description"] == "created" and len(signals) == 0:
            signals.append(number)
            signal.raise_signal(number)
        return update(**changes)  # type: ignore[arg-type]

    deployment.account.functions.update_alias = update_with_signal  # type: ignore[method-assign,assignment]

    with pytest.raises(KeyboardInterrupt if interrupted else DeploymentError):
        deployment.run()

    assert deployment.states() == [BEFORE, BEFORE]


def test_a_pause_ends_when_a_stop_is_requested() -> None:
    stop = StopRequest()
    stop.pause(0)
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        stop.pause(3600)
