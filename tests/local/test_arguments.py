from argparse import ArgumentTypeError

import pytest

from local.arguments import rate, share, whole_number


def test_allowed_values_are_read() -> None:
    assert (whole_number("2000"), rate("0.5"), share("0"), share("1")) == (2000, 0.5, 0, 1)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "nan", "inf"])
def test_a_count_is_a_whole_number_from_1(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"{text!r}; allowed: 1, 2, 3"):
        whole_number(text)


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "fast"])
def test_a_rate_is_above_0(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"{text!r}; allowed: a number above 0"):
        rate(text)


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "10%"])
def test_a_share_is_from_0_to_1(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"{text!r}; allowed: a number from 0 to 1"):
        share(text)
