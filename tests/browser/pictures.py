"""Draws docs/pictures from the golden cards: `make pictures`.

A picture shows a card as its channel's own renderer draws it, on a fixed day, in the language and on the clock of its
reader. One more shows the inbox with a few logins in it.
"""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PIL import Image

from bot.cli.page import THEMES, Card, page
from bot.cli.show import Mistake
from tests.support.browser import NoBrowserError, chromium
from tests.support.clock import FakeClock
from tests.support.inbox import ROUTES, RunningInbox, inbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
PICTURES = ROOT / "docs" / "pictures"

TOLD = {"seed": "login", "zero-client": "login-without-user", "several": "digest"}
"""The golden cards that say most, and what their pictures are called."""
CHANNELS = {"slack": ("slack", THEMES[:1]), "teams": ("teams", THEMES), "email": ("mail", THEMES[:1])}
READERS = {"en": ("en-US", "America/New_York"), "ja": ("ja-JP", "Asia/Tokyo")}
"""For each language a reader: the browser's language and time zone, those of the golden cards."""

LOGINS = (
    ("d-9067000099", "carol", 1),
    ("d-9067000002", "山田太郎", 1),
    ("d-9067000001", "bob", 1),
    ("d-9067000002", "grace.hopper", 1),
    ("d-9067000001", "alice", 40),
)
"""The inbox's logins in order: directory, user, how many."""

WIDTH = 560
ALL_DRAWN = """() => {
    const cards = [...document.querySelectorAll(".cards .drawn")];
    return cards.length > 4 && cards.every((card) => card.firstChild || card.getBoundingClientRect().top > innerHeight);
}"""
INBOX_WIDTH, INBOX_HEIGHT = 1600, 960
SHARPNESS = 2
COLOURS = 64
INBOX_COLOURS = 160
FONT = "Noto Sans CJK JP"
LOOKED_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
"""When the reader looks, a day after the logins."""


def cards(language: str) -> Iterator[Card]:
    for formatter, (kind, themes) in CHANNELS.items():
        for stem, told in TOLD.items():
            payload = json.loads((GOLDEN / formatter / f"{stem}.{language}.json").read_text(encoding="utf-8"))
            for theme in themes:
                shade = f"-{theme}" if len(themes) > 1 else ""
                yield Card(f"{formatter}-{told}{shade}.{language}", kind, payload, theme, WIDTH)


def paint(browser: "Browser", language: str, folder: Path) -> None:
    """One PNG in `folder` for each card of a language."""
    locale, zone = READERS[language]
    window = browser.new_page(
        locale=locale, timezone_id=zone, device_scale_factor=SHARPNESS, viewport={"width": WIDTH + 80, "height": 800}
    )
    window.clock.set_fixed_time(LOOKED_AT)
    shown = list(cards(language))
    window.set_content(page("Pictures", [], shown))
    for card, drawn in zip(shown, window.locator("[data-kind]").all(), strict=True):
        save(drawn.screenshot(), folder / f"{card.name}.png")
    window.close()


def paint_inbox(browser: "Browser", folder: Path) -> None:
    """`inbox.png` in `folder`: single logins, a digest, and a channel that asks to wait."""
    clock = FakeClock(LOOKED_AT.timestamp())
    with TemporaryDirectory() as place, chdir(place), inbox(Path(), routes=ROUTES, clock=clock) as running:
        for directory, user, number in LOGINS:
            login = {"directory": directory, "user": user, "platform": "Windows", "address": "203.0.113.7"}
            said = running.page_posts(
                "/send", {"login": login | {"product": "WorkSpaces Desktop client"}, "count": number}
            )
            assert said.status == 200, said.text
            tell(running)
            running.page_posts("/answer", {"destination": "audit-mail", "answer": "busy"})
        window = browser.new_page(
            locale="en-GB",
            timezone_id="UTC",
            device_scale_factor=SHARPNESS,
            viewport={"width": INBOX_WIDTH, "height": INBOX_HEIGHT},
        )
        window.clock.set_fixed_time(LOOKED_AT)
        window.goto(running.url)
        window.locator("#looked [data-kind]").wait_for()
        window.wait_for_function(ALL_DRAWN)
        save(window.screenshot(), folder / "inbox.png", INBOX_COLOURS)
        window.close()


def tell(running: RunningInbox) -> None:
    """Until nothing is due any more."""
    told = -1
    while told != (told := sum(column["cards"] for column in running.get("/state")["columns"])):
        running.bot.tell()


def save(png: bytes, path: Path, colours: int = COLOURS) -> None:
    """A third of the size: a card has few colours."""
    Image.open(BytesIO(png)).convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)


def need_font() -> None:
    """Without this font, pictures show boxes, or another machine's letters."""
    lister = shutil.which("fc-list")
    if lister and FONT not in subprocess.run([lister, ":lang=ja"], capture_output=True, text=True, check=True).stdout:
        raise Mistake(f"the font {FONT} is not on this machine; with Debian: apt-get install fonts-noto-cjk")


def main() -> int:
    logging.getLogger("bot").setLevel(logging.ERROR)  # that a channel asks to wait is on purpose
    try:
        need_font()
        with chromium() as browser:
            PICTURES.mkdir(parents=True, exist_ok=True)
            for old in PICTURES.glob("*.png"):
                old.unlink()
            for language in READERS:
                paint(browser, language, PICTURES)
            paint_inbox(browser, PICTURES)
    except (Mistake, NoBrowserError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's word to whoever typed it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
