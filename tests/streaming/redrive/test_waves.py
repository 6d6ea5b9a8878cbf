from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.publisher import CALL_ENTRIES
from streaming.redrive.waves import waves
from tests.dead_letter_objects import dead_letter
from tests.lambda_events import SHARD

ONE = dead_letter(b"one", 1)

# Records of a few partition keys, some in one of a few aggregated records.
origins = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=60)


@settings(deadline=None)
@given(origins)
def test_records_of_one_partition_key_or_aggregated_record_are_in_waves_of_their_order(
    origins: list[tuple[int, int]],
) -> None:
    records = [
        (
            str(number),
            msgspec.structs.replace(
                ONE,
                partition_key=f"key {key}",
                event_id=f"{SHARD}:{parent}:{number}" if parent else f"{SHARD}:{100 + number}",
            ),
        )
        for number, (key, parent) in enumerate(origins)
    ]

    put = list(waves(records))

    wave_of = {int(name): wave for wave, some in enumerate(put) for name, _ in some}
    assert sorted(wave_of) == list(range(len(origins)))
    for which in (0, 1):
        for group in {origin[which] for origin in origins} - ({0} if which else set()):
            numbers = [n for n, origin in enumerate(origins) if origin[which] == group]
            assert all(wave_of[earlier] < wave_of[later] for earlier, later in pairwise(numbers))


def test_entries_of_different_aggregated_records_go_together() -> None:
    records = [
        (str(number), msgspec.structs.replace(each, event_id=f"{SHARD}:{number}:0"))
        for number in range(3)
        for each in [dead_letter(str(number).encode(), number)]
    ]

    assert list(waves(records)) == [records]


def test_unrelated_records_go_together_as_many_as_a_call_takes() -> None:
    records = [
        (str(number), dead_letter(str(number).encode(), number))
        for number in range(2 * CALL_ENTRIES + 1)
    ]

    put = list(waves(records))

    assert [len(wave) for wave in put] == [CALL_ENTRIES, CALL_ENTRIES, 1]
    assert [record for wave in put for record in wave] == records
