"""Logins as a MessageCard, the older form that Workflows webhooks take too. Buttons are not drawn: it has a link."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from bot.events import Login
from formatters.base import Audience, Payload, Weight
from formatters.content import Content, Fact, tell
from formatters.teams import escape, weigh


class MessageCardFormatter:
    makes: ClassVar[str] = "teams"

    def draw(self, logins: Sequence[Login], audience: Audience) -> Payload:
        content = tell(logins, audience)
        return {
            "@type": "MessageCard",
            "@context": "https://schema.org/extensions",
            "summary": escape(content.summary),
            "title": escape(content.headline),
            "sections": list(_sections(content)),
        }

    def weigh(self, payload: Payload) -> Weight:
        return weigh(payload)


def _sections(content: Content) -> Iterator[dict[str, Any]]:
    if content.notes:
        yield _section(text="\n\n".join(map(escape, content.notes)))
    yield _section(facts=_facts(content.facts))
    for group in content.groups:
        title = {"activityTitle": escape(group.title)} if group.title else {}
        yield _section(**title, facts=_facts([Fact(row.who, row.text) for row in group.rows]))
    if content.link:
        yield _section(text=f"[{content.link.label}]({content.link.url})")


def _section(**parts: Any) -> dict[str, Any]:
    return {"markdown": True, **parts}


def _facts(facts: Sequence[Fact]) -> list[dict[str, str]]:
    return [{"name": escape(fact.label), "value": escape(fact.text)} for fact in facts]
