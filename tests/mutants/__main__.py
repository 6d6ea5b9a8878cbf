"""Mutate streaming/ and model.py with mutmut, run the unit tests on each mutant, and count.

python -m tests.mutants                  # everything
python -m tests.mutants publisher retries
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cli.arguments import Parser
from cli.program import program

FOLDER = Path("mutants")
SHARE_KILLED = 0.95
"""Of the mutants of a module, texts aside."""

SURVIVED = {0, 5, 33}
"""mutmut's codes: the tests pass, or none runs the line."""


@dataclass(slots=True)
class Module:
    """The mutants of a module.

    Attributes:
        name: The module.
        killed: How many the tests notice.
        texts: How many survive that change nothing but texts.
        survivors: The others that survive.
    """

    name: str
    killed: int = 0
    texts: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share that is killed, texts aside."""
        return self.killed / ((self.killed + len(self.survivors)) or 1)


@program()
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status: 1 if a module has too many survivors."""
    parser = Parser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="such as publisher; default: all")
    parser.add_argument("--processes", default="2", help="default: %(default)s")
    options = parser.parse_args(arguments)
    patterns = [f"{at}{name}.x*" for name in options.modules for at in ("", "*.")]
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", options.processes]
    subprocess.run([*command, *patterns], check=True)
    modules = [each for each in read_modules(FOLDER) if each.killed or each.survivors]
    for module in modules:
        total = module.killed + len(module.survivors)
        print(f"{module.share:6.1%}  {module.killed:>4} of {total:<4}  {module.name}")
        for survivor in module.survivors:
            print(f"          mutmut show {survivor}")
    return int(any(module.share < SHARE_KILLED for module in modules))


def read_modules(folder: Path) -> Iterator[Module]:
    """Read mutmut's results.

    Args:
        folder: Where mutmut keeps the mutated modules and, beside each, its results.
    """
    for path in sorted(folder.rglob("*.py.meta")):
        results = json.loads(path.read_text())["exit_code_by_key"]
        source = path.with_suffix("")
        names = source.relative_to(folder).with_suffix("").parts
        module = Module(".".join(names))
        functions = without_texts(source.read_text()) if results else {}
        for key, code in results.items():
            function = key.rpartition(".")[2]
            original = f"{function.rpartition('__mutmut_')[0]}__mutmut_orig"
            if code in SURVIVED:
                if functions[function] == functions[original]:
                    module.texts += 1
                else:
                    module.survivors.append(key)
            elif code is not None:
                module.killed += 1
        yield module


def without_texts(source: str) -> dict[str, str]:
    """Return each function of a mutated module without its name and its texts."""
    functions = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    part.value = ""
            functions[node.name] = ast.dump(ast.Module(node.body, []))
    return functions


if __name__ == "__main__":
    sys.exit(main())
