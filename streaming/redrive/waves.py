"""Which records may be in flight together, so that those that belong together keep their order."""

from collections.abc import Iterable, Iterator
from itertools import islice

from streaming.dead_letters import DeadLetterRecord
from streaming.publisher import CALL_ENTRIES
from streaming.redrive.formats import aggregated_record_id, partition_key

Identified = tuple[str, DeadLetterRecord]
"""A record's id and the record."""


def waves(records: Iterable[Identified]) -> Iterator[list[Identified]]:
    """Yield records in waves; each is to be put before the next one begins.

    PutRecords keeps no order among the entries of a call, and may refuse one and accept the next.
    So no two records of a wave have one partition key or come from one aggregated record, and each
    record is in an earlier wave than those that follow it in either.

    Args:
        records: In order.

    Yields:
        At most `CALL_ENTRIES` records.
    """
    by_wave: list[list[Identified]] = []
    next_wave: dict[tuple[str, str], int] = {}
    for record_id, record in records:
        groups = [("key", partition_key(record))]
        if parent := aggregated_record_id(record):
            groups.append(("aggregated record", parent))
        wave = max(next_wave.get(group, 0) for group in groups)
        next_wave.update(dict.fromkeys(groups, wave + 1))
        if wave == len(by_wave):
            by_wave.append([])
        by_wave[wave].append((record_id, record))
    for together in by_wave:
        rest = iter(together)
        while some := list(islice(rest, CALL_ENTRIES)):
            yield some
