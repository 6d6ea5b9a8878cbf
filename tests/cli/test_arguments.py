from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from cli.arguments import Parser, location, rate, rate_or_none, seed, share, whole_number


def test_allowed_values_are_parsed() -> None:
    assert (whole_number("2000"), rate("0.5"), share("0"), share("1")) == (2000, 0.5, 0, 1)
    assert (rate_or_none("0"), rate_or_none("0.5")) == (0, 0.5)
    assert (seed("-3"), seed("12345678901234567890")) == (-3, 12345678901234567890)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "nan", "inf"])
def test_a_count_is_a_whole_number_from_1(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"is {text!r}; allowed: 1, 2, 3"):
        whole_number(text)


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "fast"])
def test_a_rate_is_above_0(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"is {text!r}; allowed: a number above 0"):
        rate(text)


@pytest.mark.parametrize("text", ["-1", "inf", "nan", "none"])
def test_a_rate_or_none_may_be_0(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"is {text!r}; allowed: a number above 0, or 0"):
        rate_or_none(text)


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "10%"])
def test_a_share_is_from_0_to_1(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"is {text!r}; allowed: a number from 0 to 1"):
        share(text)


@pytest.mark.parametrize("text", ["1.5", "x", "nan", "inf", "1e999"])
def test_a_seed_is_a_whole_number(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"is {text!r}; allowed: a whole number"):
        seed(text)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--rate", "abc"], "error: --rate is 'abc'; allowed: a number above 0\n"),
        (["--rate"], "error: --rate: expected one argument\n"),
        (["--color", "red"], "error: --color is 'red'; allowed: blue, green\n"),
        (["--speed", "3"], "error: unrecognized arguments: --speed 3\n"),
    ],
    ids=str,
)
def test_an_error_is_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = Parser()
    parser.add_argument("--rate", type=rate)
    parser.add_argument("--color", choices=["blue", "green"])
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(arguments)
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("file:///folder", "file:///folder"),
        ("build/local/a run/dead-letters", "file://{cwd}/build/local/a%20run/dead-letters"),
    ],
)
def test_a_location_may_be_a_relative_path(text: str, url: str) -> None:
    assert location(text) == url.format(cwd=Path.cwd())
