"""Cards on a page in a window, and what is to be seen of them there."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli.page import Card, page

if TYPE_CHECKING:
    from playwright.sync_api import Page


def show(window: "Page", folder: Path, cards: Sequence[Card]) -> dict[str, dict[str, Any]]:
    """The cards, drawn on a page that is written to `folder`, and for each its name and what is seen of it.

    `texts` are its paragraphs, cells and labels, `links` the addresses that a click opens, `tags` the kinds of its
    elements, `complaints` what its renderer objects to, `wide` the elements that stick out or are cut off on the right.
    A button's label may be: it ends in dots then, and says all of it to whoever points at it.
    """
    file = folder / "cards.html"
    file.write_text(page("Cards", [], cards), encoding="utf-8")
    window.goto(file.as_uri())
    seen: dict[str, dict[str, Any]] = window.evaluate(_LOOK)
    return seen


_LOOK = """() => Object.fromEntries([...document.querySelectorAll("figure")].map((figure) => {
  const host = figure.querySelector("[data-kind]");
  const edge = host.getBoundingClientRect().right + 0.5;
  const all = [...host.shadowRoot.querySelectorAll("*")];
  const isCut = (each) => each.scrollWidth > each.clientWidth && getComputedStyle(each).overflowX !== "visible";
  const isWide = (each) => each.getBoundingClientRect().right > edge || (!each.closest("button") && isCut(each));
  return [figure.querySelector("figcaption").textContent, {
    texts: all.filter((each) => each.matches("p, h2, h3, li, .text")).map((each) => each.textContent.trim()),
    links: all.filter((each) => each.matches("a")).map((each) => each.href),
    tags: [...new Set(all.map((each) => each.localName))].sort(),
    wide: all.filter(isWide).map((each) => each.outerHTML),
    complaints: [...figure.querySelectorAll(".complaints li")].map((each) => each.textContent),
  }];
}))"""
