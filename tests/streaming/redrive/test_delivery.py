from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from streaming.errors import PredictionFailed
from streaming.publisher import Publisher
from streaming.redrive.delivery import Delivery, deliver
from streaming.redrive.delivery_log import DeliveryLog
from streaming.redrive.survey import Selection, Survey, survey
from streaming.storage import FolderStorage
from tests.dead_letter_objects import (
    CORRUPT,
    INVALID,
    dead_letter,
    write_dead_letters,
    write_discarded_batch,
)
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.lambda_events import SHARD

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = Selection()
THROTTLED = "ProvisionedThroughputExceededException"


class Place:
    """Dead letters in a folder, a stream to put them on, and a delivery_log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "dead"
        self.folder.mkdir()
        self.objects = FolderStorage(self.folder)
        self.clock = Clock()
        self.kinesis = FakeKinesis(self.clock)
        for stream in ("ride_events", "other"):
            self.kinesis.create_stream(StreamName=stream, ShardCount=1)
        self._state = folder / "state"

    def delivery_log(self) -> DeliveryLog:
        return DeliveryLog(self._state, "here", None)

    def survey(self, selection: Selection = EVERYTHING) -> Survey:
        return survey(self.objects, self.objects.names(), selection, self.delivery_log())

    def publisher(self, stream: str) -> Publisher:
        return Publisher(
            self.kinesis, stream, clock=self.clock.now, sleep=self.clock.sleep, jitter=lambda: 1.0
        )

    def deliver(self, selection: Selection = EVERYTHING, *, delete: bool = False) -> Delivery:
        with self.delivery_log() as delivery_log:
            return deliver(
                self.objects,
                self.survey(selection).objects,
                selection,
                delivery_log,
                self.publisher,
                delete=delete,
                clock=self.clock.now,
            )

    def on_stream(self, stream: str = "ride_events") -> list[bytes]:
        return self.kinesis.payloads(stream)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_letters_of_both_kinds_go_back_as_they_were_in_order_of_arrival(place: Place) -> None:
    write_dead_letters(
        place.folder, dead_letter(b"three", 3, after=9), dead_letter(b"four", 4, after=9)
    )
    write_dead_letters(place.folder, dead_letter(b"two", 2, after=5))
    write_discarded_batch(place.folder, 1)

    assert place.deliver() == Delivery(delivered=4)

    assert place.on_stream() == [b"event 1", b"two", b"three", b"four"]
    (first, *_) = (given for name, given in place.kinesis.calls if name == "put_records")
    assert first["Records"] == [{"Data": b"event 1", "PartitionKey": "key 1"}]


def test_a_letter_goes_back_to_the_stream_it_came_from(place: Place) -> None:
    write_dead_letters(place.folder, dead_letter(b"one", 1))
    write_dead_letters(place.folder, dead_letter(b"two", 2, stream="other"))

    place.deliver()

    assert (place.on_stream(), place.on_stream("other")) == ([b"one"], [b"two"])


def test_doubles_are_known_by_their_event_id_and_put_once(place: Place) -> None:
    write_dead_letters(place.folder, dead_letter(b"one", 1), dead_letter(b"one", 1))
    write_dead_letters(place.folder, dead_letter(b"one", 1), dead_letter(b"two", 2))

    found = place.survey()
    place.deliver()

    assert (found.records, found.selected, found.duplicates) == (4, 2, 2)
    assert sorted(place.on_stream()) == [b"one", b"two"]


def test_an_event_id_that_was_used_twice_makes_no_double_of_other_data(place: Place) -> None:
    write_dead_letters(place.folder, dead_letter(b"one", 1), dead_letter(b"another one", 1))

    assert place.deliver().delivered == 2


def test_letters_without_an_event_id_are_no_doubles_of_each_other(place: Place) -> None:
    path = place.folder / "a.jsonl"
    write_dead_letters(place.folder, dead_letter(b"one", 1))
    (kept,) = place.folder.rglob("*.jsonl")
    anonymous = kept.read_text().replace(f'"{SHARD}:1"', "null")
    kept.unlink()
    path.write_text(anonymous * 2)

    assert place.deliver().delivered == 2
    assert place.deliver().delivered == 0


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(error_types=frozenset({"CorruptRecord"})), [b"b"]),
        (Selection(error_types=frozenset({"CorruptRecord", "InvalidEvent"})), [b"a", b"b", b"c"]),
        (Selection(error_types=frozenset({"RetryAttemptsExhausted"})), [b"event 9"]),
        (Selection(shard_ids=frozenset({"shardId-000000000001"})), []),
        (Selection(since=datetime.fromisoformat("2025-03-01T13:15:10Z")), [b"b", b"c"]),
        (Selection(until=datetime.fromisoformat("2025-03-01T14:15:10+01:00")), [b"event 9", b"a"]),
        (
            Selection(
                since=datetime.fromisoformat("2025-03-01T13:15:10.123Z"),
                until=datetime.fromisoformat("2025-03-01T13:15:20.123Z"),
            ),
            [b"b"],
        ),
    ],
)
def test_only_what_is_selected_is_put(
    place: Place, selection: Selection, chosen: list[bytes]
) -> None:
    write_dead_letters(
        place.folder,
        dead_letter(b"a", 11),
        dead_letter(b"b", 12, CORRUPT, after=10),
        dead_letter(b"c", 13, after=20),
    )
    write_discarded_batch(place.folder, 9)

    place.deliver(selection)

    assert place.on_stream() == chosen


def many(folder: Path) -> list[bytes]:
    names = [f"{number:04}".encode() for number in range(1200)]
    write_dead_letters(folder, *(dead_letter(name, number) for number, name in enumerate(names)))
    return names


def test_an_interrupted_delivery_goes_on_where_it_was(place: Place) -> None:
    names = many(place.folder)
    place.kinesis.fail("put_records", None, None, KeyboardInterrupt())  # type: ignore[arg-type]  # Ctrl-C
    with pytest.raises(KeyboardInterrupt):
        place.deliver(delete=True)
    assert len(place.on_stream()) == 1000
    assert place.survey().delivered == 1000

    assert place.deliver(delete=True) == Delivery(delivered=200, deleted=1)

    assert place.on_stream() == names


def test_what_kinesis_refuses_ends_it_and_stays_for_the_next_time(place: Place) -> None:
    names = many(place.folder)
    place.kinesis.refuse = lambda entry: THROTTLED if entry["Data"] == b"0700" else None

    done = place.deliver(delete=True)

    assert (done.delivered, done.failure, done.deleted) == (999, THROTTLED, 0)
    place.kinesis.refuse = lambda _entry: None
    assert place.deliver() == Delivery(delivered=201)
    assert sorted(place.on_stream()) == names


def test_a_letter_that_kinesis_never_takes_does_not_hold_up_the_others(place: Place) -> None:
    write_dead_letters(place.folder, dead_letter(b"x" * 1024 * 1024, 1), dead_letter(b"two", 2))

    assert place.deliver(delete=True) == Delivery(delivered=1, unacceptable=1)

    assert place.on_stream() == [b"two"]
    assert len(place.objects.names()) == 1


def test_an_object_is_deleted_only_when_all_of_it_was_delivered(place: Place) -> None:
    write_dead_letters(place.folder, dead_letter(b"a", 1), dead_letter(b"b", 2, CORRUPT))
    invalid = Selection(error_types=frozenset({"InvalidEvent"}))

    assert place.deliver(invalid, delete=True) == Delivery(delivered=1, deleted=0)
    assert place.deliver() == Delivery(delivered=1)
    assert len(place.objects.names()) == 1
    assert place.deliver(delete=True) == Delivery(deleted=1)
    assert place.objects.names() == []


def test_what_is_no_dead_letter_is_named_and_never_deleted(place: Place) -> None:
    write_dead_letters(place.folder, dead_letter(b"one", 1))
    (place.folder / "notes.txt").write_text("not a letter")

    found = place.survey()
    place.deliver(delete=True)

    assert list(found.unreadable) == ["notes.txt"]
    assert "line 1 is not a dead-letter record" in found.unreadable["notes.txt"]
    assert place.objects.names() == ["notes.txt"]


def test_letters_are_summed_up_by_what_is_wrong_with_an_example(place: Place) -> None:
    write_dead_letters(
        place.folder,
        dead_letter(b"a", 1),
        dead_letter(b"b", 2, after=60),
        dead_letter(b"c", 3, CORRUPT),
        dead_letter(b"d", 4, PredictionFailed("12 bytes under a partition key of 9 characters")),
        dead_letter(b"e", 5, PredictionFailed("34 bytes under a partition key of 9 characters")),
    )
    write_discarded_batch(place.folder, 6, 7)

    kinds = place.survey().kinds

    assert {key: kind.count for key, kind in kinds.items()} == {
        ("InvalidEvent", "ride_id…"): 2,
        ("CorruptRecord", "damaged gzip…"): 1,
        ("PredictionFailed", "… bytes under a partition key of … characters"): 2,
        ("RetryAttemptsExhausted", "function error…"): 2,
    }
    invalid = kinds["InvalidEvent", "ride_id…"]
    assert (invalid.first, invalid.last) == ("2025-03-01T13:15:00.123Z", "2025-03-01T13:16:00.123Z")
    assert invalid.example.error_message == str(INVALID)


def test_progress_is_told_object_by_object_and_letter_by_letter(place: Place) -> None:
    many(place.folder)
    write_dead_letters(place.folder, dead_letter(b"one", 7777))
    read: list[int] = []
    put: list[int] = []
    names = place.objects.names()

    with place.delivery_log() as delivery_log:
        found = survey(place.objects, names, EVERYTHING, delivery_log, advance=read.append)
        deliver(
            place.objects,
            found.objects,
            EVERYTHING,
            delivery_log,
            place.publisher,
            clock=place.clock.now,
            advance=put.append,
        )

    assert read == [1, 1]
    assert sum(put) == found.selected == 1201
