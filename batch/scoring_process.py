"""Scores an interval: an `Order` on its standard input, an `Answer` on its standard output."""

import signal
import sys
from importlib import import_module

import msgspec

from batch.scoring_job import Order

if __name__ == "__main__":
    # Ctrl-C ends it without a word, also while it imports what takes long.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    answer = import_module("batch.interval_scoring").answer(order)
    sys.stdout.buffer.write(msgspec.json.encode(answer))
