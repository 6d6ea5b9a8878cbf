from pathlib import Path

import pytest
from botocore.handlers import validate_bucket_name
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import SettingsError, excerpt
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
        ("s3://my.dead-letters.7/é", S3Location("my.dead-letters.7", "é")),
        ("s3://192.168.0.1.letters/x", S3Location("192.168.0.1.letters", "x")),
        ("s3://" + "b" * 63 + "/" + "p" * 800, S3Location("b" * 63, "p" * 800)),
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
        "s3://My_Bucket!/x",
        "s3://ab",
        "s3://" + "b" * 64,
        "s3://bucket-/x",
        "s3://a..b/x",
        "s3://192.168.0.1/x",
        "s3://bucket:9000/x",
        "s3://bucket:/x",
        "s3://bucket/a\nb",
        "s3://buc\tket/x",
        "s3://bucket/\udcff",
        "s3://bucket/" + "é" * 401,
        "file:///folder\0",
        "file:///folder%00",
        "file:///fol\nder",
    ],
)
def test_another_location_fails_with_its_setting_and_what_is_allowed(location: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_location("ON_FAILURE", location)
    assert str(raised.value) == (
        f"ON_FAILURE is {excerpt(location)}; allowed: s3://bucket/prefix or file:///folder"
    )


def test_an_error_shows_no_password() -> None:
    for location in ("s3://me:p@ss@bucket/x", "s3://me:p/ss@bucket/x", "file://me:p@ss@host/x"):
        with pytest.raises(SettingsError, match=r"^ON_FAILURE is '\w+://\*\*\*@\w+/x'; allow"):
            parse_location("ON_FAILURE", location)


@given(st.text(max_size=40).map("s3://".__add__) | st.text(max_size=40).map("file://".__add__))
def test_any_text_is_a_location_that_can_be_used_or_an_error(text: str) -> None:
    try:
        location = parse_location("ON_FAILURE", text)
    except SettingsError:
        return
    if isinstance(location, S3Location):
        validate_bucket_name({"Bucket": location.bucket})
        location.prefix.encode()
    else:
        assert not location.exists() or location.stat()
