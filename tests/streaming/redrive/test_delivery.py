from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.redrive.delivery import Delivery, deliver
from streaming.redrive.delivery_log import DeliveryLog
from streaming.redrive.survey import Selection, Survey, survey
from streaming.storage import FolderStorage
from tests.dead_letter_objects import (
    CORRUPT,
    aggregated,
    aggregated_dead_letters,
    dead_letter,
    discarded_batch,
    write_dead_letters,
    write_discarded_batch,
)
from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis
from tests.lambda_events import ARN, SHARD
from tests.publish_on_clock import publish_on

if TYPE_CHECKING:
    from streaming.dead_letters import DeadLetterRecord

EVERYTHING = Selection()
THROTTLED = "ProvisionedThroughputExceededException"


class Environment:
    """A folder of dead letters, the streams they came from, and a delivery log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "dead"
        self.folder.mkdir()
        self.storage = FolderStorage(self.folder)
        self.clock = Clock()
        self.kinesis = FakeKinesis(self.clock)
        for stream in ("ride_events", "other"):
            self.kinesis.create_stream(StreamName=stream, ShardCount=1)
        self._log_path = folder / "redrive.log"

    def delivery_log(self, stream: str | None = None) -> DeliveryLog:
        return DeliveryLog(self._log_path, "here", stream, sync=lambda _file: None)

    def survey(self, selection: Selection = EVERYTHING) -> Survey:
        return survey(self.storage, self.storage.names(), selection, self.delivery_log())

    def deliver(
        self, selection: Selection = EVERYTHING, *, stream: str | None = None, **options: Any
    ) -> Delivery:
        with self.delivery_log(stream) as delivery_log:
            names = self.storage.names()
            return deliver(
                self.storage,
                survey(self.storage, names, selection, delivery_log).objects,
                selection,
                delivery_log,
                self.kinesis,
                publish=publish_on(self.clock),
                **options,
            )

    def on_stream(self, stream: str = "ride_events") -> list[bytes]:
        return self.kinesis.payloads(stream)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


def test_dead_letters_of_both_kinds_are_redriven_as_received_in_order_of_arrival(
    environment: Environment,
) -> None:
    write_dead_letters(
        environment.folder, dead_letter(b"three", 3, after=9), dead_letter(b"four", 4, after=9)
    )
    write_dead_letters(environment.folder, dead_letter(b"two", 2, after=5))
    write_discarded_batch(environment.folder, 1)

    assert environment.deliver() == Delivery(delivered=4)

    assert environment.on_stream() == [b"event 1", b"two", b"three", b"four"]
    (first, *_) = (
        arguments for name, arguments in environment.kinesis.calls if name == "put_records"
    )
    assert first["Records"] == [{"Data": b"event 1", "PartitionKey": "key 1"}]


def test_a_record_is_redriven_to_the_stream_it_came_from(environment: Environment) -> None:
    write_dead_letters(environment.folder, dead_letter(b"one", 1))
    write_dead_letters(environment.folder, dead_letter(b"two", 2, stream="other"))

    environment.deliver()

    assert (environment.on_stream(), environment.on_stream("other")) == ([b"one"], [b"two"])


def test_records_of_two_streams_in_one_object_each_go_to_their_own(
    environment: Environment,
) -> None:
    # Two streams number their records alike; some emulators start every stream at the same number.
    same = b"the same"
    write_dead_letters(
        environment.folder,
        dead_letter(b"one", 1),
        dead_letter(same, 2),
        dead_letter(same, 2, stream="other"),
        dead_letter(b"three", 3, stream="other"),
    )

    assert environment.deliver(delete=True) == Delivery(delivered=4, deleted=1)

    assert environment.on_stream() == [b"one", same]
    assert environment.on_stream("other") == [same, b"three"]
    calls = [name for name, _ in environment.kinesis.calls]
    assert calls.count("describe_stream_summary") == 2


def test_all_records_can_be_put_on_another_stream_in_order(environment: Environment) -> None:
    write_dead_letters(
        environment.folder,
        dead_letter(b"one", 1),
        dead_letter(b"two", 2, stream="gone"),
        dead_letter(b"three", 3),
    )

    assert environment.deliver(stream="other", delete=True) == Delivery(delivered=3, deleted=1)

    assert environment.on_stream("other") == [b"one", b"two", b"three"]


def test_records_of_a_stream_that_is_gone_do_not_hold_up_the_others(
    environment: Environment,
) -> None:
    write_dead_letters(
        environment.folder,
        dead_letter(b"lost", 1, stream="gone"),
        dead_letter(b"one", 2),
    )
    write_dead_letters(environment.folder, dead_letter(b"lost too", 3, stream="gone", after=1))
    write_dead_letters(environment.folder, dead_letter(b"two", 4, after=2))

    done = environment.deliver(delete=True)

    assert environment.on_stream() == [b"one", b"two"]
    assert (done.delivered, done.deleted, list(done.failures)) == (2, 1, ["gone"])
    assert "cannot describe gone: " in done.failures["gone"]
    descriptions = [a for name, a in environment.kinesis.calls if name.startswith("describe")]
    assert descriptions.count({"StreamName": "gone"}) == 1


def test_a_stream_that_no_longer_takes_records_does_not_hold_up_the_others(
    environment: Environment,
) -> None:
    write_dead_letters(environment.folder, dead_letter(b"a", 1), dead_letter(b"b", 2))
    write_dead_letters(environment.folder, dead_letter(b"c", 3, stream="other", after=1))
    environment.kinesis.fail("put_records", "AccessDeniedException")

    done = environment.deliver()

    assert (environment.on_stream(), environment.on_stream("other")) == ([], [b"c"])
    assert (done.delivered, list(done.failures)) == (1, ["ride_events"])


def test_an_event_that_the_function_and_lambda_both_kept_is_put_once(
    environment: Environment,
) -> None:
    aggregate = aggregated(b"a", b"b", b"c")
    write_dead_letters(environment.folder, dead_letter(b"x", 4), *_second_of(5, b"a", b"b", b"c"))
    write_discarded_batch(environment.folder, 5, 6, data={5: aggregate})

    assert environment.deliver(delete=True) == Delivery(delivered=5, deleted=2)

    # In their order, although the function's object comes first and has the second of them.
    assert environment.on_stream() == [b"x", b"a", b"event 6", b"b", b"c"]


def test_what_the_function_kept_is_not_put_again_when_lambda_discards_the_rest(
    environment: Environment,
) -> None:
    write_dead_letters(environment.folder, *_second_of(5, b"a", b"b", b"c"))
    environment.deliver(delete=True)
    write_discarded_batch(environment.folder, 5, data={5: aggregated(b"a", b"b", b"c")})

    assert environment.deliver(delete=True) == Delivery(delivered=2, deleted=1)

    assert environment.on_stream() == [b"b", b"a", b"c"]


def _second_of(number: int, *data: bytes) -> list[DeadLetterRecord]:
    return aggregated_dead_letters(number, *data)[1:2]


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    refusals=st.lists(st.booleans(), max_size=40),
)
def test_entries_of_an_aggregated_record_are_put_back_in_their_order(
    sizes: list[int], refusals: list[bool]
) -> None:
    with TemporaryDirectory() as folder:
        environment = Environment(Path(folder))
        records = [
            aggregated_dead_letters(
                number, *(f"{number}:{index}".encode() for index in range(size)), after=number / 100
            )
            for number, size in enumerate(sizes, 1)
        ]
        # Objects of at most three records, as of a function that slices its batches.
        flat = [each for record in records for each in record]
        for start in range(0, len(flat), 3):
            write_dead_letters(environment.folder, *flat[start : start + 3])
        throttled = iter(refusals)
        environment.kinesis.refuse = lambda _entry: THROTTLED if next(throttled, False) else None

        assert environment.deliver() == Delivery(delivered=len(flat))

        put = environment.on_stream()
        for number, size in enumerate(sizes, 1):
            of_record = [data for data in put if data.startswith(f"{number}:".encode())]
            assert of_record == [f"{number}:{index}".encode() for index in range(size)]


def test_a_discarded_batch_of_localstack_is_redriven(environment: Environment) -> None:
    batch = json.loads(discarded_batch(1, 2))
    batch["payload"] = json.loads(batch["payload"])
    (environment.folder / "batch").write_text(json.dumps(batch))

    assert environment.deliver() == Delivery(delivered=2)

    assert environment.on_stream() == [b"event 1", b"event 2"]


def test_a_batch_of_a_consumer_with_enhanced_fan_out_goes_to_its_stream(
    environment: Environment,
) -> None:
    batch = json.loads(discarded_batch(1))
    batch["KinesisBatchInfo"]["streamArn"] = f"{ARN}/consumer/rides:1740834900"
    (environment.folder / "batch").write_text(json.dumps(batch))

    assert environment.deliver() == Delivery(delivered=1)

    assert environment.on_stream() == [b"event 1"]


def test_duplicates_are_put_once(environment: Environment) -> None:
    write_dead_letters(environment.folder, dead_letter(b"one", 1), dead_letter(b"one", 1))
    write_dead_letters(environment.folder, dead_letter(b"one", 1), dead_letter(b"two", 2))

    environment.deliver()

    assert sorted(environment.on_stream()) == [b"one", b"two"]


def test_records_with_one_event_id_but_different_data_are_not_duplicates(
    environment: Environment,
) -> None:
    write_dead_letters(environment.folder, dead_letter(b"one", 1), dead_letter(b"another one", 1))

    assert environment.deliver().delivered == 2


def test_records_without_event_ids_are_not_duplicates_of_each_other(
    environment: Environment,
) -> None:
    path = environment.folder / "a.jsonl"
    write_dead_letters(environment.folder, dead_letter(b"one", 1))
    (kept,) = environment.folder.rglob("*.jsonl")
    anonymous = kept.read_text().replace(f'"{SHARD}:1"', "null")
    kept.unlink()
    path.write_text(anonymous * 2)

    assert environment.deliver().delivered == 2
    assert environment.deliver().delivered == 0


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
def test_only_selected_records_are_put(
    environment: Environment, selection: Selection, chosen: list[bytes]
) -> None:
    write_dead_letters(
        environment.folder,
        dead_letter(b"a", 11),
        dead_letter(b"b", 12, CORRUPT, after=10),
        dead_letter(b"c", 13, after=20),
    )
    write_discarded_batch(environment.folder, 9)

    environment.deliver(selection)

    assert environment.on_stream() == chosen


def many(folder: Path) -> list[bytes]:
    names = [f"{number:04}".encode() for number in range(1200)]
    write_dead_letters(folder, *(dead_letter(name, number) for number, name in enumerate(names)))
    return names


def test_an_interrupted_delivery_can_be_resumed(environment: Environment) -> None:
    names = many(environment.folder)
    environment.kinesis.fail("put_records", None, None, KeyboardInterrupt())  # type: ignore[arg-type]  # Ctrl-C
    with pytest.raises(KeyboardInterrupt):
        environment.deliver(delete=True)
    assert len(environment.on_stream()) == 1000
    assert environment.survey().delivered == 1000

    assert environment.deliver(delete=True) == Delivery(delivered=200, repeated=200, deleted=1)

    assert environment.on_stream() == names


def test_a_refused_record_ends_the_delivery_and_is_put_by_the_next_one(
    environment: Environment,
) -> None:
    names = many(environment.folder)
    environment.kinesis.refuse = lambda entry: THROTTLED if entry["Data"] == b"0700" else None

    done = environment.deliver(delete=True)

    assert (done.delivered, done.failures, done.deleted) == (999, {"ride_events": THROTTLED}, 0)
    environment.kinesis.refuse = lambda _entry: None
    assert environment.deliver() == Delivery(delivered=201)
    assert sorted(environment.on_stream()) == names


def test_an_unacceptable_record_does_not_block_the_others(environment: Environment) -> None:
    write_dead_letters(
        environment.folder, dead_letter(b"x" * 1024 * 1024, 1), dead_letter(b"two", 2)
    )
    write_dead_letters(environment.folder, dead_letter(b"x" * 1024 * 1024, 3))

    assert environment.deliver(delete=True) == Delivery(delivered=1, unacceptable=2)

    assert environment.on_stream() == [b"two"]
    assert len(environment.storage.names()) == 2


def test_an_object_is_deleted_only_when_all_its_records_are_delivered(
    environment: Environment,
) -> None:
    write_dead_letters(environment.folder, dead_letter(b"a", 1), dead_letter(b"b", 2, CORRUPT))
    invalid = Selection(error_types=frozenset({"InvalidEvent"}))

    assert environment.deliver(invalid, delete=True) == Delivery(delivered=1, deleted=0)
    assert environment.deliver() == Delivery(delivered=1)
    assert len(environment.storage.names()) == 1
    assert environment.deliver(delete=True) == Delivery(deleted=1)
    assert environment.storage.names() == []


def test_an_object_without_dead_letter_records_is_never_deleted(environment: Environment) -> None:
    write_dead_letters(environment.folder, dead_letter(b"one", 1))
    (environment.folder / "notes.txt").write_text("not a dead-letter record")

    environment.deliver(delete=True)

    assert environment.storage.names() == ["notes.txt"]


def test_progress_is_reported_per_delivered_record(environment: Environment) -> None:
    many(environment.folder)
    write_dead_letters(environment.folder, dead_letter(b"one", 7777))
    selected = environment.survey().selected
    progress: list[int] = []

    environment.deliver(advance=progress.append)

    assert sum(progress) == selected == 1201
