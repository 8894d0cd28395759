"""One group's waiting logins → cards → verdicts: take, draw, begin, send, settle, until there is no time left.

Whatever a formatter, a sender or the outbox does wrong here costs this group's turn and nobody else's.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.clock import Clock
from bot.config import Config, Destination
from bot.drawing import MOST_DOUBTS, MOST_ROWS, TOO_DOUBTFUL, Drawing, Drawn
from bot.events import Login
from bot.logs import places
from bot.outbox.base import Card, Outbox, OutboxError, Row, Turn
from bot.pace import MOST_REMEMBERED, Pace
from bot.senders import make
from bot.senders.base import SEND_SECONDS, Outcome, Sender, Tools, Verdict
from formatters.base import Payload

log = logging.getLogger("bot.delivery")

CALL_WAIT = 2.0
"""Seconds that a call waits for a group's turn; a longer wait is left to the clock, and every copy sees it."""

SHORTEST_SEND = 2.0
"""Seconds that must be left to begin a card: a send that is cut short would be a doubt of our own making."""

LEASE = 60.0
"""Seconds until a card that was begun and never settled may be begun again: Lambda has ended the call by then."""

SHORTEST_HOLD = 1.0
LONGEST_HOLD = 3600.0
"""Seconds that a provider's Retry-After is honoured at least and at most: 0.001 would hammer, a year would be loss."""

LONGEST_OWN_HOLD = 60.0
"""Seconds that a channel is left alone at the most whose provider says 429 and not for how long: 1, 2, 4 … of them."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 900.0
"""Seconds until a login is tried again that was not taken; each try doubles them."""

FIRST_DOUBT_PAUSE = 3.0
LONGEST_DOUBT_PAUSE = 3600.0
"""Seconds until a login is told again of which nobody knows whether it was taken; longer, for it may be a repeat."""

UNKEPT_REST = 60.0
"""Seconds until logins are given up again whose fallback could not be kept."""

SETTLE_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of one card. `settled` is False where the verdict could not be written: it will be said again.

    `waited` is how many seconds after the bot heard of each login its card was taken; empty where it was not. `died`
    says that the card was begun before, by a copy of the bot that never settled it.
    """

    destination: str
    event_ids: tuple[str, ...]
    verdict: Verdict
    payload: Payload | None
    milliseconds: float
    settled: bool = True
    waited: tuple[float, ...] = ()
    died: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Seconds until the group's next card, and until the same logins are on one again; `in_place` before all others."""

    group: float = 0.0
    rows: float = 0.0
    in_place: bool = False


