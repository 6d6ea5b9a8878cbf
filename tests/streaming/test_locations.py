from pathlib import Path

import pytest

from streaming.errors import SettingsError
from streaming.locations import S3Location, parse_location


@pytest.mark.parametrize(
    ("location", "parsed"),
    [
        ("file:///dead/letters", Path("/dead/letters")),
        ("file:///dead%20letters%23", Path("/dead letters#")),
        ("s3://dead", S3Location("dead", "")),
        ("s3://dead/", S3Location("dead", "")),
        ("s3://dead/a/b", S3Location("dead", "a/b")),
        ("s3://dead/a/b/", S3Location("dead", "a/b")),
    ],
)
def test_a_location_is_a_folder_or_a_bucket_with_a_prefix(
    location: str, parsed: Path | S3Location
) -> None:
    assert parse_location("DEAD_LETTERS", location) == parsed


@pytest.mark.parametrize(
    "location",
    [
        "dead",
        "/dead",
        "file://dead",
        "file:dead",
        "s3:///prefix",
        "s3://[bucket",
        "s3://bucket:port/prefix",
        "s3://bucket/prefix#part",
        "file:///folder?part",
        "https://bucket",
    ],
)
def test_another_location_fails_with_its_setting_and_what_is_allowed(location: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_location("ON_FAILURE", location)
    assert str(raised.value) == (
        f"ON_FAILURE is {location!r}; allowed: s3://bucket/prefix or file:///folder"
    )
