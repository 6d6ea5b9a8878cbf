"""`streaming/__init__.py`: its three lists of names agree, and importing it costs nothing."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import streaming

ROOT = Path(__file__).parent.parent.parent
CONSTANTS = {"DECODE_ERRORS", "LATEST", "TRIM_HORIZON", "WHOLE_EVENT"}


def imported_for_type_checking() -> dict[str, str]:
    """Return the module of each name that is imported under `if TYPE_CHECKING`."""
    tree = ast.parse((ROOT / "streaming" / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    assert isinstance(block.test, ast.Name)
    assert block.test.id == "TYPE_CHECKING"
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(block.body)
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_the_names_that_type_checkers_see_are_those_that_are_imported_on_first_use() -> None:
    lazy = {name: f"streaming.{module}" for name, module in streaming._MODULE_OF.items()}

    assert lazy == imported_for_type_checking()


def test_all_lists_every_public_name_once() -> None:
    names = [name for names in streaming._NAMES.values() for name in names]

    assert sorted(streaming.__all__) == sorted(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", streaming.__all__)
def test_a_public_name_is_documented_where_it_is_defined(name: str) -> None:
    public = getattr(streaming, name)

    if name not in CONSTANTS:
        assert public.__module__ == f"streaming.{streaming._MODULE_OF[name]}"
        assert public.__doc__
        assert not public.__doc__.startswith(f"{name}(")  # as dataclasses generate


def test_the_typing_test_uses_every_public_name() -> None:
    tree = ast.parse((ROOT / "tests" / "typing_api.py").read_text())
    (names,) = (
        {alias.name for alias in node.names}
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "streaming"
    )

    assert names == set(streaming.__all__)


def test_only_classes_functions_and_constants_are_public() -> None:
    public = {name: getattr(streaming, name) for name in streaming.__all__}

    constants = {
        name
        for name, value in public.items()
        if not inspect.isclass(value) and not inspect.isfunction(value)
    }
    assert constants == CONSTANTS


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'streaming' has no attribute 'Unknown'"):
        streaming.Unknown  # noqa: B018  the access itself is tested


def modules_after(statement: str) -> set[str]:
    program = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    modules: list[Any] = json.loads(finished.stdout)
    return set(modules)


def test_importing_the_package_imports_no_submodule_and_no_other_package() -> None:
    imported = modules_after("import streaming") - modules_after("pass")

    packages = {name.partition(".")[0] for name in imported}
    assert {name for name in imported if name.partition(".")[0] == "streaming"} == {"streaming"}
    assert packages <= {"streaming", *sys.stdlib_module_names}


def test_importing_one_name_imports_only_its_module_and_what_that_needs() -> None:
    imported = modules_after("from streaming import iso_utc")

    ours = {name for name in imported if name.partition(".")[0] == "streaming"}
    assert ours == {"streaming", "streaming.timestamps"}
