"""What each call of the function runs on, made out of its environment: routes, people, outbox and all that they need.

The only file that wires the real world for Lambda.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from bot import metrics
from bot.accounts import Accounts
from bot.aws import Aws
from bot.clock import Clock, SystemClock
from bot.config import Config, ConfigError
from bot.environment import Environment
from bot.metrics import Figure
from bot.names import DynamoNames
from bot.outbox.base import Outbox, OutboxReader
from bot.packaged_routes import PackagedRoutes, Routes
from bot.people import People
from bot.pipeline import Pipeline
from bot.refusals import Refusals
from bot.secrets import Secrets
from bot.senders.base import Tools
from bot.users import WorkSpacesPeople


class Store(Outbox, OutboxReader, Protocol):
    """What delivery lives by, and what can be seen from outside."""


@dataclass(frozen=True, slots=True)
class Bot:
    """Everything that a call needs, made once per container and routing file."""

    pipeline: Pipeline
    refusals: Refusals
    clock: Clock
    fleet: WorkSpacesPeople | None = None
    """Where people are looked up, unless they are on a list: known better from night to night."""
    reader: OutboxReader | None = None
    """Where each tick of the clock sees what waits."""
    service: str = ""
    """Whose numbers are told to CloudWatch; nobody's, where it is empty."""
    routes: Routes | None = None
    """Where the routing is from; its `trouble` says why a newer file is not in force, or may not be."""

    def note(self, figures: Iterable[Figure]) -> None:
        metrics.tell(self.service, figures, self.clock.now())


class Wiring:
    """What this copy of the bot is made of: the bot itself is made anew when the routing changes."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._clock = SystemClock()
        self.aws = Aws()
        self._routes = _routes(environment, self.aws, self._clock)
        self._made: Bot | None = None

    def bot(self) -> Bot:
        config = self._routes.in_force()
        if self._made is None or self._made.pipeline.config is not config:
            self._made = self._bot(config)
        return self._made

    def _bot(self, config: Config) -> Bot:
        environment, aws, clock = self._environment, self.aws, self._clock
        tools = Tools(secrets=Secrets(aws, clock), aws=aws, trusted_hosts=config.trusted_hosts)
        people = _people(environment, Accounts(config.accounts, aws, tools.secrets, clock), aws, clock)
        fleet = people if isinstance(people, WorkSpacesPeople) else None
        outbox = _outbox(environment, aws, clock)
        return Bot(
            pipeline=Pipeline(config=config, people=people, outbox=outbox, clock=clock, tools=tools),
            refusals=Refusals(aws, clock, environment.dead_letter_queue_url),
            clock=clock,
            fleet=fleet,
            reader=outbox,
            service=metrics.service(),
            routes=self._routes,
        )


@lru_cache(maxsize=1)
def wired(environment: Environment) -> Wiring:
    """The wiring of this environment, the same one for every call of this copy."""
    return Wiring(environment)


def _routes(environment: Environment, aws: Aws, clock: Clock) -> Routes:
    if not environment.routes.startswith("s3://"):
        return PackagedRoutes(environment.routes)
    from bot.config.fence import Fence  # noqa: PLC0415 - a packaged file needs neither
    from bot.last_good import LastGood  # noqa: PLC0415
    from bot.routes_in_force import HotRoutes  # noqa: PLC0415

    try:
        every = float(environment.refresh_seconds)
    except ValueError:
        mistake = f"ROUTES_REFRESH_SECONDS is {environment.refresh_seconds!r}; write a number of seconds, such as 60"
        raise ConfigError("environment", (mistake,)) from None
    table = environment.table_name
    last_good = LastGood(table, aws, environment.routes) if table else None
    return HotRoutes(environment.routes, aws, clock, every=every, fence=Fence.of_package(), last_good=last_good)


def _people(environment: Environment, accounts: Accounts, aws: Aws, clock: Clock) -> People:
    if environment.users_file:
        from bot.listed_people import ListedPeople  # noqa: PLC0415 - a laptop's, as a rule

        return ListedPeople(environment.users_file)
    names = DynamoNames(environment.table_name, aws, clock) if environment.table_name else None
    return WorkSpacesPeople(accounts, clock, names)


def _outbox(environment: Environment, aws: Aws, clock: Clock) -> Store:
    """The table, or the SQLite file, which is a laptop's: on Lambda it would be lost with the container."""
    if environment.table_name:
        from bot.outbox.dynamodb import DynamoOutbox  # noqa: PLC0415 - a laptop has no table

        return DynamoOutbox(environment.table_name, aws, clock)
    if environment.on_lambda:
        raise ConfigError(
            "environment",
            ("TABLE_NAME is not set: on Lambda the outbox must be a DynamoDB table, or logins would be lost",),
        )
    from bot.outbox.sqlite import SqliteOutbox  # noqa: PLC0415 - Lambda never needs it

    return SqliteOutbox(environment.state_file, clock)
