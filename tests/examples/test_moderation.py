"""The moderation example: its models, its figures, and a small run of the whole."""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from examples.moderation import train_checks
from examples.moderation.__main__ import run
from examples.moderation.copyright.model import SHINGLE, WORD, Copyright
from examples.moderation.outcome_counts import Moderation
from examples.moderation.texts import captions, edited, registered_works
from examples.moderation.uploads import Upload, drawn_uploads
from streaming import InvalidEvent, check_members
from streaming.decisions.decision_service import read_policy

ROOT = Path(__file__).parent.parent.parent
MODERATION = ROOT / "examples" / "moderation"
CONSUMERS = ("copyright", "language", "image", "notify", "review")
UPLOAD = Upload("u1", "ana", "la la la", "my dog", 64 * "0", ())


def model_of(name: str) -> Any:
    return importlib.import_module(f"examples.moderation.{name}.model")


@pytest.mark.parametrize("name", CONSUMERS)
def test_each_consumer_is_a_model_that_predicts_its_examples(name: str) -> None:
    module = model_of(name)
    model = module.load_model({}, None)
    check_members(model)

    events = [model.decode(example, 0.0) for example in module.EXAMPLES]
    predictions = model.predict(events)

    assert len(predictions) == len(events) == 1
    assert predictions[0].value["upload_id"] == "u1"
    for other in (b'"ride_started"', b"5", b"null"):
        assert model.decode(b'{"event_type": %s}' % other, 0.0) is None
    with pytest.raises(InvalidEvent):
        model.decode(b"[]", 0.0)


def test_the_policy_reads_what_the_models_predict() -> None:
    policy = read_policy(str(MODERATION / "policy.json"))
    event = json.dumps(UPLOAD.event()).encode()

    found = {}
    for check, name in policy.checks.items():
        model = model_of(check).load_model({}, None)
        assert model.name == name
        (prediction,) = model.predict([model.decode(event, 0.0)])
        found[check] = prediction.value

    verdict = policy.evaluate(found, time_up=False)
    assert verdict is not None
    assert (verdict.because, verdict.missing) == ("complete", ())
    assert {check: bounds(policy, check) for check in policy.checks} == train_checks.BOUNDS


def bounds(policy: Any, check: str) -> tuple[float, ...]:
    found = [
        condition.at_least
        for rule in policy.rules
        for condition in rule.when
        if condition.check == check
    ]
    return tuple(sorted(found))


def test_the_similarity_estimates_the_share_of_common_shingles() -> None:
    model, draw = Copyright(), random.Random(5)

    def shingles(text: str) -> set[tuple[str, ...]]:
        words = WORD.findall(text.lower())
        return {tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}

    for name, text in list(registered_works().items())[:40]:
        copy = edited(text, draw.choice((0.0, 0.05, 0.1)), draw)
        own, other = shingles(copy), shingles(text)
        similarity, work = model.similarity(copy)
        assert work == name
        assert similarity == pytest.approx(len(own & other) / len(own | other), abs=0.16)


def test_no_caption_that_measures_is_made_of_what_was_trained() -> None:
    draw = random.Random(1)
    trained = {caption.text for caption in captions(3000, draw, held_out=False)}
    measured = {caption.text for caption in captions(3000, draw, held_out=True)}

    assert not trained & measured


def test_training_again_gives_the_figures_that_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for check in ("copyright", "language", "image"):
        (tmp_path / check).mkdir()
    monkeypatch.setattr(train_checks, "FOLDER", tmp_path)
    train_checks.main()

    shown, again = (
        [line.split("|") for line in (folder / "figures.md").read_text().splitlines()[2:]]
        for folder in (MODERATION, tmp_path)
    )
    assert [row[1:4] for row in shown] == [row[1:4] for row in again]
    for one, other in zip(shown, again, strict=True):
        for column in (4, 5):  # another processor adds in another order
            figures = [float(row[column].strip(" %")) for row in (one, other)]
            assert figures[0] == pytest.approx(figures[1], abs=3)
    readme = (MODERATION / "README.md").read_text()
    assert (MODERATION / "figures.md").read_text() in readme
    held_out = "image/held_out.txt"
    assert (tmp_path / held_out).read_text() == (MODERATION / held_out).read_text()


def test_a_run_decides_every_upload_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uploads = drawn_uploads(11, random.Random(1))
    broken = Upload("broken", "hao", "la la la", "my dog", "0", ())

    moderation = run([*uploads, broken], 50.0, tmp_path, threading.Event())

    printed = capsys.readouterr().out
    lines = list(moderation.summary())
    assert moderation.passed, "\n".join(lines)
    assert "(missing: image)" in next(line for line in printed.splitlines() if "broken" in line)
    assert lines[1].startswith("12 uploads: ")
    assert moderation.dead_letters >= 1
    assert any(line.startswith("people's queue: ") for line in lines)


def test_ctrl_c_ends_a_run_with_its_sums(tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "import sys; from examples.moderation.__main__ import main; sys.exit(main())"
    running = subprocess.Popen(
        [sys.executable, "-c", program, "--folder", str(tmp_path), "--uploads", "5000"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert running.stdout is not None
        while "otherwise" not in running.stdout.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        out, errors = running.communicate(timeout=120)
    finally:
        running.kill()

    assert errors == ""
    assert "people's queue: " in out
    assert running.returncode in (0, 1)


def decision(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "upload_id": "u1",
        "uploader": "ana",
        "decision": number,
        "outcome": "review",
        "rule": "L2",
        "reason": "It may.",
        "revises": None,
        **changes,
    }


def test_the_books_notice_what_is_lost_or_made_twice() -> None:
    def books(*found: dict[str, Any]) -> Moderation:
        moderation = Moderation()
        moderation.put(UPLOAD, 1.0)
        for each in found:
            moderation.notified(each, 2.0)
        return moderation

    assert books(decision()).passed
    assert books(decision(), decision()).passed  # the same one again
    assert not books().passed
    assert not books(decision(2)).passed
    assert not books(decision(), decision(outcome="reject")).passed


def test_a_revised_decision_takes_an_upload_off_the_queue_whatever_comes_first() -> None:
    for order in ((1, 2), (2, 1)):
        moderation = Moderation()
        for number in order:
            moderation.queue(decision(number, waiting=number == 1))
        assert "people's queue: 0;" in "\n".join(moderation.summary())
