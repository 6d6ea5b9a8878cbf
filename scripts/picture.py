"""Draw docs/run.svg: what `make run` shows on a terminal, from a real run."""

import os
import pty
import re
import struct
import sys
from fcntl import ioctl
from io import StringIO
from pathlib import Path
from termios import TIOCSWINSZ

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from cli.arguments import Parser
from cli.program import program

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "run.svg"
COLUMNS, LINES = 100, 48
RIDES, RATE, POISON, SEED = "3000", "150", "0.01", "1"
MOMENT = 0.8
"""Of the frames that were shown, the one that is drawn; near the end the totals are the whole."""

NEXT_FRAME = re.compile(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)+")
"""How rich clears a frame before it writes the next one."""

# rich's own template loads a font from a server.
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<title>make run</title>
<style>
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@program(OSError)
def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = Parser(description=__doc__)
    parser.add_argument("--output", type=Path, default=PICTURE, help="default: %(default)s")
    options = parser.parse_args(argv)
    frames = NEXT_FRAME.split(record())
    options.output.write_text(draw(frames[int(len(frames) * MOMENT)]))
    print(f"{options.output}, from one of {len(frames)} frames")
    return 0


def record() -> str:
    """Return everything that a run writes to a terminal of `COLUMNS` and `LINES`."""
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover  another process
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
        rides = ["--rides", RIDES, "--rate", RATE, "--poison", POISON, "--seed", SEED]
        os.execv(sys.executable, [sys.executable, "-m", "demo", *rides])  # noqa: S606
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    written = b""
    try:
        while some := os.read(terminal, 65_536):
            written += some
    except OSError:  # Linux reports the end of a terminal's other side as an error
        pass
    os.waitpid(child, 0)
    return written.decode()


def draw(frame: str) -> str:
    """Return the SVG of a frame: text with ANSI colours."""
    console = Console(record=True, file=StringIO(), width=COLUMNS, force_terminal=True)
    console.print(Text.from_ansi(frame.replace("\r\n", "\n").rstrip()))
    return console.export_svg(
        title="make run", theme=DIMMED_MONOKAI, code_format=SVG, unique_id="run"
    )
