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