class Delivery:
    """Tells groups their cards. Formatters and senders are made when first needed and kept."""

    def __init__(
        self,
        *,
        config: Config,
        outbox: Outbox,
        clock: Clock,
        tools: Tools,
        on_told: Callable[[Told], None] | None = None,
    ) -> None:
        self._config = config
        self._outbox = outbox
        self._clock = clock
        self._tools = tools
        self._on_told = on_told
        self._senders: dict[str, Sender] = {}
        self._drawing = Drawing(config)
        self._most: dict[str, int] = {}

    def tell(self, group: str, *, until: float) -> list[Told]:
        """Tell the group's cards, one after the other, until nothing is due or `until` is near. Never raises."""
        told: list[Told] = []
        try:
            while (turn := self._take(group, until)) is not None:
                drawn = self._drawing.draw(turn, now=self._clock.now(), most=self._most.get(group, MOST_ROWS))
                card = self._outbox.begin(turn, drawn.rows, LEASE, self._pace(turn))
                if card is None:
                    break  # another copy of the bot tells this group, or an operator held the destination meanwhile
                is_last = turn.alone and len(drawn.rows) == len(turn.rows)
                told.append(self._tell_card(card, drawn, until, died=turn.died, is_last=is_last))
        except OutboxError as error:
            log.error("outbox failed", extra={"fields": {"group": group, "reason": str(error)}})  # noqa: TRY400
        except Exception as error:  # noqa: BLE001 - our own mistake may cost this group's turn, and no other's
            fields = {"group": group, "reason": type(error).__name__, "traceback": places(error)}
            log.error("group failed", extra={"fields": fields})  # noqa: TRY400 - its text may hold untrusted strings
        return told

    def _take(self, group: str, until: float) -> Turn | None:
        """The group's next turn, waited for if it is near; None when there is nothing to begin in this call."""
        turn = self._outbox.waiting(group, limit=MOST_ROWS)
        wait = turn.not_before - self._clock.now()
        if wait > CALL_WAIT or self._clock.now() + max(wait, 0.0) + SHORTEST_SEND > until:
            return None
        if wait > 0:
            self._clock.sleep(wait)
            turn = turn if turn.rows else self._outbox.waiting(group, limit=MOST_ROWS)
        return turn if turn.rows else None

    def _pace(self, turn: Turn) -> Pace:
        """The group's pace. One that the routing file does not name is posted to by nobody here, and forgets none."""
        paces = [place.pace for place in self._config.destinations.values() if place.pace.group == turn.group]
        return paces[0] if paces else Pace(messages=MOST_REMEMBERED, per=0.0, gap=0.0, group=turn.group)

    def _tell_card(self, card: Card, drawn: Drawn, until: float, *, died: bool, is_last: bool) -> Told:
        """`is_last` says that nobody else was waiting for the group when this card was drawn."""
        started = self._clock.now()
        if drawn.verdict is not None:
            verdict, wait = self._give_up(card, drawn.verdict), Wait(rows=drawn.rest)
            if verdict is not drawn.verdict:  # as they were before: a reason that quotes itself would grow and grow
                verdict = Verdict.again(card.rows[0].last_reason or drawn.verdict.reason)
                wait = Wait(rows=UNKEPT_REST)
        else:
            verdict, wait = self._follow(card, self._send(card, drawn.payload, until))
        answered = self._clock.now()
        if is_last and verdict.outcome is Outcome.SENT:
            wait = Wait(group=max(card.pace.at_leisure(card.posted) - answered, 0.0))
        told = Told(
            destination=card.rows[0].destination,
            event_ids=tuple(row.event_id for row in card.rows),
            verdict=verdict,
            payload=drawn.payload,
            milliseconds=round((answered - started) * 1000, 1),
            settled=self._settle(card, verdict, wait, tried=drawn.verdict is None),
            waited=tuple(answered - at for at in drawn.received) if verdict.outcome is Outcome.SENT else (),
            died=died,
        )
        _log_told(told)
        if self._on_told is not None:
            self._on_told(told)
        return told

    def _follow(self, card: Card, verdict: Verdict) -> tuple[Verdict, Wait]:
        """What follows from a verdict: what is written of it, and who waits for how long.

        A digest that will never be taken is halved, again and again, until the one bad login is alone; what then is
        taken doubles again. Its logins keep their place: behind those that keep coming, they would meet ever new ones.
        Logins that are given up are kept for the fallback first.
        """
        if verdict.blames == "payload" and len(card.rows) > 1:
            self._most[card.group] = len(card.rows) // 2
            return Verdict.again(f"{verdict.reason} (a digest of {len(card.rows)}: halved)"), Wait(in_place=True)
        if verdict.outcome is Outcome.UNSURE and max(row.doubts for row in card.rows) + 1 >= MOST_DOUBTS:
            verdict = Verdict.dead(f"{TOO_DOUBTFUL} (last: {verdict.reason})", "destination")
        verdict = self._give_up(card, verdict)
        if verdict.outcome is Outcome.SENT and card.group in self._most:
            self._most[card.group] = min(self._most[card.group] * 2, MOST_ROWS)
        return verdict, _wait(verdict, card)

    def _give_up(self, card: Card, verdict: Verdict) -> Verdict:
        """A dead verdict, once the fallback's rows are kept; where they can't be, the card's own rows go on waiting."""
        destination = self._config.destinations.get(card.rows[0].destination)
        if verdict.outcome is not Outcome.DEAD or destination is None or destination.fallback is None:
            return verdict
        fallback = self._config.destinations[destination.fallback]
        rows = [_fallback_row(row, fallback, verdict.reason, self._clock.now()) for row in card.rows]
        try:
            self._outbox.keep(rows)
        except OutboxError as error:
            fields = {"destination": destination.name, "fallback": fallback.name, "reason": str(error)}
            log.error("fallback not kept", extra={"fields": fields})  # noqa: TRY400 - the reason says it all
            return Verdict.again(f"{verdict.reason}; its fallback could not be kept: {error}")
        return verdict

    def _send(self, card: Card, payload: Payload | None, until: float) -> Verdict:
        """Send once; where the destination is to blame, once more with its secret read afresh (it may be new)."""
        assert payload is not None
        destination = self._config.destinations[card.rows[0].destination]
        try:
            sender = self._sender(destination)
        except Exception as error:  # noqa: BLE001 - a sender may be anybody's; its text may hold a secret
            return Verdict.again(f"sender {destination.type!r} could not be made: {type(error).__name__}")
        verdict = self._send_once(sender, destination, payload, until)
        if verdict.blames != "destination":
            return verdict
        if until - self._clock.now() < SHORTEST_SEND:
            return Verdict.again(f"{verdict.reason} (no time was left to try its secret afresh)")
        return self._send_once(sender, destination, payload, until, afresh=True)

    def _send_once(
        self, sender: Sender, destination: Destination, payload: Payload, until: float, *, afresh: bool = False
    ) -> Verdict:
        try:
            if afresh:
                sender.refresh()
            verdict: object = sender.send(payload, timeout=min(SEND_SECONDS, until - self._clock.now()))
        except Exception as error:  # noqa: BLE001 - a sender may be anybody's; its text may hold a secret
            return Verdict.unsure(f"sender {destination.type!r} failed with {type(error).__name__}")
        if not isinstance(verdict, Verdict):
            return Verdict.unsure(f"sender {destination.type!r} answered with no verdict")
        return verdict

    def _sender(self, destination: Destination) -> Sender:
        if (sender := self._senders.get(destination.name)) is None:
            made = make(destination.type, destination.settings, self._tools)
            sender = self._senders.setdefault(destination.name, made)
        return sender

    def _settle(self, card: Card, verdict: Verdict, wait: Wait, *, tried: bool) -> bool:
        """Write the verdict, and try hard: one that is not written becomes a doubt."""
        now = self._clock.now()
        for attempt in range(SETTLE_TRIES):
            try:
                return self._outbox.settle(
                    card, verdict, now + wait.group, ready_at=now + wait.rows, tried=tried, in_place=wait.in_place
                )
            except OutboxError as error:
                fields = {"group": card.group, "reason": str(error), "attempt": attempt + 1}
                log.error("settle failed", extra={"fields": fields})  # noqa: TRY400 - the reason says it all
                self._clock.sleep(0.1 * (attempt + 1))
        return False


