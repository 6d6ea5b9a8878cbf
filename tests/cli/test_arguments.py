from argparse import ArgumentTypeError

import pytest

from cli.arguments import Parser, rate, rate_or_none, seed, share, whole_number


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
        (["--speed", "3"], "error: unrecognized arguments: --speed 3\n"),
    ],
    ids=str,
)
def test_an_error_is_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = Parser()
    parser.add_argument("--rate", type=rate)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(arguments)
    assert capsys.readouterr().err == line
