"""Locations that a setting names: a folder, or a bucket and a key prefix."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from streaming.errors import SettingsError

ALLOWED_LOCATIONS = "s3://bucket/prefix or file:///folder"

BUCKET = re.compile(r"(?!.*\.\.)(?!\d+(\.\d+){3}$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
"""S3's naming rules for new buckets (S3 user guide, General purpose bucket naming rules): also no
two periods in a row, and no IP address. Reserved prefixes and suffixes are left to S3."""

PREFIX_BYTES = 800
"""A key has at most 1,024 bytes, of which an object's name takes up to 200."""

_CREDENTIALS = re.compile(r"//.*@", re.DOTALL)


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
    if not parts.query and not parts.fragment:  # else part of the name would be cut off
        folder, prefix = unquote(parts.path), parts.path.strip("/")
        if parts.scheme == "file" and not parts.netloc and folder[:1] == "/" and "\0" not in folder:
            return Path(folder)
        is_bucket = parts.scheme == "s3" and BUCKET.fullmatch(parts.netloc)
        if is_bucket and len(prefix.encode()) <= PREFIX_BYTES:
            return S3Location(parts.netloc, prefix)
    raise SettingsError(setting, without_credentials(location), ALLOWED_LOCATIONS)


def split_url(url: str) -> SplitResult:
    """Split a URL; return empty parts if it is invalid.

    Invalid are an open bracket, a port of letters, and characters that cannot be printed, lone
    surrogates among them: Python would drop line breaks and tabs without a word.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # validated only on access
    except ValueError:
        return urlsplit("")
    return parts if url.isprintable() else urlsplit("")


def without_credentials(url: str) -> str:
    """Return a URL as it may be shown: with *** in place of user and password."""
    return _CREDENTIALS.sub("//***@", url)
