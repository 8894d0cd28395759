"""The channels' own renderers take every golden card without a word, on wide screens and narrow ones."""

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bot.cli.page import THEMES, Card, Theme
from tests.browser.drawn import show

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

GOLDEN = Path(__file__).parents[1] / "golden"
KINDS = {"slack": "slack", "teams": "teams", "messagecard": "teams", "email": "mail"}


def golden(formatter: str, theme: Theme, width: int) -> list[Card]:
    files = sorted((GOLDEN / formatter).glob("*.json"))
    assert files
    return [
        Card(file.stem, KINDS[formatter], json.loads(file.read_text(encoding="utf-8")), theme, width) for file in files
    ]


@pytest.mark.parametrize(("theme", "width"), list(itertools.product(THEMES, [480, 250])))
@pytest.mark.parametrize("formatter", KINDS)
def test_every_golden_card_is_drawn_without_a_complaint_and_within_its_width(
    window: "Page", tmp_path: Path, *, troubles: list[str], formatter: str, theme: Theme, width: int
) -> None:
    cards = golden(formatter, theme, width)
    seen = show(window, tmp_path, cards)
    assert list(seen) == [card.name for card in cards]
    assert {name: each["complaints"] for name, each in seen.items() if each["complaints"]} == {}
    assert {name: each["wide"] for name, each in seen.items() if each["wide"]} == {}
    assert troubles == []


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "an element that Teams does not know": ({"type": "Hologram"}, "Hologram"),
    "a link without an address": ({"type": "ActionSet", "actions": [{"type": "Action.OpenUrl"}]}, "url"),
    "a size that is none": ({"type": "TextBlock", "text": "x", "size": "Huge"}, "Huge"),
}


@pytest.mark.parametrize(("element", "named"), BROKEN.values(), ids=BROKEN.keys())
def test_a_card_that_is_broken_is_complained_of(
    window: "Page", tmp_path: Path, element: dict[str, Any], named: str
) -> None:
    card = {"type": "AdaptiveCard", "version": "1.4", "body": [element]}
    seen = show(window, tmp_path, [Card("broken", "teams", card)])
    assert named in " ".join(seen["broken"]["complaints"])


def test_what_sticks_out_is_seen(window: "Page", tmp_path: Path) -> None:
    column = {"type": "Column", "width": "400px", "items": [{"type": "TextBlock", "text": "x"}]}
    card = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "ColumnSet", "columns": [column]}]}
    assert show(window, tmp_path, [Card("wide", "teams", card, width=250)])["wide"]["wide"]
