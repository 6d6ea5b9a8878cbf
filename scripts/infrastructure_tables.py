"""Write the tables of variables and outputs in infrastructure/README.md from the .tf files.

It reads what `terraform fmt` leaves, in which each attribute of a block is on a line of its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "infrastructure"
BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
DESCRIPTION = re.compile(r'^  description = "(.*)"$', re.MULTILINE)
TYPE = re.compile(r"^  type\s+= (.*(?:\n    .*)*(?:\n  \}\)+)?)", re.MULTILINE)
DEFAULT = re.compile(r"^  default\s+= (.*)$", re.MULTILINE)
ATTRIBUTE = re.compile(r"^    (\w+)\s+= (?:optional\((.*)\)|(\S+))\s+# (.+)$", re.MULTILINE)
TABLES = re.compile(r"(<!-- tables -->\n).*(<!-- end -->)", re.DOTALL)


def main(folder: Path = FOLDER) -> int:
    """Write the tables; return the exit status."""
    readme = folder / "README.md"
    readme.write_text(TABLES.sub(rf"\1{tables(folder)}\2", readme.read_text()))
    return 0


def tables(folder: Path = FOLDER) -> str:
    """Return the tables in Markdown: variables, the attributes of objects, outputs."""
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.tf")))
    blocks = [(kind, name, body) for kind, name, body in BLOCK.findall(text)]
    variables = sorted((name, body) for kind, name, body in blocks if kind == "variable")
    outputs = sorted((name, body) for kind, name, body in blocks if kind == "output")
    parts = [["| variable | type | default | |", "|---|---|---|---|"]]
    parts[0] += [_variable(name, body) for name, body in variables]
    for name, body in variables:
        if attributes := list(_attributes(body)):
            parts.append([f"| `{name}` | type | default | |", "|---|---|---|---|", *attributes])
    described = [f"| `{name}` | {_description(body)} |" for name, body in outputs]
    parts.append(["| output | |", "|---|---|", *described])
    return "\n" + "".join("\n".join(lines) + "\n\n" for lines in parts)


def _variable(name: str, body: str) -> str:
    found = TYPE.search(body)
    kind = found[1] if found else "any"
    if "object" in kind:  # its attributes have a table of their own
        kind = "map of objects" if kind.startswith("map") else "object"
    default = DEFAULT.search(body)
    shown = f"`{default[1]}`" if default else "required"
    return f"| `{name}` | {kind} | {shown} | {_description(body)} |"


def _attributes(body: str) -> Iterator[str]:
    for name, optional, required, comment in ATTRIBUTE.findall(body):
        kind, comma, default = optional.partition(", ")
        shown = f"`{default}`" if comma else "null" if optional else "required"
        yield f"| `{name}` | {kind or required} | {shown} | {comment} |"


def _description(body: str) -> str:
    found = DESCRIPTION.search(body)
    return found[1].replace("|", "\\|") if found else ""
