from __future__ import annotations

import pytest

from streaming.consumer.batch import BatchCounts
from streaming.errors import ReconciliationError


def test_accounts_that_balance_are_right() -> None:
    BatchCounts(
        received=10, published=4, skipped=3, dead_lettered=2, failed=1, retried=99
    ).reconcile()


@pytest.mark.parametrize("published", [3, 5])
def test_a_payload_too_few_or_too_many_is_a_bug(published: int) -> None:
    counts = BatchCounts(received=10, published=published, skipped=3, dead_lettered=2, failed=1)

    with pytest.raises(
        ReconciliationError, match=f"{published + 6} user records accounted for, 10 received"
    ):
        counts.reconcile()
