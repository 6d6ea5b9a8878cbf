"""The stream of the reader's tests."""

import pytest

from tests.fakes.clock import Clock
from tests.fakes.kinesis import FakeKinesis


@pytest.fixture
def kinesis(clock: Clock) -> FakeKinesis:
    kinesis = FakeKinesis(clock)
    kinesis.create_stream(StreamName="rides", ShardCount=2)
    return kinesis
