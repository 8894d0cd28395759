"""A headless Chromium for tests and pictures: the system's own, else playwright's download."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # as root, as CI runs, there is none to be had
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-lcd-text",  # grey edges of letters: the same on every screen
    "--force-color-profile=srgb",
)
MISSING = (
    "no Chromium on this machine; with Debian: apt-get install chromium fonts-noto-cjk; "
    "elsewhere: .venv/bin/python -m playwright install chromium"
)


class NoBrowserError(Exception):
    """There is no browser; the message says which package has one."""


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Raises NoBrowserError where neither the system nor playwright has one."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - half a second, only for those who browse

    with sync_playwright() as playwright:
        found = executable(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def executable(downloaded: str, path: str | None = None) -> str:
    """The browser to start: one on `path` (by default the environment's), else the one that was downloaded."""
    for name in NAMES:
        if found := shutil.which(name, path=path):
            return found
    if Path(downloaded).is_file():
        return downloaded
    raise NoBrowserError(MISSING)
