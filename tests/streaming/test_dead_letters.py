from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from streaming.consumer.poison import dead_letter_record
from streaming.consumer.records import user_records
from streaming.dead_letters import DeadLetterRecord, encode_lines, object_name
from streaming.errors import InvalidEvent
from streaming.storage import FolderStorage
from tests.lambda_events import ARRIVED, record

if TYPE_CHECKING:
    from pathlib import Path

ERROR = InvalidEvent("ride_id", "", "a string of 1 to 128 characters")


def dead_letter(data: bytes = b"bad", sequence_number: int = 42) -> DeadLetterRecord:
    (user_record,) = user_records([record(data, sequence_number, key="k", arrived=ARRIVED)], 0.0)
    return dead_letter_record(user_record, "ride_events", ERROR)


def write(folder: Path, *records: DeadLetterRecord) -> None:
    FolderStorage(folder).put(object_name(records), encode_lines(records))


def test_an_object_is_named_by_stream_and_day_of_arrival(tmp_path: Path) -> None:
    write(tmp_path, dead_letter())

    (path,) = tmp_path.rglob("*.*")
    assert path.relative_to(tmp_path).parent.as_posix() == "ride_events/2025/03/01"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_an_object_has_the_same_name_in_every_time_zone(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    with monkeypatch.context() as local:
        local.setenv("TZ", zone)
        time.tzset()
        name = object_name([dead_letter()])
    time.tzset()

    assert re.fullmatch(r"ride_events/2025/03/01/[0-9a-f]{32}\.jsonl", name)


def test_an_object_has_one_line_per_record() -> None:
    lines = encode_lines([dead_letter(sequence_number=n) for n in (1, 2, 3)]).splitlines()

    assert [b'"sequence_number":"%d"' % n in line for n, line in enumerate(lines, 1)] == [True] * 3


def test_a_retry_overwrites_the_object_instead_of_duplicating_it(tmp_path: Path) -> None:
    for _ in range(2):
        write(tmp_path, *(dead_letter(sequence_number=n) for n in (1, 2)))

    assert len(list(tmp_path.rglob("*.*"))) == 1


def test_different_records_have_different_names() -> None:
    assert object_name([dead_letter(sequence_number=1)]) != object_name(
        [dead_letter(sequence_number=2)]
    )


def test_records_with_one_event_id_but_different_data_do_not_overwrite_each_other(
    tmp_path: Path,
) -> None:
    for data in (b"bad one", b"bad two"):
        write(tmp_path, dead_letter(data))

    assert len(list(tmp_path.rglob("*.jsonl"))) == 2


def test_records_without_event_ids_are_named_by_their_data() -> None:
    (one,) = user_records([{"kinesis": {"data": "b25l"}}], ARRIVED)
    (two,) = user_records([{"kinesis": {"data": "dHdv"}}], ARRIVED)

    names = {object_name([dead_letter_record(each, None, ERROR)]) for each in (one, two)}

    assert len(names) == 2
    assert all(name.startswith("unknown/2025/03/01/") for name in names)
