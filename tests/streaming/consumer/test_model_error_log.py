"""What is logged of exceptions that the model raises: where, once, and not their message."""

from __future__ import annotations

import json
import runpy
from typing import TYPE_CHECKING

import pytest

from streaming.consumer.telemetry import TEXT_CHARACTERS, TRACEBACK_FRAMES, TRACEBACKS, Telemetry
from streaming.errors import PredictionFailed
from tests.streaming.consumer.log_lines import SERVICE, logged

if TYPE_CHECKING:
    from pathlib import Path


def fail(name: str = "Broken", error: Exception | None = None) -> Exception:
    try:
        raise error or type(name, (Exception,), {})("secret")  # noqa: TRY301
    except Exception as raised:  # noqa: BLE001  whatever it was given
        return raised


def test_an_exception_of_the_model_is_logged_once_with_its_traceback_and_without_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = Telemetry(SERVICE, "Rides")

    for _ in range(3):
        telemetry.model_error("predict", fail())
    telemetry.model_error("decode", fail())

    predict, decode = logged(capsys)
    assert (predict["level"], predict["message"]) == ("ERROR", "the model raised an exception")
    assert (predict["method"], predict["error_type"]) == ("predict", "Broken")
    (frame,) = predict["traceback"]
    assert frame.startswith(f"{__file__}:")
    assert " fail: raise error or type(name" in frame
    assert decode["method"] == "decode"
    assert "secret" not in json.dumps({**predict, "traceback": []})  # the source has it


def test_a_long_line_of_source_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = tmp_path / "one_line.py"
    module.write_text("def predict(): return 1 / 0  # " + "x" * 300_000)
    with pytest.raises(ZeroDivisionError) as raised:
        runpy.run_path(str(module))["predict"]()

    Telemetry(SERVICE, "Rides").model_error("predict", raised.value)

    (line,) = logged(capsys)
    assert " predict: def predict(): return 1 / 0  # xxx" in line["traceback"][-1]
    assert max(map(len, line["traceback"])) == TEXT_CHARACTERS


def test_the_tracebacks_of_different_exceptions_are_bounded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = Telemetry(SERVICE, "Rides")

    for number in range(TRACEBACKS + 5):
        telemetry.model_error("predict", fail(f"Broken{number}"))

    names = [line["error_type"] for line in logged(capsys)]
    assert names == [f"Broken{number}" for number in range(TRACEBACKS)]


def test_poison_needs_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    Telemetry(SERVICE, "Rides").model_error("predict", fail(error=PredictionFailed("no key")))

    assert logged(capsys) == []


def test_each_place_that_raises_is_logged_once_whoever_calls_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(levels: int) -> None:
        if levels:
            broken(levels - 1)
        raise ValueError

    def raised(levels: int) -> Exception:
        with pytest.raises(ValueError) as info:  # noqa: PT011  the test's own
            broken(levels)
        return info.value

    telemetry = Telemetry(SERVICE, "Rides")
    for error in (raised(50), raised(0), fail(error=ValueError()), fail(error=ValueError())):
        telemetry.model_error("decode", error)

    deep, other = logged(capsys)
    assert len(deep["traceback"]) == TRACEBACK_FRAMES
    assert deep["traceback"][-1].endswith(" broken: raise ValueError")
    assert all(" broken: " in line for line in deep["traceback"])
    assert len(other["traceback"]) == 1
