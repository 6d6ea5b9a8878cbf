"""Decide again what a decision service keeps, with another policy; without --apply only count.

The policy's version is at least that of every decision. It ends with an error if the table or the
stream is unavailable for a minute. Run it again then, or if it was interrupted: it goes on, and
what is decided already does not change.
"""

import argparse
import sys
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
from streaming.retries import Retries

CALLS: dict[str, Any] = {"retries": NO_RETRIES, "call_seconds": 30.0}
"""A page of a table has up to 1 MB (DynamoDB developer guide, Scan), which a slow line delays."""


@program(StreamingError)
def main(
    argv: Sequence[str] | None = None,
    *,
    dynamodb: Any = None,
    kinesis: Any = None,
    retries: Retries = Retries(),  # noqa: B008  it is immutable
) -> int:
    """Run the program; the exit status is 0 only if every item could be brought up to date."""
    options = _parser().parse_args(argv)
    policy = read_policy(options.policy, "--policy")
    endpoint = named_endpoint(options.endpoint_url)
    client = dynamodb or aws_client("dynamodb", endpoint, **CALLS)
    table = DecisionTable(client, options.table, time.time)
    decider = None
    if options.apply:
        kinesis = kinesis or kinesis_client(endpoint, **CALLS)
        publisher = Publisher(
            kinesis,
            options.stream,
            clock=retries.clock,
            sleep=retries.sleep,
            jitter=retries.jitter,
        )
        decider = Decider(policy, table, publisher, retries=retries)
    found = replay(table, policy, time.time, decider, retries=retries)
    for (before, after), number in sorted(found.changes.items()):
        print(printable(f"{before} -> {after}: {number:,}"))
    changed, items = found.changes.total(), counted(found.items, "item")
    what = "have another outcome" if options.apply else "would have another outcome"
    print(f"{changed:,} of {items} {what} with {policy.name} {policy.version}")
    for item, reason in found.failures.items():
        print(printable(f"failed: {item!r}: {reason}"))
    for key in found.unreadable:
        print(printable(f"passed over: {key!r}: not the state of an item"))
    if found.stopped is not None:
        done = "run it again for the others" if options.apply else "nothing was changed"
        print(printable(f"error: {found.stopped}; ended after {items}; {done}"), file=sys.stderr)
    return FAILED if found.failures or found.unreadable or found.stopped else 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__)
    parser.add_argument("--policy", required=True, help="a file, or s3://bucket/key")
    parser.add_argument("--table", required=True, help="the DynamoDB table")
    parser.add_argument("--stream", required=True, help="the stream of the decisions")
    parser.add_argument("--apply", action="store_true", help="publish the decisions that change")
    parser.add_argument("--endpoint-url", help="an emulator's; default: AWS")
    return parser
