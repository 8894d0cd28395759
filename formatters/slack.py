"""Logins as a Slack message: Block Kit, and a `text` for the notification line and for screen readers.

Untrusted text stands only where Slack parses nothing: in plain_text objects and in the text elements of rich text.
The one mrkdwn line is made of our own words alone, and so is every link. There is no button: a click on one makes
Slack show a warning unless the app answers clicks, and a link needs no answer. No colour bar either: it would cost
the notification its text, and no login is redder than another.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from bot.events import Login
from formatters.base import Audience, Payload, Weight
from formatters.content import Content, Fact, Group, Row, tell
from formatters.text import units

MAX_MESSAGE = 13_000
"""Characters of all strings together. Slack documents no total, and refuses near 13,200 (msg_blocks_too_long)."""
RICH_TEXT_FULL = 2_500
"""A rich text block takes no more rows beyond these characters; at most 6 such blocks, of 50, make a full message."""


class SlackFormatter:
    makes: ClassVar[str] = "slack"

    def draw(self, logins: Sequence[Login], audience: Audience) -> Payload:
        content = tell(logins, audience)
        return {
            "text": escape(content.summary),
            "mrkdwn": False,
            "blocks": [_header(content), _facts(content.facts), *_groups(content.groups), *_footer(content)],
        }

    def weigh(self, payload: Payload) -> Weight:
        return Weight(_characters(payload), MAX_MESSAGE, "characters")


def escape(text: str) -> str:
    """Text for `text` and mrkdwn: no mention, link or date is made of it.

    https://docs.slack.dev/messaging/formatting-message-text. Slack has no escape for `* _ ~` and backtick:
    `mrkdwn: false` turns them off in `text`, and no untrusted text stands in mrkdwn.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _header(content: Content) -> dict[str, Any]:
    return {"type": "header", "text": _plain(content.headline)}


def _facts(facts: Sequence[Fact]) -> dict[str, Any]:
    """A line for each fact, its label in bold."""
    elements = []
    for index, fact in enumerate(facts):
        line_break = "\n" if index < len(facts) - 1 else ""
        elements += [_bold(fact.label), _text(f"  {fact.text}{line_break}")]
    return _rich_text([_section(elements)])


def _groups(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    """Titles and bulleted rows, in as few rich text blocks as may be."""
    parts: list[dict[str, Any]] = []
    for group in groups:
        if group.title:
            gap = "\n" if parts else ""
            parts.append(_section([_bold(gap + group.title)]))
        for chunk in _chunks(group.rows):
            parts.append({"type": "rich_text_list", "style": "bullet", "elements": [_row(row) for row in chunk]})
            if _characters(parts) >= RICH_TEXT_FULL:
                yield _rich_text(parts)
                parts = []
    if parts:
        yield _rich_text(parts)


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Lists short enough that a block ends soon after it is full."""
    yield from (rows[start : start + 20] for start in range(0, len(rows), 20))


def _row(row: Row) -> dict[str, Any]:
    return _section([_bold(row.who), _text(f"  {row.text}")])


def _footer(content: Content) -> Iterator[dict[str, Any]]:
    """The reader's own time and the link, then what is to be noted."""
    line = "  ·  ".join(filter(None, [_own_time(content), _link(content)]))
    if line:
        yield {"type": "context", "elements": [{"type": "mrkdwn", "text": line}]}
    if content.notes:
        yield {"type": "context", "elements": [_plain("\n".join(content.notes))]}


def _own_time(content: Content) -> str:
    if content.instant is None:
        return ""
    form = content.phrases.own_time.format(date="{date_short_pretty}", time="{time}")
    fallback = content.phrases.own_time.format(date=f"{content.instant:%Y-%m-%d}", time=f"{content.instant:%H:%M} UTC")
    return f"<!date^{int(content.instant.timestamp())}^{form}|{fallback}>"


def _link(content: Content) -> str:
    return f"<{escape(content.link.url)}|{escape(content.link.label)}>" if content.link else ""


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _rich_text(elements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": elements}


def _section(elements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": elements}


def _bold(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "style": {"bold": True}}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _characters(value: object) -> int:
    """Every string counts, the names of block types too: nobody but Slack knows what it counts."""
    if isinstance(value, str):
        return units(value)
    if isinstance(value, dict):
        return sum(map(_characters, value.values()))
    if isinstance(value, list):
        return sum(map(_characters, value))
    return 0
