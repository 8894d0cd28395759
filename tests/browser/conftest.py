"""One Chromium for the browser tests, and a fresh window of it for each."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    with chromium() as browser:
        yield browser


@pytest.fixture
def window(browser: "Browser") -> "Iterator[Page]":
    """A window with no past, on a British reader's clock in Kolkata."""
    context = browser.new_context(timezone_id="Asia/Kolkata", locale="en-GB", viewport={"width": 1280, "height": 900})
    try:
        yield context.new_page()
    finally:
        context.close()


@pytest.fixture
def troubles(window: "Page") -> list[str]:
    """What the window's console complains of, what its scripts raise, and what could not be loaded."""
    heard: list[str] = []
    window.on("console", lambda said: heard.append(said.text) if said.type in ("error", "warning") else None)
    window.on("pageerror", lambda error: heard.append(str(error)))
    window.on("requestfailed", lambda request: heard.append(request.url))
    return heard
