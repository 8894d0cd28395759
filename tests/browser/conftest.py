"""One Chromium for the browser tests, and a fresh window of it for each."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def _browser() -> "Iterator[Browser]":
    with chromium() as browser:
        yield browser


@pytest.fixture
def window(_browser: "Browser") -> "Iterator[Page]":
    """A window with no past, on the clock and in the language of the tests."""
    context = _browser.new_context(timezone_id="Asia/Kolkata", locale="en-GB", viewport={"width": 1280, "height": 900})
    try:
        yield context.new_page()
    finally:
        context.close()
