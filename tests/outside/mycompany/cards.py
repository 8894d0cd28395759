"""A company's own card for Slack: one line, for a channel that wants no more."""

from collections.abc import Sequence
from typing import ClassVar

from bot.events import Login
from formatters.base import Audience, Payload, Weight
from formatters.content import tell
from formatters.slack import SlackFormatter


class Terse:
    makes: ClassVar[str] = "slack"

    def draw(self, logins: Sequence[Login], audience: Audience) -> Payload:
        drawn = SlackFormatter().draw(logins, audience)
        line = {"type": "plain_text", "text": tell(logins, audience).summary, "emoji": False}
        return {**drawn, "blocks": [{"type": "context", "elements": [line]}]}

    def weigh(self, payload: Payload) -> Weight:
        return SlackFormatter().weigh(payload)
