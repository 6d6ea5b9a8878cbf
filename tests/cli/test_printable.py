import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.printable import counted, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("NYC-7 → Zürich 🚕", "NYC-7 → Zürich 🚕"),
        ("\x1b]0;title\x07\x1b[2J", r"\u001b]0;title\u0007\u001b[2J"),
        ("\x9b2J", r"\u009b2J"),
        ("one\r\ntwo\x7f", r"one\r\ntwo\u007f"),
        ("abc\u202e\u2028", r"abc\u202e\u2028"),
        ("\U000e0001", r"\udb40\udc01"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_would_steer_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(), max_size=20))
def test_anything_is_printable_afterwards_and_json_keeps_its_value(text: str) -> None:
    encoded = json.dumps({"key": text}, ensure_ascii=False)
    assert printable(text).isprintable()
    assert json.loads(printable(encoded)) == {"key": text}


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 events"), (1, "1 event"), (2, "2 events"), (2000, "2,000 events")]
)
def test_a_count_of_one_is_singular(count: int, text: str) -> None:
    assert counted(count, "event") == text
