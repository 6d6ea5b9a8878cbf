"""Run a program of this folder: `python -m scripts tail --limit 3`."""

import ast
import sys
from pathlib import Path

from cli.program import USAGE_ERROR, run_program


def programs() -> dict[str, str]:
    """Return each program's name and the first line of its docstring, without importing any."""
    trees = {path.stem: ast.parse(path.read_bytes()) for path in Path(__file__).parent.glob("*.py")}
    return {
        name: (ast.get_docstring(tree) or "").partition("\n")[0]
        for name, tree in sorted(trees.items())
        if name != "__main__" and any(getattr(node, "name", "") == "main" for node in tree.body)
    }


def main(argv: list[str]) -> int:
    """Run the program that the first argument names; without one, list the programs."""
    known = programs()
    name, *options = argv or ["--help"]
    if name in known:
        sys.argv = [f"python -m scripts {name}", *options]  # argparse shows it in --help
        run_program(f"scripts.{name}")
    if name in {"-h", "--help"}:
        lines = (f"  {name:<{max(map(len, known))}}  {line}" for name, line in known.items())
        print("usage: python -m scripts PROGRAM [--help | OPTIONS]", "", *lines, sep="\n")
        return 0
    print(f"error: the program is {name!r}; allowed: {', '.join(known)}", file=sys.stderr)
    return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
