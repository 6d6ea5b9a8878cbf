from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.deployment.emulated_account import Account


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        yield Account()
