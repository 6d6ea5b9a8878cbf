"""Locations that a setting names: a folder, or a bucket and a key prefix."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from streaming.errors import SettingsError


@dataclass(frozen=True, slots=True)
class S3Location:
    """A location on S3.

    Attributes:
        bucket: The bucket's name.
        prefix: The prefix of every key, without slashes around it; may be empty.
    """

    bucket: str
    prefix: str


def parse_location(setting: str, location: str) -> Path | S3Location:
    """Parse a location's URL.

    Args:
        setting: The setting that holds the location, for the error.
        location: `s3://bucket/prefix` or `file:///folder`.

    Raises:
        SettingsError: The location is neither.
    """
    parts = split_url(location)
    complete = not parts.query and not parts.fragment  # else part of the name would be cut off
    if complete and parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return Path(unquote(parts.path))
    if complete and parts.scheme == "s3" and parts.netloc:
        return S3Location(parts.netloc, parts.path.strip("/"))
    raise SettingsError(setting, location, "s3://bucket/prefix or file:///folder")


def split_url(url: str) -> SplitResult:
    """Split a URL; return empty parts if it is invalid (an open bracket, a port of letters)."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # validated only on access
    except ValueError:
        return urlsplit("")
    return parts
