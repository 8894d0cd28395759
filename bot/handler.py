"""AWS's door: an event, a queue batch or the clock comes in; the records to retry go out.

The only file that wires the real world for Lambda.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from bot import logs, metrics
from bot.accounts import Accounts
from bot.aws import Aws
from bot.clock import Clock, SystemClock
from bot.config import Config, ConfigError
from bot.metrics import Figure
from bot.names import DynamoNames
from bot.outbox.base import Outbox, OutboxReader
from bot.packaged_routes import PackagedRoutes, Routes
from bot.pipeline import Intake, Pipeline
from bot.refusals import Refusal, Refusals
from bot.samples import canary_id
from bot.secrets import Secrets
from bot.senders.base import Tools
from bot.users import ListedPeople, People, WorkSpacesPeople

log = logging.getLogger("bot.handler")

CLOCK_TYPE = "Scheduled Event"

SETTLE_SECONDS = 1.0
"""What a call keeps back of its time, so that the last verdict is written before Lambda ends it."""

BATCH_TELLS_SECONDS = 15.0
"""How long a call that came from the queue tells: a few channels that are slow or have much to be told must not keep
the queue's pollers, of which there are two or three, from the logins of all others. The clock's calls go on with it."""

NO_CONTEXT_SECONDS = 60.0
"""How long a call may take that comes without Lambda's context."""


class NotKeptError(Exception):
    """A direct event or a canary could not be kept: raised so that Lambda brings it back.

    An asynchronous call is tried twice more (`maximumRetryAttempts` in serverless.yml).
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The function's settings, as its environment variables give them; empty where they say nothing.

    Paths are absolute, and `versions` changes with the files: an operator who mends one is not answered by the old.
    """

    routes: str
    refresh_seconds: str
    table_name: str
    state_file: str
    users_file: str
    dead_letter_queue_url: str
    log_level: str
    on_lambda: bool
    versions: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls) -> "Environment":
        routes = _absolute(os.environ.get("ROUTES") or "routes.yml")
        users_file = _absolute(os.environ.get("USERS_FILE", ""))
        return cls(
            routes=routes,
            refresh_seconds=os.environ.get("ROUTES_REFRESH_SECONDS") or "60",
            table_name=os.environ.get("TABLE_NAME", ""),
            state_file=_absolute(os.environ.get("STATE_FILE") or ".local/state.sqlite"),
            users_file=users_file,
            dead_letter_queue_url=os.environ.get("DEAD_LETTER_QUEUE_URL", ""),
            log_level=os.environ.get("LOG_LEVEL", "INFO").upper(),
            on_lambda="AWS_LAMBDA_FUNCTION_NAME" in os.environ,
            versions=(_version(routes), _version(users_file)),
        )


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path and "://" not in path else path


