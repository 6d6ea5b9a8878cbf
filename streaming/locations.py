"""Places that a setting names: a folder, or a bucket and a prefix in it."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from streaming.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place on S3.

    Attributes:
        name: The bucket's.
        prefix: What every key begins with, without slashes around it; may be empty.
    """

    name: str
    prefix: str


def parse_location(setting: str, location: str) -> Path | Bucket:
    """Read a place's URL.

    Args:
        setting: What named the place, for the error.
        location: `s3://bucket/prefix` or `file:///folder`.

    Returns:
        The folder, or the bucket and prefix.

    Raises:
        SettingsError: It is neither.
    """
    parts = split_url(location)
    whole = not parts.query and not parts.fragment  # else a part of the name would be cut off
    if whole and parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return Path(unquote(parts.path))
    if whole and parts.scheme == "s3" and parts.netloc:
        return Bucket(parts.netloc, parts.path.strip("/"))
    raise SettingsError(setting, location, "s3://bucket/prefix or file:///folder")


def split_url(url: str) -> SplitResult:
    """Split a URL; what is none (half an IPv6 address, a port of letters) comes back empty."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked only when it is asked for
    except ValueError:
        return urlsplit("")
    return parts
