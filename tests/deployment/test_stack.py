import pytest

from deployment.errors import DeploymentError
from deployment.stack import output_values, stack_of
from tests.deployment.emulated_account import FUNCTION, output_json, outputs


def test_the_outputs_of_terraform_are_read() -> None:
    stack = stack_of(output_values(output_json(outputs())))

    assert stack is not None
    assert stack.event_stream.name == "events"
    consumer = stack.consumers["duration_tip"]
    assert (consumer.function_name, consumer.version) == (FUNCTION, "2")


@pytest.mark.parametrize("values", [{}, {"repository_url": "x"}, {"consumers": {}}])
def test_before_anything_is_deployed_there_is_no_stack(values: dict[str, object]) -> None:
    assert stack_of(output_values(output_json(values))) is None


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


@pytest.mark.parametrize("text", ["", "No outputs", "[]", '{"region": "x"}'])
def test_what_is_no_output_of_terraform_is_one_line(text: str) -> None:
    with pytest.raises(DeploymentError, match="terraform output -json cannot be read"):
        output_values(text)
