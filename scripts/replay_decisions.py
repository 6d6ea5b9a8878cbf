"""Decide again what a decision service keeps, with another policy; without --apply only count.

The policy's version is at least that of every decision. Run it again if it was interrupted: what is
decided already does not change.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

from cli.arguments import Parser
from cli.endpoint import named_endpoint
from cli.printable import counted, printable
from cli.program import FAILED, program
from streaming import Publisher, StreamingError, aws_client, kinesis_client
from streaming.clients import NO_RETRIES
from streaming.decisions.decider import Decider
from streaming.decisions.decision_service import read_policy
from streaming.decisions.decision_table import DecisionTable
from streaming.decisions.replay import replay


@program(StreamingError)
def main(argv: Sequence[str] | None = None, *, dynamodb: Any = None, kinesis: Any = None) -> int:
    """Run the program; the exit status is 0 only if every item could be brought up to date."""
    options = _parser().parse_args(argv)
    policy = read_policy(options.policy, "--policy")
    endpoint = named_endpoint(options.endpoint_url)
    client = dynamodb or aws_client("dynamodb", endpoint, retries=NO_RETRIES)
    table = DecisionTable(client, options.table, time.time)
    decider = None
    if options.apply:
        kinesis = kinesis or kinesis_client(endpoint, retries=NO_RETRIES)
        decider = Decider(policy, table, Publisher(kinesis, options.stream))
    found = replay(table, policy, time.time, decider)
    for (before, after), number in sorted(found.changes.items()):
        print(printable(f"{before} -> {after}: {number:,}"))
    changed = sum(found.changes.values())
    what = "have another outcome" if options.apply else "would have another outcome"
    print(
        f"{changed:,} of {counted(found.items, 'item')} {what} with {policy.name} {policy.version}"
    )
    for item, reason in found.failures.items():
        print(printable(f"failed: {item!r}: {reason}"))
    return FAILED if found.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__)
    parser.add_argument("--policy", required=True, help="a file, or s3://bucket/key")
    parser.add_argument("--table", required=True, help="the DynamoDB table")
    parser.add_argument("--stream", required=True, help="the stream of the decisions")
    parser.add_argument("--apply", action="store_true", help="publish the decisions that change")
    parser.add_argument("--endpoint-url", help="an emulator's; default: AWS")
    return parser
