"""THE path of a login, readable top to bottom.

Taking in: parse, name, route, keep. Then telling, side by side: take, draw, begin, send, settle (delivery.py).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.clock import Clock
from bot.config import Config
from bot.delivery import CALL_WAIT, Delivery, Told
from bot.events import Login, RefusedError, parse
from bot.logs import places
from bot.outbox.base import Outbox, OutboxError, Row
from bot.people import People
from bot.routing import Decision
from bot.samples import sample
from bot.senders.base import Tools

log = logging.getLogger("bot.pipeline")

NAME_SECONDS = 20.0
"""How long a login waits for its person's name before it goes on without."""

TELL_SECONDS = 3.0
"""What naming leaves of a call's time for keeping and telling."""

SIDE_BY_SIDE = 32
"""Groups told at the same time at the most; each is one thread that mostly waits for its provider."""


SLOW_MILLISECONDS = 4_000.0
SLOW_FOR_SECONDS = 60.0
"""A group of which a card took so long is slow for so long: meanwhile the clock's calls have tried it again."""

SideBySide = Callable[[Callable[[str], list[Told]], Sequence[str]], Iterable[list[Told]]]
"""How groups are told at the same time: what becomes of each, in order."""


def in_threads(tell: Callable[[str], list[Told]], groups: Sequence[str]) -> list[list[Told]]:
    if len(groups) < 2:  # a thread costs more than it gives
        return [tell(group) for group in groups]
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - as above

    try:
        with ThreadPoolExecutor(max_workers=min(len(groups), SIDE_BY_SIDE)) as pool:
            return list(pool.map(tell, groups))
    except RuntimeError:  # no thread to be had: one after the other, which is safe to repeat
        return [tell(group) for group in groups]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one raw event: a login with its decision, or the reason why it was refused."""

    login: Login | None = None
    decision: Decision | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What became of a batch: one Taken for each raw event, in order.

    `rows` were asked to be kept, `new` of them were not known before. `unkept` holds the reason why nothing could be
    kept: then every login of the batch must come again.
    """

    taken: tuple[Taken, ...]
    rows: int = 0
    new: int = 0
    unkept: str = ""


class Pipeline:
    def __init__(
        self,
        *,
        config: Config,
        people: People,
        outbox: Outbox,
        clock: Clock,
        tools: Tools,
        on_told: Callable[[Told], None] | None = None,
        side_by_side: SideBySide = in_threads,
    ) -> None:
        self.config = config
        self._side_by_side = side_by_side
        self._slow_until: dict[str, float] = {}
        self._people = people
        self._outbox = outbox
        self._clock = clock
        self._delivery = Delivery(config=config, outbox=outbox, clock=clock, tools=tools, on_told=on_told)

    def take_in(self, raws: Iterable[object], *, until: float) -> Intake:
        """Parse, name, route and keep a batch. `until` is when the call ends, in seconds since the epoch."""
        parsed = self._parse(raws)
        named = iter(self._name([taken.login for taken in parsed if taken.login is not None], until))
        routed = tuple(self._route(next(named)) if taken.login is not None else taken for taken in parsed)
        return self._keep(routed)

    def take_in_samples(self, event_id: str, *, account: str, region: str) -> Intake:
        """Keep one marked sample for every destination, whatever the routes say; once for each `event_id`."""
        at = datetime.fromtimestamp(self._clock.now(), UTC)
        named = (
            (name, sample(self.config, name, event_id=event_id, at=at, account=account, region=region))
            for name in self.config.destinations
        )
        return self._keep(tuple(Taken(login=login, decision=Decision({name: "canary"}, ())) for name, login in named))

    def tell(self, *, until: float) -> list[Told]:
        """Tell every group that has something to do now or in a moment, side by side, until `until` is near.

        Never raises.
        """
        return self._tell(self._due(), until)

    def tell_quickly(self, *, until: float) -> list[Told]:
        """As `tell`, but for those groups whose providers kept this process waiting a moment ago."""
        now = self._clock.now()
        return self._tell([group for group in self._due() if self._slow_until.get(group, 0.0) <= now], until)

    def _due(self) -> list[str]:
        try:
            return self._outbox.due(self._clock.now() + CALL_WAIT)
        except OutboxError as error:
            log.error("outbox failed", extra={"fields": {"reason": str(error)}})  # noqa: TRY400 - says it all
        except Exception as error:  # noqa: BLE001 - our own mistake must not send back what was kept a moment ago
            fields = {"reason": type(error).__name__, "traceback": places(error)}
            log.error("outbox failed", extra={"fields": fields})  # noqa: TRY400 - its text may hold untrusted strings
        return []

    def _tell(self, groups: Sequence[str], until: float) -> list[Told]:
        turns = list(self._side_by_side(lambda group: self._delivery.tell(group, until=until), groups))
        for group, turn in zip(groups, turns, strict=True):
            if any(told.milliseconds > SLOW_MILLISECONDS for told in turn):
                self._slow_until[group] = self._clock.now() + SLOW_FOR_SECONDS
        return [told for turn in turns for told in turn]

    def _parse(self, raws: Iterable[object]) -> list[Taken]:
        received_at = datetime.fromtimestamp(self._clock.now(), UTC)
        return [_parse_one(raw, received_at) for raw in raws]

    def _name(self, logins: Sequence[Login], until: float) -> list[Login]:
        if not logins:
            return []
        name_by = min(self._clock.now() + NAME_SECONDS, until - TELL_SECONDS)
        return self._people.name(logins, until=name_by)

    def _route(self, login: Login) -> Taken:
        directory = self.config.routing.directories.get(login.directory_id)
        if directory is not None:
            login = replace(login, directory_name=directory.name)
        decision = self.config.routing.decide(login)
        fields = {
            "event_id": login.event_id,
            "destinations": list(decision.destinations),
            "reasons": list(decision.why.values()),
        }
        log.info("routed", extra={"fields": fields})
        return Taken(login=login, decision=decision)

    def _keep(self, taken: tuple[Taken, ...]) -> Intake:
        rows = [row for each in taken for row in self._rows(each)]
        try:
            new = self._outbox.keep(rows) if rows else 0
        except OutboxError as error:
            log.error("not kept", extra={"fields": {"rows": len(rows), "reason": str(error)}})  # noqa: TRY400
            return Intake(taken=taken, rows=len(rows), unkept=str(error))
        return Intake(taken=taken, rows=len(rows), new=new)

    def _rows(self, taken: Taken) -> Iterator[Row]:
        if taken.login is None or taken.decision is None:
            return
        login = taken.login.to_json()
        for name, why in taken.decision.why.items():
            yield Row(
                destination=name,
                event_id=taken.login.event_id,
                group=self.config.destinations[name].pace.group,
                login=login,
                why=why,
                kept_at=self._clock.now(),
            )


def _parse_one(raw: object, received_at: datetime) -> Taken:
    try:
        return Taken(login=parse(raw, received_at=received_at))
    except RefusedError as error:
        return Taken(refused=str(error))
