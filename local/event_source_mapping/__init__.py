"""The event source mapping: what Lambda does between a stream and a function."""

from local.event_source_mapping.configuration import EventSourceMappingConfiguration
from local.event_source_mapping.mapping import EventSourceMapping

__all__ = ["EventSourceMapping", "EventSourceMappingConfiguration"]
