import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from streaming.reader.checkpoints import (
    FINISHED,
    LATEST,
    TRIM_HORIZON,
    Checkpoints,
    Shard,
    StartingPosition,
)
from tests.fakes.clock import EPOCH, Clock

NOON = StartingPosition.at(datetime(2025, 3, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("position", "arguments"),
    [
        (TRIM_HORIZON, {"ShardIteratorType": "TRIM_HORIZON"}),
        (LATEST, {"ShardIteratorType": "LATEST"}),
        (NOON, {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": NOON.timestamp}),
        (
            StartingPosition.after("49"),
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": "49"},
        ),
    ],
)
def test_a_position_has_the_arguments_of_get_shard_iterator_and_can_be_stored_as_text(
    position: StartingPosition, arguments: dict[str, object]
) -> None:
    assert position.arguments() == arguments
    assert StartingPosition.parse(str(position)) == position


@pytest.mark.parametrize("text", ["2025-03-01T12:00:00", "2025-03-01T07:00:00-05:00"])
def test_a_timestamp_is_utc_unless_it_has_an_offset(text: str) -> None:
    assert StartingPosition.parse(text) == NOON
    assert str(NOON) == "2025-03-01T12:00:00+00:00"


def test_a_timestamp_with_an_offset_is_converted_to_utc() -> None:
    new_york = timezone(timedelta(hours=-5))
    assert StartingPosition.at(datetime(2025, 3, 1, 7, tzinfo=new_york)).timestamp == NOON.timestamp


def test_a_naive_timestamp_is_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        naive = StartingPosition.at(datetime(2025, 3, 1, 12))  # noqa: DTZ001  naive on purpose
    time.tzset()

    assert naive == NOON
    assert str(naive) == "2025-03-01T12:00:00+00:00"


def test_an_invalid_position_fails_with_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="'yesterday'; allowed: TRIM_HORIZON, LATEST, an ISO 8601"):
        StartingPosition.parse("yesterday")


# a and b were merged into c, which was split into d and e.
A, B = Shard("a", closed=True), Shard("b", closed=True)
C = Shard("c", parents=("a", "b"), closed=True)
D, E = Shard("d", parents=("c",)), Shard("e", parents=("c",))
SHARDS = [A, B, C, D, E]


def test_child_shards_are_read_after_all_their_parent_shards() -> None:
    checkpoints = Checkpoints()
    assert checkpoints.update(SHARDS) == {"a": TRIM_HORIZON, "b": TRIM_HORIZON}
    checkpoints.finish("a")
    assert checkpoints.update(SHARDS) == {}
    checkpoints.finish("b")
    assert checkpoints.update(SHARDS) == {"c": TRIM_HORIZON}
    checkpoints.finish("c")
    assert checkpoints.update(SHARDS) == {"d": TRIM_HORIZON, "e": TRIM_HORIZON}


def test_an_expired_parent_shard_counts_as_finished() -> None:
    assert Checkpoints().update([B, C, D, E]) == {"b": TRIM_HORIZON}
    assert Checkpoints().update([C, D, E]) == {"c": TRIM_HORIZON}


def test_latest_starts_with_the_open_shards_and_reads_later_ones_from_trim_horizon() -> None:
    checkpoints = Checkpoints(LATEST)
    assert checkpoints.update(SHARDS) == {"d": LATEST, "e": LATEST}
    checkpoints.finish("d")
    later = [*SHARDS, Shard("f", parents=("d",)), Shard("g", parents=("d",))]
    assert checkpoints.update(later) == {"f": TRIM_HORIZON, "g": TRIM_HORIZON}


def test_every_shard_starts_at_the_timestamp_including_later_ones() -> None:
    checkpoints = Checkpoints(NOON)
    assert checkpoints.update([A, B]) == {"a": NOON, "b": NOON}
    checkpoints.finish("a")
    checkpoints.finish("b")
    assert checkpoints.update([A, B, C]) == {"c": NOON}


@pytest.mark.parametrize("start", [TRIM_HORIZON, LATEST, NOON])
def test_a_resumed_reader_reads_shards_without_a_checkpoint_from_their_beginning(
    start: StartingPosition,
) -> None:
    checkpoints = Checkpoints(start, {"d": "17"})
    assert checkpoints.update([D, Shard("f", parents=("d",)), Shard("g")]) == {
        "d": StartingPosition.after("17"),
        "g": TRIM_HORIZON,
    }
    checkpoints.finish("d")
    assert checkpoints.update([Shard("f", parents=("d",))]) == {"f": TRIM_HORIZON}


def test_reading_resumes_from_the_saved_checkpoints() -> None:
    before = Checkpoints()
    before.update(SHARDS)
    before.advance("a", "17")
    before.finish("b")
    saved = before.save()
    assert saved == {
        "a": "17",
        "b": FINISHED,
        "c": "TRIM_HORIZON",
        "d": "TRIM_HORIZON",
        "e": "TRIM_HORIZON",
    }
    after = Checkpoints(saved=saved)
    assert after.update(SHARDS) == {"a": StartingPosition.after("17")}
    after.finish("a")
    assert after.update(SHARDS) == {"c": TRIM_HORIZON}


def test_latest_is_saved_as_a_timestamp_so_that_a_resumed_reader_skips_nothing() -> None:
    before = Checkpoints(LATEST, now=Clock().utc)
    before.update(SHARDS)
    saved = before.save()
    assert saved["c"] == FINISHED
    assert saved["d"] == "2025-03-01T13:15:00+00:00"
    after = Checkpoints(LATEST, saved)
    assert after.update(SHARDS) == dict.fromkeys("de", StartingPosition.at(EPOCH))
    after.finish("e")
    assert after.update([*SHARDS, Shard("f", parents=("e",))]) == {"f": TRIM_HORIZON}


def test_checkpoints_of_expired_shards_are_dropped() -> None:
    checkpoints = Checkpoints()
    checkpoints.update([A])
    checkpoints.finish("a")
    assert checkpoints.update([C]) == {"c": TRIM_HORIZON}
    assert checkpoints.save() == {"c": "TRIM_HORIZON"}


def test_the_checkpoint_of_a_shard_being_read_is_kept_if_the_shard_is_not_listed() -> None:
    checkpoints = Checkpoints()
    checkpoints.update([A])
    checkpoints.finish("a")
    checkpoints.update([A, D])
    checkpoints.advance("d", "17")
    assert checkpoints.update([A]) == {}
    assert checkpoints.update([A, D]) == {}
    assert checkpoints.save() == {"a": FINISHED, "d": "17"}


def test_a_stream_cannot_start_at_a_sequence_number() -> None:
    with pytest.raises(
        ValueError,
        match=r"^start is the sequence number 17.*; allowed: TRIM_HORIZON, LATEST, a timestamp$",
    ):
        Checkpoints(StartingPosition.after("17"))


def test_an_invalid_checkpoint_is_rejected() -> None:
    with pytest.raises(ValueError, match="starting position is 'done'"):
        Checkpoints(saved={"a": "done"})
