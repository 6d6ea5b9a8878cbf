"""The web service, with each request predicted by itself: what micro-batching is compared with."""

import os
import sys

import web.micro_batches
from web.__main__ import main

if __name__ == "__main__":
    web.micro_batches.BATCH_EVENTS, web.micro_batches.SHARE_EVENTS = 1, 0  # every one in turn
    sys.exit(main(os.environ))
