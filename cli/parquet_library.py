"""How to install the Parquet library, which only some commands need."""

import shlex
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements" / "parquet.txt"


def install_command(python: str, folder: Path) -> str:
    """Return the command that installs the Parquet library.

    Args:
        python: The absolute path of the Python to install it for.
        folder: Where the command is run; paths below it are relative to it.
    """
    program, requirements = (
        shlex.quote(str(path.relative_to(folder) if path.is_relative_to(folder) else path))
        for path in (Path(python), REQUIREMENTS)
    )
    return f"{program} -m pip install --require-hashes -r {requirements}"
