"""The user records in a stream's records."""

import msgspec

from streaming.aggregation import AGGREGATE_MAGIC, deaggregate
from streaming.errors import CorruptRecord
from streaming.reader.shard_reader import StreamRecord


def user_records(record: StreamRecord) -> list[StreamRecord]:
    """Return the user records in a record: the entries of an aggregated record, or the record.

    A damaged aggregated record is returned as it is, as by the KCL, and so is a damaged entry.
    """
    if not record.data.startswith(AGGREGATE_MAGIC):
        return [record]
    try:
        entries = deaggregate(record.data)
    except CorruptRecord:
        return [record]
    return [
        msgspec.structs.replace(
            record,
            partition_key=record.partition_key if key is None else key,
            data=data,
            sub_sequence_number=index,
        )
        for index, (key, data, _) in enumerate(entries)
    ]
