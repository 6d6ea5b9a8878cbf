"""The stream, the clock and the mappings of one test."""

from collections.abc import Iterator

import pytest

from tests.local.event_source_mapping.running_mapping import MappingFixture


@pytest.fixture
def fixture() -> Iterator[MappingFixture]:
    fixture = MappingFixture()
    yield fixture
    fixture.close()
