"""How soon the inbox shows its cards with 1,000 of them stored: in a fresh window of Chromium, over loopback.

Counted from the moment that the address is opened: the page's first paint, its first card with its name and what
became of it, and that card as its channel draws it.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.figures import Series
from bot.cli.inbox.shelf import Shelf, Shelved
from tests.support.browser import NoBrowserError, chromium
from tests.support.inbox import RunningInbox, inbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BUILT = Path(__file__).parents[1] / "web" / "built" / "inbox"
GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
CARDS = 1_000
FIGURES = PAINTED, LISTED, DRAWN = "first paint", "first card listed", "first card drawn"
KINDS = {"eng-slack": ("slack", "slack"), "it-teams": ("teams", "teams"), "audit-mail": ("mail", "email")}

NOTICE = """new MutationObserver(() => {
    if (document.querySelector(".card h3")) window.listed ??= performance.now();
    if (document.querySelector(".cards [data-kind]")) window.drawn ??= performance.now();
}).observe(document, { subtree: true, childList: true })"""


def measure(rounds: int) -> dict[str, Series] | str:
    """Milliseconds by figure, in as many fresh windows; why there are none, where page or browser are not there."""
    if not BUILT.exists():
        return "its page is not built; make web"
    try:
        return _measured(rounds)
    except NoBrowserError as error:
        return str(error)


def _measured(rounds: int) -> dict[str, Series]:
    with TemporaryDirectory() as folder, inbox(Path(folder)) as running, chromium() as browser:
        _fill(running.bot.shelf)
        opened = [_open(browser, running) for _ in range(rounds)]
    return {name: Series(times) for name, times in zip(FIGURES, zip(*opened, strict=True), strict=True)}


def _fill(shelf: Shelf) -> None:
    payloads = {
        name: (kind, json.loads((GOLDEN / formatter / "seed.en.json").read_text(encoding="utf-8")))
        for name, (kind, formatter) in KINDS.items()
    }
    for number in range(CARDS):
        name = list(KINDS)[number % len(KINDS)]
        kind, payload = payloads[name]
        shelf.add(
            Shelved(
                destination=name,
                kind=kind,
                told_at=1_795_410_000.0 + number,
                outcome="sent",
                reason="",
                until=None,
                event_ids=(f"event-{number}",),
                payload=payload,
            )
        )


def _open(browser: "Browser", running: RunningInbox) -> tuple[float, float, float]:
    """Milliseconds until the first paint, and until the first card is listed and drawn."""
    window = browser.new_page(viewport={"width": 1440, "height": 900})
    window.add_init_script(NOTICE)
    window.goto(running.url, wait_until="commit")
    window.wait_for_selector(".cards [data-kind]", state="attached")
    listed, drawn = window.evaluate("[listed, drawn]")
    painted: float = window.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    window.close()
    return painted, listed, drawn
