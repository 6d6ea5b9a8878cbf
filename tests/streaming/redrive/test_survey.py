from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streaming.errors import PredictionFailed, StorageError
from streaming.redrive.formats import read_dead_letter_records
from streaming.redrive.survey import Selection, Survey, survey
from streaming.storage import FolderStorage
from tests.dead_letter_objects import (
    CORRUPT,
    INVALID,
    aggregated_dead_letters,
    dead_letter,
    write_dead_letters,
    write_discarded_batch,
)
from tests.lambda_events import SHARD

if TYPE_CHECKING:
    from pathlib import Path


EVERYTHING = Selection()


def survey_of(folder: Path, selection: Selection = EVERYTHING) -> Survey:
    storage = FolderStorage(folder)
    return survey(storage, storage.names(), selection, delivered=())


def test_objects_are_ordered_by_the_arrival_of_their_first_record(tmp_path: Path) -> None:
    write_dead_letters(tmp_path, dead_letter(b"three", 3, after=9))
    write_dead_letters(tmp_path, dead_letter(b"two", 2, after=5))
    write_discarded_batch(tmp_path, 1)

    found = survey_of(tmp_path)

    storage = FolderStorage(tmp_path)
    contents = [storage.read(name) for (name,) in found.objects]
    assert b"RetryAttemptsExhausted" in contents[0]
    assert [b'"sequence_number":"2"' in content for content in contents] == [False, True, False]


def test_objects_of_one_aggregated_record_are_ordered_by_its_entries(tmp_path: Path) -> None:
    records = aggregated_dead_letters(5, *(f"{number:02}".encode() for number in range(12)))
    write_dead_letters(tmp_path, dead_letter(b"six", 6))
    for each in reversed(records):
        write_dead_letters(tmp_path, each)

    found = survey_of(tmp_path)

    storage = FolderStorage(tmp_path)
    read = [
        [read_dead_letter_records(storage.read(name))[0].event_id for name in names]
        for names in found.objects
    ]
    assert read == [[f"{SHARD}:5:{number}" for number in range(12)], [f"{SHARD}:6"]]


def test_objects_of_different_aggregated_records_are_apart(tmp_path: Path) -> None:
    for number in (5, 6):
        write_dead_letters(tmp_path, *aggregated_dead_letters(number, b"a", b"b"))

    assert [len(names) for names in survey_of(tmp_path).objects] == [1, 1]


def test_objects_that_share_an_aggregated_record_are_together_also_through_a_third(
    tmp_path: Path,
) -> None:
    one, two, three = (
        aggregated_dead_letters(number, b"a", b"b", after=number) for number in (1, 2, 3)
    )
    write_dead_letters(tmp_path, one[0], two[0])
    write_dead_letters(tmp_path, two[1])
    write_dead_letters(tmp_path, dead_letter(b"alone", 4, after=2.5))
    write_dead_letters(tmp_path, one[1], three[0])
    write_dead_letters(tmp_path, three[1])

    assert [len(names) for names in survey_of(tmp_path).objects] == [4, 1]


def test_equal_records_of_two_streams_are_not_duplicates(tmp_path: Path) -> None:
    write_dead_letters(tmp_path, dead_letter(b"one", 1), dead_letter(b"one", 1, stream="other"))

    found = survey_of(tmp_path)

    assert (found.selected, found.duplicates) == (2, 0)


def test_records_among_the_dead_letters_of_another_stream_are_counted(tmp_path: Path) -> None:
    other = [dead_letter(data, 2, stream="other") for data in (b"two", b"three")]
    write_dead_letters(tmp_path, dead_letter(b"one", 1), *other)
    write_dead_letters(tmp_path, dead_letter(b"three", 3, stream="other"))
    write_discarded_batch(tmp_path, 4)

    assert survey_of(tmp_path).misplaced == {("ride_events", "other"): 2}


def test_the_location_may_end_in_the_stream(tmp_path: Path) -> None:
    write_dead_letters(tmp_path, dead_letter(b"one", 1), dead_letter(b"two", 2, stream="other"))
    folder = tmp_path / "ride_events"
    storage = FolderStorage(folder)

    found = survey(storage, storage.names(), EVERYTHING, (), location=f"{folder.as_uri()}/")

    assert found.misplaced == {("ride_events", "other"): 1}


def test_duplicates_are_recognised_by_event_id_and_data(tmp_path: Path) -> None:
    write_dead_letters(tmp_path, dead_letter(b"one", 1), dead_letter(b"one", 1))
    write_dead_letters(tmp_path, dead_letter(b"one", 1), dead_letter(b"two", 2))

    found = survey_of(tmp_path)

    assert (found.records, found.selected, found.duplicates) == (4, 2, 2)


def test_only_selected_records_are_counted_and_only_their_objects_returned(tmp_path: Path) -> None:
    write_dead_letters(tmp_path, dead_letter(b"a", 1))
    write_dead_letters(tmp_path, dead_letter(b"b", 2, CORRUPT, stream="other"))

    found = survey_of(tmp_path, Selection(error_types=frozenset({"CorruptRecord"})))

    assert (found.records, found.selected, found.streams) == (2, 1, {"other"})
    assert len(found.objects) == 1


def test_an_object_without_dead_letter_records_is_unreadable_with_the_reason(
    tmp_path: Path,
) -> None:
    write_dead_letters(tmp_path, dead_letter(b"one", 1))
    (tmp_path / "notes.txt").write_text("not a dead-letter record")

    found = survey_of(tmp_path)

    assert list(found.unreadable) == ["notes.txt"]
    assert "line 1 is not a dead-letter record" in found.unreadable["notes.txt"]
    assert found.selected == 1


def test_an_object_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot read .*gone"):
        survey(FolderStorage(tmp_path), ["gone"], EVERYTHING, ())


def test_records_are_grouped_by_error_without_its_values_and_with_an_example(
    tmp_path: Path,
) -> None:
    write_dead_letters(
        tmp_path,
        dead_letter(b"a", 1),
        dead_letter(b"b", 2, after=60),
        dead_letter(b"c", 3, CORRUPT),
        dead_letter(b"d", 4, PredictionFailed("12 bytes under a partition key of 9 characters")),
        dead_letter(b"e", 5, PredictionFailed("34 bytes under a partition key of 9 characters")),
    )
    write_discarded_batch(tmp_path, 6, 7)

    kinds = survey_of(tmp_path).kinds

    assert {key: kind.count for key, kind in kinds.items()} == {
        ("InvalidEvent", "ride_id…"): 2,
        ("CorruptRecord", "damaged gzip…"): 1,
        ("PredictionFailed", "… bytes under a partition key of … characters"): 2,
        ("RetryAttemptsExhausted", "function error…"): 2,
    }
    invalid = kinds["InvalidEvent", "ride_id…"]
    assert (invalid.first, invalid.last) == ("2025-03-01T13:15:00.123Z", "2025-03-01T13:16:00.123Z")
    assert invalid.example.error_message == str(INVALID)


def test_progress_is_reported_per_object(tmp_path: Path) -> None:
    write_dead_letters(tmp_path, dead_letter(b"one", 1), dead_letter(b"two", 2))
    write_dead_letters(tmp_path, dead_letter(b"three", 3))
    storage = FolderStorage(tmp_path)
    progress: list[int] = []

    survey(storage, storage.names(), EVERYTHING, (), advance=progress.append)

    assert progress == [1, 1]
