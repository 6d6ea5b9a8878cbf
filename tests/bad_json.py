"""Contents that are no event, whatever its type."""

from __future__ import annotations


def not_an_event(valid: bytes) -> list[bytes]:
    """Return contents that are not one JSON object in UTF-8.

    Args:
        valid: An event with a `ride_id`, from which some are made.
    """
    return [
        b"",
        b"null",
        b"5",
        b"[1, 2]",
        b'"text"',
        b"{",
        b"\xff\xfe{}",
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf" + valid,
        valid + b"x",
        b"[" * 100_000,
        valid.replace(b"{", b'{"deep": ' + b"[" * 10**6 + b"]" * 10**6 + b", ", 1),
        valid.replace(b'"ride_id"', b'"colour": "\xff", "ride_id"'),
        valid.replace(b'"ride_id"', b'"colour": NaN, "ride_id"'),
    ]
