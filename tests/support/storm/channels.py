"""Slack, Teams and SNS on simulated time: they enforce their published limits, and note whom each card names."""

from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bot.clock import Clock
from bot.senders import make
from bot.senders.base import Sender, Tools, Verdict
from tests.support.providers import Answer, Provider, Request
from tests.support.storm import people
from tests.support.storm.clock import SimClock

LATENCY = 0.3
"""Seconds from a post to its answer."""


class Notes:
    """What a channel was told, login by login: when it was first named, and how often it was named again."""

    def __init__(self, clock: Clock, logins: int) -> None:
        self._clock = clock
        self.named_at = array("d", [0.0]) * logins
        self.cards = 0
        self.named = 0
        self.twice = 0
        self.broken = 0
        """Posts over the provider's limit."""

    def take(self, numbers: list[int]) -> None:
        self.cards += 1
        for number in numbers:
            if self.named_at[number]:
                self.twice += 1
            else:
                self.named += 1
                self.named_at[number] = self._clock.now()


class Window:
    """At most `most` posts in any `seconds`."""

    def __init__(self, clock: Clock, most: int, seconds: float) -> None:
        self._clock = clock
        self._most = most
        self._seconds = seconds
        self._posts: deque[float] = deque()

    def has_room(self) -> bool:
        """Whether one more is within the limit; then it is counted."""
        now = self._clock.now()
        while self._posts and self._posts[0] <= now - self._seconds:
            self._posts.popleft()
        if len(self._posts) >= self._most:
            return False
        self._posts.append(now)
        return True


class Bucket:
    """`burst` at once, and one more for every `1 / per_second` seconds."""

    def __init__(self, clock: Clock, burst: int, per_second: float) -> None:
        self._clock = clock
        self._burst = burst
        self._per_second = per_second
        self._room, self._seen_at = float(burst), clock.now()

    def has_room(self) -> bool:
        """Whether one more is within the limit; then it is counted."""
        now = self._clock.now()
        self._room = min(self._room + (now - self._seen_at) * self._per_second, self._burst)
        self._seen_at = now
        if self._room < 1:
            return False
        self._room -= 1
        return True


class SlackChannel(Provider):
    """One message a second with a burst of three; then 429, and for as long as Retry-After says nothing but 429."""

    RETRY_AFTER = 30

    def __init__(self, clock: Clock, logins: int) -> None:
        super().__init__(self._hear)
        self._clock = clock
        self.notes = Notes(clock, logins)
        self._bucket = Bucket(clock, 3, 1.0)
        self._closed_until = 0.0

    def _hear(self, request: Request) -> Answer:
        self._requests.clear()  # a storm's cards would fill the memory that is measured
        now = self._clock.now()
        if now < self._closed_until or not self._bucket.has_room():
            self.notes.broken += 1
            self._closed_until = now + self.RETRY_AFTER
            return Answer(429, "rate_limited", {"Retry-After": str(self.RETRY_AFTER)})
        self.notes.take(people.named_on_slack(request.json))
        return Answer(200, "ok")


class TeamsChannel(Provider):
    """25 posts in 300 s: what exceeds that gets its 202 and never appears. Above 4 in a second it says 429."""

    def __init__(self, clock: Clock, logins: int) -> None:
        super().__init__(self._hear, path="/workflows/0123456789abcdef/triggers/manual/paths/invoke?sig=4f1d9a")
        self.notes = Notes(clock, logins)
        self._second = Window(clock, 4, 1.0)
        self._flow = Window(clock, 25, 300.0)

    def _hear(self, request: Request) -> Answer:
        self._requests.clear()  # a storm's cards would fill the memory that is measured
        if not self._second.has_room():
            self.notes.broken += 1
            return Answer(429, headers={"Retry-After": "5"})
        if self._flow.has_room():
            self.notes.take(people.named_on_teams(request.json))
        else:
            self.notes.broken += 1
        return Answer(202)


class Topic:
    """An SNS topic with a mailbox, as boto3's client: above 10 messages in a second the mailbox is switched off."""

    def __init__(self, clock: Clock, logins: int) -> None:
        self.notes = Notes(clock, logins)
        self._second = Window(clock, 10, 1.0)

    def publish(self, *, Message: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's own names
        if self._second.has_room():
            self.notes.take(people.named_in_mail(Message))
        else:
            self.notes.broken += 1
        return {"MessageId": "567910cd-659e-55d4-8ccb-5aaf14679dc0"}


@dataclass(frozen=True, kw_only=True)
class FarSettings:
    """A sender of the registry and its settings, a while away; a `dead` one's provider never answers."""

    type: str
    settings: Mapping[str, Any]
    clock: SimClock
    dead: bool = False


class FarSender:
    """A real sender, with the time that its provider takes: half of it on the way there, half on the way back."""

    Settings: ClassVar[type[Any]] = FarSettings
    takes: ClassVar[frozenset[str]] = frozenset({"slack", "teams", "mail"})
    formatter: ClassVar[str] = "slack"

    def __init__(self, settings: FarSettings, tools: Tools) -> None:
        self._near: Sender = make(settings.type, settings.settings, tools)
        self._clock = settings.clock
        self._dead = settings.dead

    def send(self, payload: Mapping[str, Any], *, timeout: float) -> Verdict:
        if self._dead:
            self._clock.sleep(timeout)
            return Verdict.unsure("it was sent the card and did not answer in time")
        self._clock.dawdle(LATENCY / 2)
        verdict = self._near.send(payload, timeout=timeout)
        self._clock.dawdle(LATENCY / 2)
        return verdict

    def refresh(self) -> None:
        self._near.refresh()
