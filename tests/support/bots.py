"""A whole pipeline for tests: real routing, real SQLite, scripted channels, a clock that only the test moves."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.aws import Aws
from bot.config import Config, Destination, Digest
from bot.delivery import Told
from bot.events import Login, NamedAfter, NameGap, Person
from bot.outbox.sqlite import SqliteOutbox
from bot.pace import Pace
from bot.pipeline import Intake, Pipeline
from bot.routing import Directory, Routing
from bot.secrets import Secrets
from bot.senders.base import Tools
from tests.support.channel import Channel
from tests.support.clock import FakeClock
from tests.support.logins import event

CALL_SECONDS = 60.0


class KnownPeople:
    """Knows everybody in `names`; `asked` holds the workspace ids of each call and how long it was given."""

    def __init__(self, clock: FakeClock, names: dict[str, str] | None = None) -> None:
        self._clock = clock
        self._names = names or {}
        self.asked: list[tuple[tuple[str, ...], float]] = []

    def name(self, logins: Sequence[Login], *, until: float) -> list[Login]:
        self.asked.append((tuple(login.workspace_id for login in logins), until - self._clock.now()))
        return [replace(login, person=self._person(login)) for login in logins]

    def _person(self, login: Login) -> Person:
        if name := self._names.get(login.workspace_id):
            return Person(name=name)
        return Person(name=login.workspace_id, named_after=NamedAfter.ID, gap=NameGap.UNKNOWN)


def destination(name: str, channel: Channel, **different: Any) -> Destination:
    usual: dict[str, Any] = {
        "name": name,
        "type": "tests.support.channel:ScriptedSender",
        "settings": {"channel": channel},
        "formatter": "tests.support.channel:IdsFormatter",
        "pace": Pace(messages=1000, per=0.0, gap=0.0, group=name),
        "digest": Digest(over=3),
    }
    return Destination(**(usual | different))


@dataclass
class Bot:
    """One copy of the bot. Copies made with the same `path`, `clock` and `channels` share one outbox."""

    path: Path
    channels: dict[str, Channel]
    clock: FakeClock = field(default_factory=FakeClock)
    names: dict[str, str] = field(default_factory=lambda: {"ws-8n1k2m3p4": "alice"})
    different: dict[str, dict[str, Any]] = field(default_factory=dict)
    directories: dict[str, Directory] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.told: list[Told] = []
        self.outbox = SqliteOutbox(str(self.path), self.clock)
        self.people = KnownPeople(self.clock, self.names)
        self.pipeline = self.pipeline_on(self.outbox)

    def pipeline_on(self, outbox: Any) -> Pipeline:
        aws = Aws()
        return Pipeline(
            config=self.config(),
            people=self.people,
            outbox=outbox,
            clock=self.clock,
            tools=Tools(secrets=Secrets(aws, self.clock), aws=aws),
            on_told=self.told.append,
        )

    def config(self) -> Config:
        destinations = {
            name: destination(name, channel, **self.different.get(name, {})) for name, channel in self.channels.items()
        }
        routing = Routing(directories=self.directories, default=tuple(destinations))
        return Config(source="a test", routing=routing, destinations=destinations)

    @property
    def until(self) -> float:
        return self.clock.now() + CALL_SECONDS

    def take_in(self, *raws: object) -> Intake:
        return self.pipeline.take_in(raws, until=self.until)

    def tell(self, seconds: float = CALL_SECONDS) -> list[str]:
        """What was told, as `destination outcome` lines in the order of the destinations' names."""
        told = self.pipeline.tell(until=self.clock.now() + seconds)
        return sorted(f"{each.destination} {each.verdict.outcome}" for each in told)


def event_of(number: int, **detail: Any) -> dict[str, Any]:
    """The usual event with the id `event-<number>`."""
    raw = event("seed")
    raw["id"] = f"event-{number}"
    raw["detail"] |= detail
    return raw
