from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from scripts import picture

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CLEAR = "\r\x1b[2K\x1b[1A\x1b[2K"


def test_a_frame_near_the_end_is_drawn_with_its_text_and_no_font_of_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [f"\x1b[1mframe {number}\x1b[0m\r\nsecond line\r\n" for number in range(10)]
    monkeypatch.setattr(picture, "record", lambda: CLEAR.join(frames))
    output = tmp_path / "run.svg"

    assert picture.main(["--output", str(output)]) == 0

    text = "\n".join(ET.fromstring(output.read_text()).itertext()).replace("\xa0", " ")  # noqa: S314
    assert "frame 8" in text
    assert "second line" in text
    assert "http" not in output.read_text().replace("http://www.w3.org/2000/svg", "")
    assert capsys.readouterr().out == f"{output}, from one of 10 frames\n"
