import pytest

from deployment.errors import DeploymentError
from deployment.stack import stack_of
from tests.deployment.emulated_account import FUNCTION, outputs


def test_the_outputs_of_terraform_are_read() -> None:
    stack = stack_of(outputs())

    assert stack is not None
    assert stack.event_stream.name == "events"
    consumer = stack.consumers["duration_tip"]
    assert (consumer.function_name, consumer.version) == (FUNCTION, "2")


@pytest.mark.parametrize("openings", ["m2", None])
def test_the_decision_service_is_one_more_function_with_its_own_streams(
    openings: str | None,
) -> None:
    service = {
        **outputs()["consumers"]["duration_tip"],
        "function_name": "ride-predictions-decisions",
        "mapping_uuid": "m1",
        "openings_mapping_uuid": openings,
        "table": "ride-predictions-decisions",
    }
    stack = stack_of(outputs(decisions=service, decision_stream={"name": "decisions", "arn": "a"}))

    assert stack is not None
    assert list(stack.functions) == ["duration_tip", "decisions"]
    read = {
        uuid: stream.name for uuid, stream in stack.mappings(stack.functions["decisions"]).items()
    }
    assert read == {"m1": "predictions", **({} if openings is None else {openings: "events"})}
    rides = stack.functions["duration_tip"]
    assert stack.mappings(rides) == {rides.mapping_uuid: stack.event_stream}
    assert stack.decision_stream is not None


def test_without_a_decision_service_there_are_the_consumers() -> None:
    stack = stack_of(outputs(decisions=None, decision_stream=None))

    assert stack is not None
    assert stack.functions == stack.consumers


@pytest.mark.parametrize("values", [{}, {"repository_url": "x"}, {"consumers": {}}])
def test_before_anything_is_deployed_there_is_no_stack(values: dict[str, object]) -> None:
    assert stack_of(values) is None


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (outputs(region=None), r"Expected `str`, got `null` - at `\$.region`; apply infra"),
        (
            outputs(consumers={"tip": {"alias": "live"}}),
            r"missing required field `function_name` - at `\$.consumers\[...\]`",
        ),
    ],
)
def test_outputs_of_another_commit_are_one_line(values: dict[str, object], line: str) -> None:
    with pytest.raises(DeploymentError, match=line):
        stack_of(values)
