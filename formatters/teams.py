"""Logins as a Teams message: one Adaptive Card in the envelope that a Workflows webhook takes.

Version 1.4 and no newer element: above it "Post card" often draws nothing. A card that is too large is lost after the
202, unseen, so the limit here is well below Teams' own.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from bot.events import Login
from formatters.base import Audience, Payload, Weight
from formatters.content import Content, Fact, Group, tell

MAX_MESSAGE = 20_000
"""Bytes. Teams takes 28 KB inside the flow, where JSON grows by a sixth when it is put into JSON (Microsoft's
https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages)."""

CARD_VERSION = "1.4"

MAX_WIDTH = 26
"""Characters of two words side by side that Teams' renderer shows whole in a window of 250 pixels."""


class TeamsFormatter:
    makes: ClassVar[str] = "teams"

    def draw(self, logins: Sequence[Login], audience: Audience) -> Payload:
        content = tell(logins, audience)
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": _card(content),
        }
        return {"type": "message", "attachments": [attachment]}

    def weigh(self, payload: Payload) -> Weight:
        return weigh(payload)


def weigh(payload: Payload) -> Weight:
    """Bytes of the JSON as it is posted, which has six bytes for a character beyond ASCII."""
    return Weight(len(json.dumps(payload)), MAX_MESSAGE, "bytes")


def escape(text: str) -> str:
    r"""Text for TextBlock and FactSet, whose Markdown then makes nothing of it: no link, no emphasis, no date.

    A backslash goes before all that Markdown may read. Left as they are, since Markdown reads nothing in them and some
    phones draw the backslash: `-`, `_` and `+` inside a word, `.` inside a number, so that `svc_backup`, `ws-8n1k2m3p4`
    and `203.0.113.7` stay clean. `{{DATE(…)}}` and `https://…`, which are no Markdown, are broken by a backslash too.
    """
    return _MARKDOWN.sub(r"\\\g<0>", text)


_MARKDOWN = re.compile(
    r"[\\`*{}\[\]()<>#!|~&$]"
    r"|(?<![0-9A-Za-z])[-_+]|[-_+](?![0-9A-Za-z])"  # at the edge of a word
    r"|(?<![0-9])\.|\.(?![0-9])"  # beside anything but digits
    r"|(?<=:)/"
)


def _card(content: Content) -> dict[str, Any]:
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": CARD_VERSION,
        "msteams": {"width": "Full"},
        "fallbackText": escape(content.summary),
        "body": list(_body(content)),
    }
    if content.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": content.link.label, "url": content.link.url}]
    return card


def _body(content: Content) -> Iterator[dict[str, Any]]:
    """Top to bottom. The headline is Large, for in Teams Medium is no larger than the rest."""
    yield _text(escape(content.headline), size="Large", weight="Bolder")
    if content.notes:
        notes = [_text(escape(note), spacing="Small") for note in content.notes]
        yield {"type": "Container", "style": "warning", "items": notes}
    yield from _facts(content.facts)
    yield from _groups(content.groups)
    if content.instant is not None:
        stamp = f"{content.instant:%Y-%m-%dT%H:%M:%SZ}"
        own = content.phrases.own_time.format(date=f"{{{{DATE({stamp},SHORT)}}}}", time=f"{{{{TIME({stamp})}}}}")
        yield _text(own, isSubtle=True, size="Small")


def _groups(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    tables = [[Fact(row.who, row.text) for row in group.rows] for group in groups]
    draw = _table if all(map(_fits, tables)) else _lines
    for group, table in zip(groups, tables, strict=True):
        if group.title:
            yield _text(escape(group.title), weight="Bolder", spacing="Large")
        yield from draw(table, spacing="Small")


def _facts(facts: Sequence[Fact]) -> Iterator[dict[str, Any]]:
    yield from (_table if _fits(facts) else _lines)(facts)


def _table(facts: Sequence[Fact], **style: Any) -> Iterator[dict[str, Any]]:
    """Two columns, which cut off what is too wide for them."""
    yield {"type": "FactSet", "facts": [_pair(fact) for fact in facts], **style}


def _lines(facts: Sequence[Fact], **style: Any) -> Iterator[dict[str, Any]]:
    """A text each, which breaks a word where it must. No Markdown list: Teams' renderer cuts these off."""
    for fact in facts:
        yield _text(f"**{escape(fact.label)}** {escape(fact.text)}", **style)
        style = {"spacing": "None"}


def _fits(facts: Sequence[Fact]) -> bool:
    """Whether a narrow window shows these in two columns."""
    return all(_width(fact) <= MAX_WIDTH for fact in facts)


def _pair(fact: Fact) -> dict[str, str]:
    return {"title": escape(fact.label), "value": escape(fact.text)}


def _width(fact: Fact) -> int:
    """Characters of its longest words, side by side: narrower than these no column gets."""
    return sum(max(map(len, _WORD.findall(text)), default=0) for text in (fact.label, fact.text))


_WORD = re.compile(r"[^\s\-\u2e80-\uffee]+")
"""What Teams breaks nowhere: no white space, no hyphen, no Chinese or Japanese."""


def _text(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **style}
