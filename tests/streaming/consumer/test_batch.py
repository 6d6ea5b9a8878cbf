from __future__ import annotations

import pytest

from streaming.consumer.batch import Batch, BatchCounts
from streaming.consumer.records import UserRecord
from streaming.errors import ReconciliationError


def test_counts_that_add_up_are_reconciled() -> None:
    BatchCounts(
        received=10, published=4, skipped=3, dead_lettered=2, failed=1, retried=99
    ).reconcile()


@pytest.mark.parametrize("published", [3, 5])
def test_counts_that_do_not_add_up_are_a_bug(published: int) -> None:
    counts = BatchCounts(received=10, published=published, skipped=3, dead_lettered=2, failed=1)

    with pytest.raises(
        ReconciliationError, match=f"{published + 6} user records accounted for, 10 received"
    ):
        counts.reconcile()


def batch(*failed: str | None) -> Batch:
    """Create a batch in which the user records with these sequence numbers failed."""
    created = Batch(stream=None, deadline=0.0, write_deadline=0.0, started_at=0.0)
    created.fail(UserRecord(b"", None, number, None, 0.0) for number in failed)
    return created


@pytest.mark.parametrize(
    ("failed", "item_failures"),
    [
        ((), []),
        (("7",), [{"itemIdentifier": "7"}]),
        (("10", "9", "9"), [{"itemIdentifier": "9"}]),
        (("1", None), [{"itemIdentifier": None}]),
    ],
    ids=["none", "one", "several", "one without a sequence number"],
)
def test_the_item_failure_is_the_lowest_sequence_number_or_null_for_the_whole_batch(
    failed: tuple[str | None, ...], item_failures: list[dict[str, str | None]]
) -> None:
    assert batch(*failed).item_failures() == item_failures


def test_failed_user_records_are_counted() -> None:
    assert batch("9", "9", None).counts.failed == 3
