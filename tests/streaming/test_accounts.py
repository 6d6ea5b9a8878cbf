from __future__ import annotations

import pytest

from streaming.accounts import Accounts
from streaming.errors import AccountingError


def test_accounts_that_balance_are_right() -> None:
    Accounts(received=10, published=4, skipped=3, dead_lettered=2, reported=1, retried=99).check()


@pytest.mark.parametrize("published", [3, 5])
def test_a_payload_too_few_or_too_many_is_a_bug(published: int) -> None:
    accounts = Accounts(received=10, published=published, skipped=3, dead_lettered=2, reported=1)

    with pytest.raises(AccountingError, match=f"{published + 6} payloads went out of 10 received"):
        accounts.check()
