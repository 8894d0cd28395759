"""Channels that post nothing: the inbox keeps what it was told, and answers as a channel would."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bot.senders.base import Tools, Verdict

TYPE = "bot.cli.inbox.channel:InboxSender"

BUSY_SECONDS = 20.0

ANSWERS: Mapping[str, Callable[[], Verdict]] = {
    "takes": Verdict.sent,
    "busy": lambda: Verdict.again(f"429: asks to wait {BUSY_SECONDS:g} s", BUSY_SECONDS),
    "silent": lambda: Verdict.unsure("no answer came in time"),
    "gone": lambda: Verdict.dead("404: no such channel", "destination"),
}
"""What a channel may be made to answer, to see what becomes of its logins then."""


class InboxSender:
    """Stands in for every kind of sender: posts nothing, and answers what its channel is set to answer."""

    @dataclass(frozen=True, kw_only=True)
    class Settings:
        """`answer` says what the channel answers at this moment: a key of ANSWERS."""

        answer: Callable[[], str]

    takes: ClassVar[frozenset[str]] = frozenset()
    formatter: ClassVar[str] = "email"
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    def __init__(self, settings: Settings, tools: Tools) -> None:  # noqa: ARG002 - every sender is made alike
        self._settings = settings

    def send(self, payload: Mapping[str, Any], *, timeout: float) -> Verdict:  # noqa: ARG002 - nothing is posted
        return ANSWERS[self._settings.answer()]()

    def refresh(self) -> None:
        """There is no secret to forget."""
