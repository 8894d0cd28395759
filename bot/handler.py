"""AWS's door: an event, a queue batch or the clock comes in; the records to retry go out."""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

from bot import logs, metrics
from bot.clock import Clock
from bot.config import ConfigError
from bot.environment import Environment
from bot.metrics import Figure
from bot.pipeline import Intake
from bot.refusals import Refusal
from bot.samples import canary_id
from bot.wiring import Bot, wired

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
        return wired(environment).bot()
    except ConfigError as error:
        for mistake in error.mistakes:
            log.error("not configured", extra={"fields": {"source": error.source, "mistake": mistake}})  # noqa: TRY400
        raise


def _get_ready() -> None:
    """Make the bot, and open its table's library, while Lambda starts this copy: it lends a whole processor for that.

    What goes wrong here goes wrong in the first call again, which says so.
    """
    with suppress(Exception):
        environment = Environment.read()
        _bot(environment)
        wired(environment).aws.client("dynamodb")


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _get_ready()
