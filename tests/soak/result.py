"""What one soak found."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.event_source_mapping.mapping_metrics import MappingSnapshot
from tests.soak.reconciliation import Answer, Expected, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a soak found.

    Attributes:
        expected: What had to become of the events.
        answers: What the reader got, in its order.
        verdict: What did become of them.
        put: Records that Kinesis accepted.
        written: Records on the output stream.
        duplicates: Records that the reader knew again and dropped.
        dead_letter_doubles: Dead letters that stand in a second object too.
        mapping: The event source mapping's counts.
        resent: Entries that the function sent again, as far as its log says.
        longest_stall: Of any shard, in seconds.
        stuck_shards: Shards that were not read to their end.
        calls: By operation: calls that came to the proxy.
        faults: By operation and kind: faults injected.
        process_faults: By kind: what was done to the function and the clock.
        put_seconds: How long records were put.
        seconds: How long it took until every event was accounted for, or given up.
    """

    expected: Expected
    answers: list[Answer]
    verdict: Verdict
    put: int
    written: int
    duplicates: int
    dead_letter_doubles: int
    mapping: MappingSnapshot
    resent: int
    longest_stall: float
    stuck_shards: int
    calls: Mapping[str, int]
    faults: Mapping[str, int]
    process_faults: Mapping[str, int]
    put_seconds: float
    seconds: float

    @property
    def unread(self) -> int:
        """Records on the output stream that the reader neither gave nor dropped."""
        return self.written - len(self.answers) - self.duplicates

    @property
    def passed(self) -> bool:
        """Whether the promise was kept for every event, and by the reader too."""
        clean = not (self.unread or self.stuck_shards or self.mapping.records_discarded)
        return self.verdict.passed and clean


def resent(log: Path) -> int:
    """Sum what the function's log says of entries sent again; a killed batch logs nothing."""
    total = 0
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"message":"batch"' in line:
                with suppress(ValueError):
                    total += json.loads(line)["retried"]
    return total
