"""Run the example with `model` being this folder's: `batch` imports it by that name."""

import sys
from pathlib import Path

from cli.program import run_program

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    run_program("examples.churn.campaign")
