from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from tests.mutants.__main__ import Module, main, read_modules

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MUTATED = """
def x_add__mutmut_orig(a, b):
    return log("sum", a + b)

def x_add__mutmut_1(a, b):
    return log("XXsumXX", a + b)

def x_add__mutmut_2(a, b):
    return log("sum", a - b)

def x_add__mutmut_3(a, b):
    return log("sum", a)
"""


def results(folder: Path, **codes: int | None) -> list[Module]:
    (folder / "streaming").mkdir()
    (folder / "streaming" / "sums.py").write_text(MUTATED)
    keys = {f"streaming.sums.x_add__mutmut_{name[1:]}": code for name, code in codes.items()}
    meta = json.dumps({"exit_code_by_key": keys})
    (folder / "streaming" / "sums.py.meta").write_text(meta)
    return [*read_modules(folder)]


def test_a_mutant_survives_if_the_tests_pass_unless_only_a_text_changed(tmp_path: Path) -> None:
    (module,) = results(tmp_path, n1=0, n2=0, n3=1)

    assert module.name == "streaming.sums"
    assert (module.killed, module.texts) == (1, 1)
    assert module.survivors == ["streaming.sums.x_add__mutmut_2"]
    assert module.share == 0.5


def test_a_timeout_is_killed_no_tests_is_not_and_what_was_not_run_does_not_count(
    tmp_path: Path,
) -> None:
    (module,) = results(tmp_path, n1=None, n2=33, n3=36)

    assert (module.killed, module.texts, len(module.survivors)) == (1, 0, 1)


def test_a_module_is_named_by_its_last_name_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("subprocess.run", lambda command, **_: commands.append(command))

    assert main(["model", "retries"]) == 0

    (command,) = commands
    first, second, third, fourth = command[-4:]
    assert fnmatch("model.x_load__mutmut_1", first)
    assert not fnmatch("streaming.consumer.data_model.x_load__mutmut_1", second)
    assert fnmatch("streaming.retries.xǁRetriesǁcall__mutmut_1", fourth)
    assert third == "retries.x*"
