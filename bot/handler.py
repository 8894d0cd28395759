"""AWS's door: an event, a queue batch or the clock comes in; the records to retry go out.

The only file that wires the real world for Lambda.
"""

import json
import logging
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot import logs
from bot.aws import Aws
from bot.clock import Clock, SystemClock
from bot.config import ConfigError, load
from bot.events import MAX_EVENT_BYTES
from bot.names import DynamoNames
from bot.outbox.base import Outbox
from bot.pipeline import Pipeline
from bot.refusals import Refusal, Refusals
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
    """A direct event could not be kept: raised so that Lambda's own retry brings it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The function's settings, as its environment variables give them; empty where they say nothing.

    Paths are absolute, and `versions` changes with the files: an operator who mends one is not answered by the old.
    """

    routes: str
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


@dataclass(frozen=True, slots=True)
class Bot:
    """Everything that a call needs, made once per container."""

    pipeline: Pipeline
    refusals: Refusals
    clock: Clock
    fleet: WorkSpacesPeople | None = None
    """Where people are looked up, unless they are on a list: known better from night to night."""


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Take what AWS brings: a WorkSpaces Access event, an SQS batch of such events, or the one-minute clock.

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
    said = {} if _is_clock(event) else _take_event(bot, event, until)
    bot.pipeline.tell(until=until)
    if _is_clock(event):
        _sweep(bot, event, until)
    return said


def _is_clock(event: object) -> bool:
    return isinstance(event, dict) and event.get("detail-type") == CLOCK_TYPE


def _sweep(bot: Bot, tick: dict[str, Any], until: float) -> None:
    """With what is left of a tick in the night, get to know the fleet of the account and region that it comes from."""
    account, region = tick.get("account"), tick.get("region")
    if bot.fleet is not None and isinstance(account, str) and isinstance(region, str):
        bot.fleet.sweep((account, region), until=until)


def _take_event(bot: Bot, event: object, until: float) -> dict[str, Any]:
    intake = bot.pipeline.take_in([event], until=until)
    if intake.unkept:
        raise NotKeptError(intake.unkept)
    refused = intake.taken[0].refused
    if refused and bot.refusals.put([Refusal(event, refused)], until=until):
        raise NotKeptError(f"refused ({refused}), and the dead-letter queue did not take it")
    return {}


def _take_batch(bot: Bot, records: list[Any], until: float) -> dict[str, Any]:
    """Every record alone: what one of them is costs its neighbours nothing."""
    intake = bot.pipeline.take_in(map(_open, records), until=until)
    looked_at = list(zip(records, intake.taken, strict=True))
    refused = [
        Refusal(_carried(record), taken.refused, _message_id(record)) for record, taken in looked_at if taken.refused
    ]
    failed = [refusal.record_id for refusal in bot.refusals.put(refused, until=until)]
    if intake.unkept:
        failed += [_message_id(record) for record, taken in looked_at if not taken.refused]
    else:
        bot.pipeline.tell_quickly(until=min(until, bot.clock.now() + BATCH_TELLS_SECONDS))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _message_id(record: Any) -> str:
    return str(record.get("messageId", "")) if isinstance(record, dict) else ""


def _carried(record: Any) -> Any:
    """The text that a queue record carries; the record itself, where it carries none."""
    body = record.get("body") if isinstance(record, dict) else None
    return body if isinstance(body, str) else record


def _open(record: Any) -> object:
    """The event in a queue record, or the text that is none: `parse` refuses it with its reason."""
    body = record.get("body") if isinstance(record, dict) else record
    if not isinstance(body, str) or len(body) > MAX_EVENT_BYTES:
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _until(clock: Clock, context: Any) -> float:
    try:
        seconds = context.get_remaining_time_in_millis() / 1000
    except Exception:  # noqa: BLE001 - whoever calls by hand has any context or none, and no login waits for a better one
        seconds = NO_CONTEXT_SECONDS
    return float(clock.now() + seconds - SETTLE_SECONDS)


@lru_cache(maxsize=1)
def _bot(environment: Environment) -> Bot:
    """The bot of this environment, made once. Raises ConfigError with every mistake, each on its own log line."""
    logs.set_up(environment.log_level)
    try:
        return _wired(environment)
    except ConfigError as error:
        for mistake in error.mistakes:
            log.error("not configured", extra={"fields": {"source": error.source, "mistake": mistake}})  # noqa: TRY400
        raise


def _wired(environment: Environment) -> Bot:
    config = load(environment.routes)
    clock = SystemClock()
    aws = Aws()
    tools = Tools(secrets=Secrets(aws, clock), aws=aws, trusted_hosts=config.trusted_hosts)
    people = _people(environment, aws, clock)
    fleet = people if isinstance(people, WorkSpacesPeople) else None
    pipeline = Pipeline(
        config=config,
        people=people,
        outbox=_outbox(environment, aws, clock),
        clock=clock,
        tools=tools,
    )
    return Bot(pipeline, Refusals(aws, clock, environment.dead_letter_queue_url), clock, fleet)


def _people(environment: Environment, aws: Aws, clock: Clock) -> People:
    if environment.users_file:
        return ListedPeople(environment.users_file)
    names = DynamoNames(environment.table_name, aws, clock) if environment.table_name else None
    return WorkSpacesPeople(aws, clock, names)


def _outbox(environment: Environment, aws: Aws, clock: Clock) -> Outbox:
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
