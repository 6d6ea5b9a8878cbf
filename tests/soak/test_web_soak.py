"""A short soak of the web service, and what it would find."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.web_soak import SoakError, WebSoak

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.rides
def test_a_short_soak_finds_nothing(tmp_path: Path) -> None:
    found = subprocess.run(
        [
            *(sys.executable, "-m", "tests.soak.web_soak"),
            *("--seconds", "4", "--folder", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert (found.returncode, found.stderr) == (0, "")
    assert "good: 200" in found.stdout


def test_others_predictions_are_found() -> None:
    found = [{"prediction": {"ride_id": 2}}]

    with pytest.raises(SoakError, match="1 rides were answered with others' predictions"):
        WebSoak._check([1], found)
