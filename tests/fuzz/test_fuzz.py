from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fuzz.__main__ import executions
from tests.fuzz.draw import draw_event
from tests.fuzz.seed_corpus import SEEDS, WORDS, write_dictionary, write_seeds
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("log", "count"),
    [
        ("#2\tINITED cov: 1\n#524288\tpulse  cov: 3\nDone 1726175 runs in 31 second(s)\n", 1726175),
        ("#41834\tREDUCE cov: 104\n#42423\tREDUCE cov: 104\n==1== ERROR: out-of-memory\n", 42423),
        ("Traceback (most recent call last):\n", 0),
    ],
    ids=["complete", "ended by a finding", "never started"],
)
def test_executions_are_read_from_libfuzzers_log(log: str, count: int) -> None:
    assert executions(log) == count


def test_every_target_has_seeds_and_the_dictionary_has_every_word(tmp_path: Path) -> None:
    assert SEEDS.keys() == TARGETS.keys()
    for target, seeds in SEEDS.items():
        write_seeds(target, tmp_path / target)
        assert len(list((tmp_path / target).iterdir())) == len(seeds)
    write_dictionary(tmp_path / "words.dict")
    lines = (tmp_path / "words.dict").read_text().splitlines()
    assert lines[0] == r'"\x1f\x8b\x08\x00"'
    assert len(lines) == len(WORDS)


def test_bytes_become_events_of_one_to_four_records() -> None:
    drawn: list[Any] = [draw_event(bytes([1, first]) + bytes(range(250))) for first in range(64)]

    counts = {len(each["Records"]) for each in drawn if isinstance(each, dict)}
    assert counts == {1, 2, 3, 4}
