"""What the function's image holds, beside what a model uses."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOW_TO_ADD_A_FILE = (
    "rename a helper module to model_*.py, move other files to models/, or name it in the "
    "Dockerfile and in .dockerignore"
)
HOW_TO_ADD_A_PACKAGE = (
    'add its package to the group "function" in pyproject.toml and run `make lock`'
)


def missing_files(used: Iterable[Path]) -> Iterator[str]:
    """Return a line for each file of the project that is used, and that the image does not hold.

    Args:
        used: Files that were imported or opened; those outside of the project are ignored.
    """
    patterns = _copied()
    paths = _of_the_project(used)
    # Also by name: what this program had loaded itself is not noticed as loaded by the model.
    named = {name for path in paths if _is_own(path) for name in _imported(path)}
    for path in sorted({*paths, *_modules(named)}):
        name = path.relative_to(ROOT).as_posix()
        if not any(_matches(name, pattern) for pattern in patterns):
            yield f"model.py uses {name}, which the image does not hold: {HOW_TO_ADD_A_FILE}"


def missing_packages(used: Iterable[Path]) -> Iterator[str]:
    """Return a line for each package that the model's modules import, and that the image lacks.

    Args:
        used: As for `missing_files`.
    """
    lock = (ROOT / "requirements" / "function.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9.-]+)==", lock, re.MULTILINE))
    of_module = packages_distributions()
    own = [path for path in _of_the_project(used) if path.suffix == ".py"]
    imported = {name.partition(".")[0] for path in own for name in _imported(path)}
    for module in sorted(imported):
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in of_module.get(module, ())}
        if names and not names & locked:
            yield (
                f"model.py imports {module}, which the image does not hold: {HOW_TO_ADD_A_PACKAGE}"
            )


def _of_the_project(used: Iterable[Path]) -> list[Path]:
    environment = Path(sys.prefix).resolve()
    paths = sorted({path.resolve() for path in used})
    inside = [path for path in paths if path.is_relative_to(ROOT) and path.is_file()]
    return [
        path
        for path in inside
        if not path.is_relative_to(environment) and path.parent.name != "__pycache__"
    ]


def _is_own(path: Path) -> bool:
    return path.suffix == ".py" and not path.is_relative_to(ROOT / "streaming")


def _imported(path: Path) -> set[str]:
    """Return the names that a module may import: of modules, and of what is in them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(module)):
                names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
            case ast.Call(
                func=ast.Name("import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(str(name)), *_],
            ):
                names.add(name)
    return names


def _modules(names: Iterable[str]) -> set[Path]:
    """Return the files of the project's modules with these names, and of their packages."""
    parts = [name.split(".") for name in names]
    stems = {ROOT.joinpath(*part[:count]) for part in parts for count in range(1, len(part) + 1)}
    files = {file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py")}
    return {file for file in files if file.is_file()}


def _copied() -> list[str]:
    """Return the patterns of the files that the Dockerfile copies to the function."""
    _, _, stage = (ROOT / "Dockerfile").read_text().partition(" AS function\n")
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", stage, re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text()
    sent = re.findall(r"^!(.+)$", ignored, re.MULTILINE)
    return [pattern for sources in copies for pattern in sources.split() if pattern in sent]


def _matches(name: str, pattern: str) -> bool:
    in_the_folder = name.count("/") == pattern.count("/") and fnmatch(name, pattern)
    return in_the_folder or name.startswith(f"{pattern}/")
