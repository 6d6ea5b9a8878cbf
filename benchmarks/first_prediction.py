"""The process that starts: imports a handler, hands it the event on standard input, tells when.

It imports next to nothing itself, since its own imports would count. Run as
`python -m benchmarks.first_prediction <module.function>`; the last line it prints is a list:
when the handler was imported, when the first prediction was made (seconds of the monotonic clock,
which all processes of a Linux machine share), and the resident memory in kB.
"""

import json
import sys
import time
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Import and predict."""
    module, _, name = sys.argv[1].rpartition(".")
    handler = getattr(import_module(module), name)
    imported = time.monotonic()
    handler(json.load(sys.stdin), None)
    predicted = time.monotonic()
    status = Path("/proc/self/status").read_text()
    resident = int(status.partition("VmRSS:")[2].split()[0])
    print(json.dumps([imported, predicted, resident]))


if __name__ == "__main__":
    main()