def _version(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


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


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Take what AWS brings: a WorkSpaces Access event, an SQS batch of such events, the one-minute clock or the canary.

    A batch is answered with `{"batchItemFailures": [{"itemIdentifier": messageId}, …]}`: the records that could not
    be kept. Raises ConfigError when the routing file can't be used, and NotKeptError when a direct event could not be
    kept; nothing else.
    """
    return answer(_bot(Environment.read()), event, context)


def answer(bot: Bot, event: Any, context: Any) -> dict[str, Any]:
    """What `handle` does, for a bot that is made already."""
    until = _until(bot.clock, context)
    if isinstance(event, dict) and isinstance(event.get("Records"), list):
        return _take_batch(bot, event["Records"], until)
    if _is_clock(event):
        bot.note(_waiting(bot))
        bot.note(metrics.count(RoutesRefused=int(bot.routes is not None and bool(bot.routes.trouble))))
    elif known_as := canary_id(event):
        _take_canary(bot, event, known_as)
    else:
        _take_event(bot, event, until)
    bot.note(metrics.of_told(bot.pipeline.tell(until=until)))
    if _is_clock(event):
        _sweep(bot, event, until)
    return {}


def _is_clock(event: object) -> bool:
    return isinstance(event, dict) and event.get("detail-type") == CLOCK_TYPE


def _waiting(bot: Bot) -> Iterator[Figure]:
    """What waits before this tick tells it: a tick that has no time left must not be silent about the rest."""
    if bot.reader is not None:
        yield from metrics.of_waiting(bot.reader.status(), bot.clock.now())


def _take_canary(bot: Bot, event: dict[str, Any], known_as: str) -> None:
    account, region = str(event.get("account", "")), str(event.get("region", ""))
    intake = bot.pipeline.take_in_samples(known_as, account=account, region=region)
    if intake.unkept:
        raise NotKeptError(intake.unkept)


def _sweep(bot: Bot, tick: dict[str, Any], until: float) -> None:
    """With what is left of a tick in the night, get to know the fleet of the account and region that it comes from."""
    account, region = tick.get("account"), tick.get("region")
    if bot.fleet is not None and isinstance(account, str) and isinstance(region, str):
        bot.fleet.sweep((account, region), until=until)
        bot.note(_look_ups(bot))


def _look_ups(bot: Bot) -> Iterator[Figure]:
    return metrics.count(LookUps=bot.fleet.calls() if bot.fleet is not None else 0)


def _take_in(bot: Bot, raws: Iterable[object], until: float) -> Intake:
    intake = bot.pipeline.take_in(raws, until=until)
    bot.note(chain(metrics.of_intake(intake), _look_ups(bot)))
    return intake


def _take_event(bot: Bot, event: object, until: float) -> None:
    intake = _take_in(bot, [event], until)
    if intake.unkept:
        raise NotKeptError(intake.unkept)
    refused = intake.taken[0].refused
    if refused and bot.refusals.put([Refusal(event, refused)], until=until):
        raise NotKeptError(f"refused ({refused}), and the dead-letter queue did not take it")


def _take_batch(bot: Bot, records: list[Any], until: float) -> dict[str, Any]:
    """Every record alone: what one of them is costs its neighbours nothing."""
    intake = _take_in(bot, map(_body, records), until)
    looked_at = list(zip(records, intake.taken, strict=True))
    refused = [
        Refusal(_carried(record), taken.refused, _message_id(record)) for record, taken in looked_at if taken.refused
    ]
    failed = [refusal.record_id for refusal in bot.refusals.put(refused, until=until)]
    if intake.unkept:
        failed += [_message_id(record) for record, taken in looked_at if not taken.refused]
    else:
        told = bot.pipeline.tell_quickly(until=min(until, bot.clock.now() + BATCH_TELLS_SECONDS))
        bot.note(metrics.of_told(told))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _message_id(record: Any) -> str:
    return str(record.get("messageId", "")) if isinstance(record, dict) else ""


def _carried(record: Any) -> Any:
    """The text that a queue record carries; the record itself, where it carries none."""
    body = _body(record)
    return body if isinstance(body, str) else record


def _body(record: Any) -> object:
    """What a queue record carries: an event's JSON text, or what `parse` refuses with its reason."""
    return record.get("body") if isinstance(record, dict) else record


def _until(clock: Clock, context: Any) -> float:
    try:
        seconds = context.get_remaining_time_in_millis() / 1000
    except Exception:  # noqa: BLE001 - whoever calls by hand has any context or none, and no login waits for a better one
        seconds = NO_CONTEXT_SECONDS
    return float(clock.now() + seconds - SETTLE_SECONDS)


def _bot(environment: Environment) -> Bot:
    """The bot of this environment. Raises ConfigError with every mistake, each on its own log line."""
    logs.set_up(environment.log_level)
    try:
        return _wiring(environment).bot()
    except ConfigError as error:
        for mistake in error.mistakes:
            log.error("not configured", extra={"fields": {"source": error.source, "mistake": mistake}})  # noqa: TRY400
        raise


@lru_cache(maxsize=1)
def _wiring(environment: Environment) -> "Wiring":
    return Wiring(environment)


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


def _get_ready() -> None:
    """Make the bot, and open its table's library, while Lambda starts this copy: it lends a whole processor for that.

    What goes wrong here goes wrong in the first call again, which says so.
    """
    with suppress(Exception):
        environment = Environment.read()
        _bot(environment)
        _wiring(environment).aws.client("dynamodb")


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _get_ready()
