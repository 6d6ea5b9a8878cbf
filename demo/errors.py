"""Every error of this package."""

from local.errors import LocalError


class RidesUnavailable(LocalError):
    """Rides cannot be read: the file of trips or of statistics is missing or damaged."""
