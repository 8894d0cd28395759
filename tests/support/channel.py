"""A channel for tests: its sender answers as scripted and remembers what it took; its formatter draws the bare ids."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bot.clock import Clock
from bot.events import Login
from bot.senders.base import Tools, Verdict
from formatters.base import Audience, Payload, Weight

Answer = Verdict | Exception | Callable[[], Verdict]

ROOM = 40
"""Logins that a card of this channel holds."""


@dataclass(kw_only=True)
class Channel:
    """What a destination is connected to. `answers` are given in order, then everything is taken."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[Payload] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    refreshed: int = 0
    refuses: str = ""  # an event id: no card with it will ever be taken
    never: str = ""  # an event id: whatever is asked of a card with it alone is answered `instead`
    instead: Any = None
    clock: Clock | None = None
    times: list[float] = field(default_factory=list)

    @property
    def event_ids(self) -> list[str]:
        """What was asked of it, in order, taken or not."""
        return [event_id for payload in self.asked for event_id in payload["event_ids"]]


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    channel: Channel


class ScriptedSender:
    Settings: ClassVar[type[Any]] = ChannelSettings
    takes: ClassVar[frozenset[str]] = frozenset({"ids"})
    formatter: ClassVar[str] = "tests.support.channel:IdsFormatter"

    def __init__(self, settings: ChannelSettings, tools: Tools) -> None:
        self._channel = settings.channel

    def send(self, payload: Mapping[str, Any], *, timeout: float) -> Verdict:
        self._channel.asked.append(payload)
        self._channel.timeouts.append(timeout)
        if self._channel.clock is not None:
            self._channel.times.append(self._channel.clock.now())
        if self._channel.refuses in payload["event_ids"]:
            return Verdict.dead("400 invalid_payload", "payload")
        if payload["event_ids"] == [self._channel.never]:
            return self._channel.instead  # type: ignore[no-any-return] # what a sloppy sender of one's own might say
        answer = self._channel.answers.pop(0) if self._channel.answers else Verdict.sent()
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Verdict) else answer()

    def refresh(self) -> None:
        self._channel.refreshed += 1


class UnmakeableSender(ScriptedSender):
    def __init__(self, settings: ChannelSettings, tools: Tools) -> None:
        raise RuntimeError("hunter2")


class IdsFormatter:
    makes: ClassVar[str] = "ids"

    def draw(self, logins: Sequence[Login], audience: Audience) -> Payload:
        return {
            "event_ids": [login.event_id for login in logins],
            "users": [login.user for login in logins],
            "given_up": sorted({f"{login.given_up_by}: {login.given_up_why}" for login in logins if login.given_up_by}),
            "directories": [login.directory_name for login in logins],
            "language": audience.language,
            "timezone": audience.timezone,
        }

    def weigh(self, payload: Payload) -> Weight:
        return Weight(len(payload["event_ids"]), ROOM, "logins")


class BadWeigher(IdsFormatter):
    """Its card is fine alone, and nobody can say what a digest of it weighs."""

    def weigh(self, payload: Payload) -> Weight:
        if len(payload["event_ids"]) > 1:
            return None  # type: ignore[return-value] # what a sloppy formatter of one's own might say
        return super().weigh(payload)


class PickyFormatter(IdsFormatter):
    """Cannot draw the login of mallory."""

    def draw(self, logins: Sequence[Login], audience: Audience) -> Payload:
        if any(login.user == "mallory" for login in logins):
            raise ValueError("hunter2")
        return super().draw(logins, audience)
