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
    for path in _of_the_project(used):
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
    for module in sorted({name for path in own for name in _imported(path)}):
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


def _imported(path: Path) -> set[str]:
    nodes = [*ast.walk(ast.parse(path.read_bytes()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


def _copied() -> list[str]:
    """Return the patterns of the files that the Dockerfile copies to the function."""
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text()
    sent = re.findall(r"^!(.+)$", ignored, re.MULTILINE)
    return [pattern for sources in copies for pattern in sources.split() if pattern in sent]


def _matches(name: str, pattern: str) -> bool:
    in_the_folder = name.count("/") == pattern.count("/") and fnmatch(name, pattern)
    return in_the_folder or name.startswith(f"{pattern}/")
