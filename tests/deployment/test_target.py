import io
import sys

import pytest

from deployment.target import terminal


class Terminal(io.StringIO):
    """A stream that a person is at."""

    def isatty(self) -> bool:
        return True


def test_ctrl_c_at_a_question_ends_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(question: str) -> str:
        sys.stdout.write(question)
        raise KeyboardInterrupt

    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr("builtins.input", interrupted)
    ask = terminal()
    assert ask is not None
    with pytest.raises(KeyboardInterrupt):
        ask("Type its name: ")
    assert shown.getvalue() == "Type its name: \n"


def test_ctrl_d_at_a_question_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())  # at its end
    monkeypatch.setattr(sys, "stdout", Terminal())
    ask = terminal()
    assert ask is not None
    assert ask("Type its name: ") == ""


def test_where_nobody_can_answer_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert terminal() is None
