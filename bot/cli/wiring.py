"""The operator's world, wired in one place: what the options and the environment name becomes a working bot."""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from bot import logs
from bot.accounts import Accounts
from bot.aws import Aws
from bot.cli.reading import read_one
from bot.cli.show import Mistake
from bot.clock import Clock, SystemClock
from bot.config import Config, ConfigError, Destination
from bot.delivery import Told
from bot.events import Login, Person, RefusedError, parse
from bot.listed_people import ListedPeople
from bot.names import DynamoNames
from bot.outbox.base import Outbox, OutboxOperator
from bot.outbox.sqlite import SqliteOutbox
from bot.people import People
from bot.pipeline import Pipeline
from bot.secrets import Secrets
from bot.senders.base import Tools
from bot.users import WorkSpacesPeople

EXAMPLE = "routes.example.yml"


class Store(Outbox, OutboxOperator, Protocol):
    """What delivery lives by and what operators read and turn."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the outbox is: in a file on this machine, or in the table of a deployed bot."""

    file: str
    table: str = ""

    def __str__(self) -> str:
        return f"table {self.table}" if self.table else self.file

    @property
    def is_there(self) -> bool:
        """A table is asked when it is used: who may not describe it may still use it."""
        return bool(self.table) or Path(self.file).is_file()

    @property
    def option(self) -> str:
        """How the next command finds the table; the file mostly is where it always is."""
        return f" --table {self.table}" if self.table else ""

    def open(self, aws: Aws | None = None) -> Store:
        """The outbox there; a file is made by its first use where it is not there, a table never."""
        if not self.table:
            return SqliteOutbox(self.file, SystemClock())
        from bot.outbox.dynamodb import DynamoOutbox  # noqa: PLC0415 - a laptop's state needs no boto3

        return DynamoOutbox(self.table, aws or Aws(), SystemClock())

    def read(self) -> Store:
        """The outbox for reading. A file that is not there is a mistake: looking must not make one."""
        if self.is_there:
            return self.open()
        cure = "name another file with --state, or a deployed bot's table with --table"
        raise Mistake(f"there is no state at {self.file}: nothing was kept there yet; {cure}")


@dataclass(frozen=True, slots=True)
class Bot:
    """Everything that `run` and `demo` need."""

    pipeline: Pipeline
    outbox: Store
    clock: Clock


def tools(config: Config) -> Tools:
    aws = Aws()
    return Tools(secrets=Secrets(aws, SystemClock()), aws=aws, trusted_hosts=config.trusted_hosts)


def wire(config: Config, *, place: Place, users: str, on_told: Callable[[Told], None]) -> Bot:
    """A bot on the outbox at `place`. People come from the CSV `users` where it is named, else from AWS."""
    if os.environ.get("LOG_LEVEL"):
        logs.set_up(os.environ["LOG_LEVEL"].upper())
    clock = SystemClock()
    reach = tools(config)
    outbox = place.open(reach.aws)
    accounts = Accounts(config.accounts, reach.aws, reach.secrets, clock)
    names = DynamoNames(place.table, reach.aws, clock) if place.table else None
    people: People = listed(users) if users else WorkSpacesPeople(accounts, clock, names)
    pipeline = Pipeline(config=config, people=people, outbox=outbox, clock=clock, tools=reach, on_told=on_told)
    return Bot(pipeline, outbox, clock)


def with_cure(error: ConfigError) -> tuple[str, ...]:
    """Its mistakes; whoever has no routing file yet hears how to come by one."""
    if "://" in error.source or Path(error.source).exists() or not Path(EXAMPLE).is_file():
        return error.mistakes
    return tuple(f"{mistake}; to start with the example: cp {EXAMPLE} {error.source}" for mistake in error.mistakes)


def listed(users: str) -> ListedPeople:
    return ListedPeople(users)


def known_destination(config: Config, name: str) -> Destination:
    """The destination of that name. Raises Mistake with the name that was meant."""
    if (found := config.destinations.get(name)) is not None:
        return found
    raise Mistake(f"no destination {name!r} in {config.source}; {close_to(name, config.destinations, 'it has none')}")


def close_to(name: str, names: Collection[str], none: str) -> str:
    """The cure for a name that is none: the closest one, else all there are, else `none`."""
    if close := get_close_matches(name, names, n=1):
        return f"did you mean {close[0]!r}?"
    return f"there are {there}" if (there := ", ".join(names)) else none


def one_login(config: Config, event: str, *, user: str, users: str) -> Login:
    """The login in the file `event`, named by `--user`, else by the CSV, else by nobody; AWS is not asked.

    It is shown as if it had come the moment AWS sent it: how old the file is says nothing of AWS.
    """
    try:
        login = parse(read_one(event), received_at=datetime.now(UTC))
    except RefusedError as error:
        raise Mistake(f"{event}: no WorkSpaces login: {error}") from None
    login = replace(login, received_at=login.emitted_at)
    if (home := config.routing.directories.get(login.directory_id)) is not None:
        login = replace(login, directory_name=home.name)
    if user:
        return replace(login, person=Person(name=user))
    return listed(users).name([login], until=0.0)[0] if users else login
