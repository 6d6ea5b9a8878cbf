"""ARNs of Kinesis streams."""

import re

# The name is part of object names: it must not be a path such as `..`.
_STREAM = re.compile(
    r"arn:[^:/]+:kinesis:[^:/]*:[^:/]*:stream/([a-zA-Z0-9_-][a-zA-Z0-9_.-]{0,127})"
    r"(?:/consumer/[a-zA-Z0-9_.-]+(?::[0-9]+)?)?"
)


def stream_of_arn(arn: object) -> str | None:
    """Return the name of the stream that an ARN names; None if it names none.

    Args:
        arn: Of a stream, or of an enhanced fan-out consumer of it
            (`arn:aws:kinesis:us-east-1:123456789012:stream/rides/consumer/tips:1700000000`).
    """
    match = _STREAM.fullmatch(arn) if isinstance(arn, str) else None
    return match[1] if match else None
