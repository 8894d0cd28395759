"""The operator's world, wired in one place: what the options and the environment name becomes a working bot."""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from bot import logs
from bot.accounts import Accounts
from bot.aws import Aws
from bot.cli.reading import read_one
from bot.cli.show import Mistake
from bot.clock import Clock, SystemClock
from bot.config import Config, ConfigError, Destination
from bot.delivery import Told
from bot.events import Login, Person, RefusedError, parse
from bot.outbox.sqlite import SqliteOutbox
from bot.pipeline import Pipeline
from bot.secrets import Secrets
from bot.senders.base import Tools
from bot.users import ListedPeople, People, WorkSpacesPeople

EXAMPLE = "routes.example.yml"


@dataclass(frozen=True, slots=True)
class Bot:
    """Everything that `run` and `demo` need."""

    pipeline: Pipeline
    outbox: SqliteOutbox
    clock: Clock


def tools(config: Config) -> Tools:
    aws = Aws()
    return Tools(secrets=Secrets(aws, SystemClock()), aws=aws, trusted_hosts=config.trusted_hosts)


def wire(config: Config, *, state: str, users: str, on_told: Callable[[Told], None]) -> Bot:
    """A bot on the SQLite file `state`. People come from the CSV `users` where it is named, else from AWS."""
    if os.environ.get("LOG_LEVEL"):
        logs.set_up(os.environ["LOG_LEVEL"].upper())
    clock = SystemClock()
    outbox = SqliteOutbox(state, clock)
    reach = tools(config)
    accounts = Accounts(config.accounts, reach.aws, reach.secrets, clock)
    people: People = listed(users) if users else WorkSpacesPeople(accounts, clock)
    pipeline = Pipeline(config=config, people=people, outbox=outbox, clock=clock, tools=reach, on_told=on_told)
    return Bot(pipeline, outbox, clock)


def with_cure(error: ConfigError) -> tuple[str, ...]:
    """Its mistakes; whoever has no routing file yet hears how to come by one."""
    if "://" in error.source or Path(error.source).exists() or not Path(EXAMPLE).is_file():
        return error.mistakes
    return tuple(f"{mistake}; to start with the example: cp {EXAMPLE} {error.source}" for mistake in error.mistakes)


def listed(users: str) -> ListedPeople:
    return ListedPeople(users)


def read_state(path: str) -> SqliteOutbox:
    """The outbox at `path` for reading. A file that is not there is a mistake: looking must not make one."""
    if not Path(path).is_file():
        raise Mistake(f"there is no state at {path}: nothing was kept there yet; name another file with --state")
    return open_state(path)


def open_state(path: str) -> SqliteOutbox:
    """The outbox at `path`, made by its first use where it is not there."""
    return SqliteOutbox(path, SystemClock())


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
