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
def test_a_position_gives_aws_its_arguments_and_survives_as_text(
    position: StartingPosition, arguments: dict[str, object]
) -> None:
    assert position.arguments() == arguments
    assert StartingPosition.parse(str(position)) == position


@pytest.mark.parametrize("text", ["2025-03-01T12:00:00", "2025-03-01T07:00:00-05:00"])
def test_a_time_is_utc_unless_it_names_its_offset(text: str) -> None:
    assert StartingPosition.parse(text) == NOON
    assert str(NOON) == "2025-03-01T12:00:00+00:00"


def test_a_time_with_an_offset_is_kept_in_utc() -> None:
    new_york = timezone(timedelta(hours=-5))
    assert StartingPosition.at(datetime(2025, 3, 1, 7, tzinfo=new_york)).timestamp == NOON.timestamp


def test_a_text_that_is_no_position_says_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="'yesterday'; allowed: TRIM_HORIZON, LATEST, an ISO 8601"):
        StartingPosition.parse("yesterday")


# a and b were merged into c, which was split into d and e.
A, B = Shard("a", closed=True), Shard("b", closed=True)
C = Shard("c", parents=("a", "b"), closed=True)
D, E = Shard("d", parents=("c",)), Shard("e", parents=("c",))
FAMILY = [A, B, C, D, E]


def test_children_wait_for_their_parents_and_a_merged_one_for_both() -> None:
    checkpoints = Checkpoints()
    assert checkpoints.update(FAMILY) == {"a": TRIM_HORIZON, "b": TRIM_HORIZON}
    checkpoints.finish("a")
    assert checkpoints.update(FAMILY) == {}
    checkpoints.finish("b")
    assert checkpoints.update(FAMILY) == {"c": TRIM_HORIZON}
    checkpoints.finish("c")
    assert checkpoints.update(FAMILY) == {"d": TRIM_HORIZON, "e": TRIM_HORIZON}


def test_a_parent_that_has_expired_counts_as_finished() -> None:
    assert Checkpoints().update([B, C, D, E]) == {"b": TRIM_HORIZON}
    assert Checkpoints().update([C, D, E]) == {"c": TRIM_HORIZON}


def test_latest_begins_with_the_open_shards_and_reads_later_ones_from_their_beginning() -> None:
    checkpoints = Checkpoints(LATEST)
    assert checkpoints.update(FAMILY) == {"d": LATEST, "e": LATEST}
    checkpoints.finish("d")
    later = [*FAMILY, Shard("f", parents=("d",)), Shard("g", parents=("d",))]
    assert checkpoints.update(later) == {"f": TRIM_HORIZON, "g": TRIM_HORIZON}


def test_a_time_is_where_every_shard_begins_later_ones_too() -> None:
    checkpoints = Checkpoints(NOON)
    assert checkpoints.update([A, B]) == {"a": NOON, "b": NOON}
    checkpoints.finish("a")
    checkpoints.finish("b")
    assert checkpoints.update([A, B, C]) == {"c": NOON}


def test_reading_goes_on_where_it_was_saved() -> None:
    before = Checkpoints()
    before.update(FAMILY)
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
    assert after.update(FAMILY) == {"a": StartingPosition.after("17")}
    after.finish("a")
    assert after.update(FAMILY) == {"c": TRIM_HORIZON}


def test_latest_is_saved_as_the_time_it_meant_so_that_a_resumed_reader_skips_nothing() -> None:
    before = Checkpoints(LATEST, now=Clock().utc)
    before.update(FAMILY)
    saved = before.save()
    assert saved["c"] == FINISHED
    assert saved["d"] == "2025-03-01T13:15:00+00:00"
    after = Checkpoints(LATEST, saved)
    assert after.update(FAMILY) == dict.fromkeys("de", StartingPosition.at(EPOCH))
    after.finish("e")
    assert after.update([*FAMILY, Shard("f", parents=("e",))]) == {"f": TRIM_HORIZON}


def test_shards_that_have_expired_are_forgotten() -> None:
    checkpoints = Checkpoints()
    checkpoints.update([A])
    checkpoints.finish("a")
    assert checkpoints.update([C]) == {"c": TRIM_HORIZON}
    assert checkpoints.save() == {"c": "TRIM_HORIZON"}


def test_a_shard_that_is_being_read_is_not_forgotten_where_a_listing_lags_behind() -> None:
    checkpoints = Checkpoints()
    checkpoints.update([A])
    checkpoints.finish("a")
    checkpoints.update([A, D])
    checkpoints.advance("d", "17")
    assert checkpoints.update([A]) == {}
    assert checkpoints.update([A, D]) == {}
    assert checkpoints.save() == {"a": FINISHED, "d": "17"}


def test_a_stream_cannot_start_at_one_shards_sequence_number() -> None:
    with pytest.raises(ValueError, match=r"start is the sequence number 17.*allowed: TRIM_HORIZON"):
        Checkpoints(StartingPosition.after("17"))


def test_a_damaged_save_is_refused() -> None:
    with pytest.raises(ValueError, match="starting position is 'done'"):
        Checkpoints(saved={"a": "done"})
