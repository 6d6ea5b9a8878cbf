"""Fixtures of the tests in a browser.

`tests.page.browser` is imported where one is used: importing it skips what has no browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from page.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.page.browser import City, Visit


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from tests.page.browser import launched  # noqa: PLC0415

    with launched() as browser:
        yield browser


@pytest.fixture
def city() -> City:
    from tests.page.browser import City  # noqa: PLC0415

    return City()


@pytest.fixture
def visit(chromium: Any, city: City) -> Iterator[Visit]:
    """Open the page; nothing may have gone wrong in the end, and nothing been asked elsewhere."""
    from tests.page.browser import visiting  # noqa: PLC0415

    with serve(city.page, port=0) as address, visiting(chromium, address) as visit:
        visit.open()
        yield visit
        assert visit.problems == []
        assert {url for url in visit.requests if not url.startswith(address)} == set()
