"""`python -m scripts archive` as a child process, which does not outlive the soak."""

import sys

from local.processes import exit_with_parent
from scripts.archive import main

if __name__ == "__main__":
    exit_with_parent()
    sys.exit(main())
