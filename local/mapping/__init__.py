"""The event source mapping: what Lambda does between a stream and a function."""

from local.mapping.mapping import EventSourceMapping
from local.mapping.settings import MappingSettings

__all__ = ["EventSourceMapping", "MappingSettings"]
