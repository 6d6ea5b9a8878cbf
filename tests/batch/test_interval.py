"""Intervals as a person writes them."""

from __future__ import annotations

import pytest

from batch.errors import InvalidRequest
from batch.interval import Interval


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("2025-03-01", "2025-03-01", "UNTIL is 2025-03-01T00:00:00; allowed: a time after SINCE"),
        ("2025-03-02", "2025-03-01", "UNTIL is 2025-03-01T00:00:00; allowed: a time after SINCE"),
        ("now", "2025-03-01", "SINCE is 'now'; allowed: a date or a date and time"),
        ("2025-03-01T00:00Z", "2025-04-01", "SINCE is 2025-03-01T00:00:00.00:00; allowed: a date"),
    ],
)
def test_a_bad_interval_is_refused(since: str, until: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Interval.parse(since, until)
