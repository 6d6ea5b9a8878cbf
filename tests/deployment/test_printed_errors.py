import pytest

from deployment.printed_errors import first_error, last_line

NOT_ALLOWED = """
Error: Invalid value for variable

  on variables.tf line 13:
  13: variable "region" {
    ├────────────────
    │ var.region is "atlantis"

region: allowed is a region's code, such as
eu-central-1.

This was checked by the validation rule at variables.tf:17,3-13.

Error: Another
"""
LINE = (
    "Error: Invalid value for variable: region: allowed is a region's code, such as eu-central-1."
)
BORDERED = "╷\n" + "".join(f"│ {line}\n" for line in NOT_ALLOWED.splitlines()) + "╵\n"
COLORED = BORDERED.replace("│", "\x1b[31m│\x1b[0m\x1b[0m").replace(
    "Error:", "\x1b[1;31mError:\x1b[0m"
)


@pytest.mark.parametrize(
    "printed", [NOT_ALLOWED, BORDERED, COLORED], ids=["plain", "with a border", "in color"]
)
def test_an_error_is_told_with_its_explanation_and_without_its_place(printed: str) -> None:
    assert first_error(f"Warning: Unable to open\n\nmore\n{printed}") == LINE


@pytest.mark.parametrize(
    ("printed", "line"),
    [
        ("Error: one\n\nError: two\n", "Error: one"),
        ("Error: one\n", "Error: one"),
        ("Error: one\nof two lines\n\nmore", "Error: one of two lines"),
        ("Error: one\n\non main.tf line 1:\n", "Error: one"),
        ("error: one\nErrors: two", ""),
        ("", ""),
    ],
)
def test_an_error_without_an_explanation_stands_alone(printed: str, line: str) -> None:
    assert first_error(printed) == line


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert last_line("one\n\x1b[1mtwo\x1b[0m\n\n\x1b[0m\x1b[0m\n") == "two"
    assert last_line("\x1b[0m\n") == ""
