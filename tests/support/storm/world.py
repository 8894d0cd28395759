"""A morning in the simulated world: people log in, a queue brings it to copies of the bot, channels note who is named.

with World(Storm(logins=1_000), folder) as world:
    world.run()
    assert world.channels["slack"].lost == 0
"""

import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from bot.aws import Aws
from bot.clock import Clock
from bot.config import Config, Destination, load
from bot.events import Login, Person
from bot.handler import answer
from bot.names import DynamoNames
from bot.outbox.dynamodb import DynamoOutbox
from bot.outbox.sqlite import SqliteOutbox
from bot.pipeline import Pipeline
from bot.refusals import Refusals
from bot.secrets import Secrets
from bot.senders.base import Tools
from bot.users import WorkSpacesPeople
from bot.wiring import Bot
from tests.support.fleet import own_account
from tests.support.outbox_stores import Store
from tests.support.storm import people
from tests.support.storm.aws import Directory, Parameters, SimAws, Topics
from tests.support.storm.channels import Notes, SlackChannel, TeamsChannel, Topic
from tests.support.storm.clock import Process, SimClock
from tests.support.storm.queue import BATCH, VISIBILITY, Message, Queue
from tests.support.storm.table import Table

CALL_SECONDS = 60.0
COLD_START = 0.8
WINDOW = 1.0
"""Seconds that a poller gathers records for one call."""
POLLERS = 2
POLL_SECONDS = 0.2
TICK_SECONDS = 60.0
TICK = {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
GIVE_IT_UP = 4 * 3600.0
"""Seconds after which a world ends whatever is missing."""

STORES: dict[str, Callable[[Path, Aws, Clock], Store]] = {
    "sqlite": lambda folder, aws, clock: SqliteOutbox(folder / "outbox.sqlite", clock),
    "dynamodb": lambda folder, aws, clock: DynamoOutbox(TABLE, aws, clock),
}
PROVIDERS: dict[str, type[SlackChannel | TeamsChannel]] = {"slack": SlackChannel, "teams": TeamsChannel}
TABLE = "login-bot"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:"


@dataclass(frozen=True, kw_only=True)
class Storm:
    """`logins` of as many people within `seconds`; one event in `one_twice_of` comes twice.

    A channel's kind is the first word of its name. Every channel hears of every login, or, where they are `apart`,
    each of its own directory's. Those that are `dead` take a post and never answer. After `deaths` seconds each a copy
    that is at work dies, and at those that `table_is_down` names the table does not answer.
    """

    logins: int
    seconds: float = 60.0
    known: bool = True
    one_twice_of: int = 50
    channels: tuple[str, ...] = ("slack", "teams", "mail")
    apart: bool = False
    dead: frozenset[str] = frozenset()
    deaths: tuple[float, ...] = ()
    table_is_down: Callable[[float], bool] = lambda _: False
    first_tick: float = 37.0
    """Seconds from the first login to the next stroke of the one-minute clock."""
    aftermath: float = VISIBILITY + 60.0
    """Seconds that the world goes on when everybody was named: long enough for every record to come again."""
    seed: int = 1

    def emitted(self, start: float) -> list[float]:
        chance = random.Random(self.seed)
        return sorted(start + chance.uniform(0.0, self.seconds) for _ in range(self.logins))

    def messages(self, emitted: Sequence[float]) -> Iterator[Message]:
        chance = random.Random(self.seed)
        for number, at in enumerate(emitted):
            yield Message(number, number, at)
            if number % self.one_twice_of == 0:
                yield Message(self.logins + number, number, at + chance.choice([0.0, 0.5, 5.0, 90.0]))

    def directory(self, number: int) -> int:
        return number % len(self.channels) if self.apart else 0


@dataclass
class Context:
    """Lambda's context, as far as the bot looks at it."""

    clock: SimClock
    ends: float

    def get_remaining_time_in_millis(self) -> int:
        return int((self.ends - self.clock.now()) * 1000)


@dataclass(frozen=True, eq=False)
class Copy:
    """One container: a process with its own bot, which takes one call at a time."""

    bot: Bot
    process: Process


class TimedPeople(WorkSpacesPeople):
    """Notes how long names were waited for."""

    def __init__(self, world: "World") -> None:
        names = DynamoNames(TABLE, world.aws, world.clock)
        super().__init__(own_account(world.aws, world.clock), world.clock, names, within=lambda _, call: call())
        self._world = world

    def name(self, logins: Sequence[Login], *, until: float) -> list[Login]:
        began = self._world.clock.now()
        named = super().name(logins, until=until)
        waited = self._world.clock.now() - began
        self._world.longest_wait_for_a_name = max(self._world.longest_wait_for_a_name, waited)
        return named


class World:
    def __init__(self, storm: Storm, folder: Path, *, store: str = "dynamodb", table: type[Table] = Table) -> None:
        self.storm = storm
        self.clock = SimClock()
        self.start = self.clock.now()
        self.emitted = array("d", storm.emitted(self.start))
        self.queue = Queue(self.clock, storm.messages(self.emitted), self._body)
        self.directory = Directory(self.clock)
        self.providers: dict[str, SlackChannel | TeamsChannel] = {}
        self.topics: dict[str, Topic] = {}
        for name in storm.channels:
            self._build(name)
        self.table = table(self.clock, lambda: storm.table_is_down(self.clock.now() - self.start))
        self.copies = self.calls = self.died = 0
        self.largest_batch = 0
        self.sent_back: list[int] = []
        """How many records a call wanted to see again, of each call that wanted any."""
        self.longest_wait_for_a_name = 0.0
        self._folder = folder
        self._open_store = STORES[store]
        self._idle: list[Copy] = []
        self._busy: list[Copy] = []
        self._world = Process("the world")
        self._done_at: float | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for provider in self.providers.values():
            self._open.enter_context(provider)
        urls = {f"/storm/{name}": provider.url for name, provider in self.providers.items()}
        topics = Topics({TOPIC + name: topic for name, topic in self.topics.items()})
        self.aws = SimAws(workspaces=self.directory, ssm=Parameters(urls), sns=topics, dynamodb=self.table)
        self.config = self._config()
        if self.storm.known:
            everybody = {people.desk(number): Person(name=people.user(number)) for number in range(self.storm.logins)}
            DynamoNames(TABLE, self.aws, self.clock).remember((people.ACCOUNT, people.REGION), everybody)
        self.table.calls.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def channels(self) -> dict[str, Notes]:
        return {name: each.notes for name, each in (self.providers | self.topics).items()}

    def outbox(self) -> Store:
        """The store as one more process sees it."""
        return self._open_store(self._folder, self.aws, self.clock)

    def expected(self, channel: str) -> range:
        """The logins that `channel` must hear of."""
        if self.storm.apart:
            return range(self.storm.channels.index(channel), self.storm.logins, len(self.storm.channels))
        return range(self.storm.logins)

    def waits(self, channel: str) -> list[float]:
        """Seconds from each login's event until `channel` named it."""
        named_at = self.channels[channel].named_at
        return [named_at[number] - self.emitted[number] for number in self.expected(channel)]

    def late(self, channel: str) -> float:
        """What the one waited that waited longest."""
        return max(self.waits(channel))

    def lost(self, channel: str) -> int:
        named_at = self.channels[channel].named_at
        return sum(not named_at[number] for number in self.expected(channel))

    def run(self) -> None:
        for _ in range(POLLERS):
            self.clock.start(self._poll, self._world)
        self.clock.start(self._tick, self._world)
        for seconds in self.storm.deaths:
            self.clock.start(lambda seconds=seconds: self._kill(seconds), self._world)  # type: ignore[misc]
        self.clock.run(self._is_over)

    def _is_over(self) -> bool:
        now = self.clock.now()
        if self._done_at is None and all(self._knows_all(name) for name in self.storm.channels):
            self._done_at = now
        return now > (self.start + GIVE_IT_UP if self._done_at is None else self._done_at + self.storm.aftermath)

    def _knows_all(self, channel: str) -> bool:
        return channel in self.storm.dead or self.channels[channel].named == len(self.expected(channel))

    def _poll(self) -> None:
        """AWS's side of the queue: gathers records, brings them to a copy, deletes what it does not want back."""
        while (visible := self.queue.next_visible) is not None:
            if visible > self.clock.now():
                self.clock.sleep(min(visible - self.clock.now(), POLL_SECONDS))
                continue
            self.clock.sleep(WINDOW)
            records = self.queue.receive(BATCH)
            self.largest_batch = max(self.largest_batch, len(records))
            said = self._call({"Records": records}) if records else None
            if said is not None:
                failed = {each["itemIdentifier"] for each in said["batchItemFailures"]}
                self.sent_back += [len(failed)] if failed else []
                self.queue.delete(record["messageId"] for record in records if record["messageId"] not in failed)

    def _tick(self) -> None:
        self.clock.sleep(self.storm.first_tick)
        while True:
            self.clock.start(lambda: self._call(TICK), self._world)
            self.clock.sleep(TICK_SECONDS)

    def _kill(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        while not self._busy:
            self.clock.sleep(0.05)
        self._busy[0].process.dies_at = self.clock.now()

    def _call(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """One call of the function; None when its process died, or did not come to an end in its time."""
        self.calls += 1
        copy = self._idle.pop() if self._idle else self._started()
        self._busy.append(copy)
        copy.process.dies_at = self.clock.now() + CALL_SECONDS
        context = Context(self.clock, copy.process.dies_at)
        said = self.clock.side_by_side(lambda each: answer(copy.bot, each, context), [event], copy.process)
        self._busy.remove(copy)
        if not said:
            self.died += 1
            return None
        self._idle.append(copy)
        return said[0]

    def _started(self) -> Copy:
        self.copies += 1
        self.clock.sleep(COLD_START)
        pipeline = Pipeline(
            config=self.config,
            people=TimedPeople(self),
            outbox=self.outbox(),
            clock=self.clock,
            tools=Tools(Secrets(self.aws, self.clock), self.aws, self.config.trusted_hosts),
            side_by_side=self.clock.side_by_side,
        )
        return Copy(Bot(pipeline, Refusals(self.aws, self.clock), self.clock), Process(f"copy {self.copies}"))

    def _body(self, message: Message) -> str:
        directory = f"d-906700000{self.storm.directory(message.login):02}"
        return people.event(message.login, self.emitted[message.login], directory)

    def _build(self, name: str) -> None:
        kind = PROVIDERS.get(name.partition("-")[0])
        if kind is None:
            self.topics[name] = Topic(self.clock, self.storm.logins)
        else:
            self.providers[name] = kind(self.clock, self.storm.logins)

    def _config(self) -> Config:
        """As the bot reads it from a routing file, with every provider a little away."""
        file = self._folder / "routes.yml"
        file.write_text("\n".join(self._routes()))
        config = load(str(file))
        return replace(config, destinations={name: self._away(each) for name, each in config.destinations.items()})

    def _routes(self) -> Iterator[str]:
        names = self.storm.channels
        yield f"trusted_hosts: {[provider.host for provider in self.providers.values()]}"
        yield "destinations:"
        for name in self.providers:
            yield f"  {name}: {{type: {name.partition('-')[0]}, webhook_url: 'ssm:/storm/{name}'}}"
        for name in self.topics:
            yield f"  {name}: {{type: sns, topic_arn: '{TOPIC}{name}'}}"
        yield "directories:"
        for number, name in enumerate(names if self.storm.apart else names[:1]):
            hears = [name] if self.storm.apart else list(names)
            yield f"  d-906700000{number:02}: {{name: Directory {number}, notify: {hears}}}"
        yield f"default: [{names[0]}]"

    def _away(self, destination: Destination) -> Destination:
        settings = {
            "type": destination.type,
            "settings": destination.settings,
            "clock": self.clock,
            "dead": destination.name in self.storm.dead,
        }
        return replace(destination, type="tests.support.storm.channels:FarSender", settings=settings)
