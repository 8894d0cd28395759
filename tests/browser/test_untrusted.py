"""Whatever somebody else wrote is shown as text by the channels' own renderers: no link, no mention, no markup.

Slack's is nobody's own renderer, so `tests/test_formatters_untrusted.py` reads what Slack gets as JSON, too.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.cli.page import Card
from formatters import formatter_class
from formatters.base import Audience
from formatters.content import Content, tell
from tests.browser.drawn import show
from tests.support import untrusted
from tests.support.logins import make_login

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

EN = Audience()


def cards(formatter: str) -> list[Card]:
    """One login that says the same everywhere, and beside it a harmless one on a digest."""
    made = formatter_class(formatter)()
    return [
        Card(f"{name}, {form}", made.makes, made.draw(logins, EN), width=480)
        for name, value in untrusted.CORPUS.items()
        for form, logins in (
            ("alone", [untrusted.everywhere(value)]),
            ("with others", [untrusted.everywhere(value), make_login()]),
        )
    ]


def contents() -> dict[str, Content]:
    """What each card is to say, as `cards` names them."""
    told: dict[str, Content] = {}
    for name, value in untrusted.CORPUS.items():
        told[f"{name}, alone"] = tell([untrusted.everywhere(value)], EN)
        told[f"{name}, with others"] = tell([untrusted.everywhere(value), make_login()], EN)
    return told


def words(content: Content) -> Iterator[str]:
    """Every text of a card that may hold what somebody else wrote."""
    yield content.headline
    yield from content.notes
    for fact in content.facts:
        yield fact.text
    for group in content.groups:
        yield from filter(None, [group.title])
        for row in group.rows:
            yield from (row.who, row.text)


def as_one_line(text: str) -> str:
    return " ".join(text.split())


HARMLESS = {"teams": {"p", "strong"}, "messagecard": {"p", "a"}, "slack": {"p", "a", "ul", "li"}}
"""The marks that are ours: paragraphs, a label in bold, a link to the console, Slack's rows."""
MARKDOWN = {"p", "a", "strong", "em", "s", "code", "pre", "img", "ul", "ol", "li", "blockquote", "hr", "th", "br"}
MARKDOWN |= {f"h{level}" for level in (1, 4, 5, 6)}


@pytest.mark.parametrize("formatter", HARMLESS)
def test_untrusted_text_is_shown_as_it_is(window: "Page", troubles: list[str], tmp_path: Path, formatter: str) -> None:
    seen = show(window, tmp_path, cards(formatter))
    for name, content in contents().items():
        shown = as_one_line("\n".join(seen[name]["texts"]))
        assert [text for text in words(content) if as_one_line(text) not in shown] == [], name
        assert {*seen[name]["tags"]} & MARKDOWN <= HARMLESS[formatter], name
        assert [url for url in seen[name]["links"] if not (content.link and url == content.link.url)] == [], name
        assert seen[name]["complaints"] == [], name
        assert seen[name]["wide"] == [], name
    assert troubles == []


def test_a_mail_program_links_nothing_but_the_console(window: "Page", troubles: list[str], tmp_path: Path) -> None:
    seen = show(window, tmp_path, cards("email"))
    for name, content in contents().items():
        assert seen[name]["links"] == ([content.link.url] if content.link else []), name
        assert {*seen[name]["tags"]} <= {"article", "h2", "p", "a"}, name
    assert troubles == []
