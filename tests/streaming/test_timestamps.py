from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streaming.timestamps import hour_and_weekday, iso_utc


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1740834900.123, "2025-03-01T13:15:00.123Z"),
        (1740834900.9996, "2025-03-01T13:15:01.000Z"),
        (1740834900.0004, "2025-03-01T13:15:00.000Z"),
    ],
)
def test_a_timestamp_is_written_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert iso_utc(seconds) == text


@given(st.integers(0, 4_102_444_800_000))
def test_a_written_timestamp_is_the_same_instant(milliseconds: int) -> None:
    written = datetime.fromisoformat(iso_utc(milliseconds / 1000))

    assert written.tzinfo == UTC
    assert round(written.timestamp() * 1000) == milliseconds


@given(
    instant=st.integers(-1_000_000_000, 4_102_444_800),
    zone=st.sampled_from(["America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
@example(instant=-5_767_800, zone="America/New_York")  # 10 minutes before its summer of 1969 ends
def test_hour_and_weekday_agree_with_the_time_zone_database(instant: int, zone: str) -> None:
    local = datetime.fromtimestamp(instant, UTC).astimezone(ZoneInfo(zone))

    hour, weekday = hour_and_weekday(instant, ZoneInfo(zone))

    seconds = local.hour * 3600 + local.minute * 60 + local.second
    assert (round(hour * 3600), weekday) == (seconds, local.weekday())
