"""The pictures in docs/ can be drawn again, and come out the same."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.browser.pictures import INBOX_HEIGHT, INBOX_WIDTH, SHARPNESS, cards, need_font, paint, paint_inbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def test_a_picture_is_the_same_each_time_it_is_drawn(browser: "Browser", tmp_path: Path) -> None:
    need_font()
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        paint(browser, "ja", folder)
    assert {each.stem for each in first.iterdir()} == {card.name for card in cards("ja")}
    for each in first.iterdir():
        assert each.read_bytes() == (second / each.name).read_bytes(), each.name


def test_the_inbox_is_drawn_in_its_full_size(browser: "Browser", tmp_path: Path) -> None:
    need_font()
    paint_inbox(browser, tmp_path)
    with Image.open(tmp_path / "inbox.png") as picture:
        assert picture.size == (INBOX_WIDTH * SHARPNESS, INBOX_HEIGHT * SHARPNESS)
        assert len(picture.getcolors() or ()) > 100