def _fallback_row(row: Row, fallback: Destination, reason: str, now: float) -> Row:
    """A login that was given up, as its fallback hears of it: apart from what the fallback hears of it anyway."""
    try:
        login = replace(Login.from_json(row.login), given_up_by=row.destination, given_up_why=reason).to_json()
    except (ValueError, TypeError, KeyError, AttributeError):
        login = row.login  # what could not be read is why it was given up; it is passed on as it is
    return Row(
        destination=fallback.name,
        event_id=f"{row.event_id}@{row.destination}",
        group=fallback.pace.group,
        login=login,
        why=f"fallback of {row.destination}",
        kept_at=now,
    )


def _wait(verdict: Verdict, card: Card) -> Wait:
    """Longer with every try, and the channel goes on with other logins; unless there were too many posts for it."""
    tries = max(row.tries + row.doubts for row in card.rows)
    if verdict.outcome is Outcome.AGAIN and verdict.after:
        return Wait(group=min(max(verdict.after, SHORTEST_HOLD), LONGEST_HOLD))
    if verdict.throttled:
        return Wait(group=_doubled(SHORTEST_HOLD, card.throttled, LONGEST_OWN_HOLD))
    if verdict.outcome is Outcome.AGAIN:
        return Wait(rows=_doubled(FIRST_PAUSE, tries, LONGEST_PAUSE))
    if verdict.outcome is Outcome.UNSURE:
        return Wait(rows=_doubled(FIRST_DOUBT_PAUSE, tries, LONGEST_DOUBT_PAUSE))
    return Wait()


def _doubled(first: float, times: int, longest: float) -> float:
    return min(first * 2.0 ** min(times, 16), longest)


_LEVELS = {
    Outcome.SENT: logging.INFO,
    Outcome.AGAIN: logging.WARNING,
    Outcome.UNSURE: logging.WARNING,
    Outcome.DEAD: logging.ERROR,
}


def _log_told(told: Told) -> None:
    fields = {
        "destination": told.destination,
        "event_ids": list(told.event_ids),
        "outcome": told.verdict.outcome.value,
        "reason": told.verdict.reason,
        "ms": told.milliseconds,
        "settled": told.settled,
    }
    log.log(_LEVELS[told.verdict.outcome], "told", extra={"fields": fields})
