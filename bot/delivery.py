"""One group's waiting logins → cards → verdicts: take, draw, begin, send, settle, until there is no time left.

Whatever a formatter, a sender or the outbox does wrong here costs this group's turn and nobody else's.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.clock import Clock
from bot.config import Config, Destination
from bot.events import Login
from bot.outbox.base import Card, Outbox, OutboxError, Row, Turn
from bot.pace import Pace
from bot.senders import sender_class
from bot.senders.base import SEND_SECONDS, Outcome, Sender, Tools, Verdict
from formatters import formatter_class
from formatters.base import Formatter, Payload

log = logging.getLogger("bot.delivery")

CALL_WAIT = 2.0
"""Seconds that a call waits for a group's turn; a longer wait is left to the clock, and every copy sees it."""

SHORTEST_SEND = 2.0
"""Seconds that must be left to begin a card: a send that is cut short would be a doubt of our own making."""

LEASE = 60.0
"""Seconds until a card that was begun and never settled may be begun again: Lambda has ended the call by then."""

LONGEST_HOLD = 3600.0
"""Seconds that a provider's Retry-After is honoured at the most; absurd ones would be silent loss."""

LONGEST_BACKOFF = 900.0
"""Seconds between two tries of a channel that says no without saying for how long."""

SETTLE_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of one card. `settled` is False where the verdict could not be written: it will be said again."""

    destination: str
    event_ids: tuple[str, ...]
    verdict: Verdict
    payload: Payload | None
    milliseconds: float
    settled: bool = True


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
        self._formatters: dict[str, Formatter] = {}

    def tell(self, group: str, *, until: float) -> list[Told]:
        """Tell the group's cards, one after the other, until nothing is due or `until` is near. Never raises."""
        told: list[Told] = []
        try:
            while (turn := self._take(group, until)) is not None:
                card = self._outbox.begin(turn, turn.rows, LEASE, self._pace(turn))
                if card is None:
                    break  # another copy of the bot tells this group, and goes on with it
                told.append(self._tell_card(card, until))
        except OutboxError as error:
            log.error("outbox failed", extra={"fields": {"group": group, "reason": str(error)}})  # noqa: TRY400
        except Exception as error:
            log.exception("group failed", extra={"fields": {"group": group, "reason": type(error).__name__}})
        return told

    def _pace(self, turn: Turn) -> Pace:
        """The destination's pace; one that left the routing file is posted to no more, and needs none."""
        destination = self._config.destinations.get(turn.rows[0].destination)
        return destination.pace if destination else Pace(messages=1, per=0.0, gap=0.0, group=turn.group)

    def _take(self, group: str, until: float) -> Turn | None:
        """The group's next turn, waited for if it is near; None when there is nothing to begin in this call."""
        turn = self._outbox.waiting(group, limit=1)
        wait = max(turn.not_before - self._clock.now(), 0.0)
        if not turn.rows or wait > CALL_WAIT or self._clock.now() + wait + SHORTEST_SEND > until:
            return None
        self._clock.sleep(wait)
        return turn

    def _tell_card(self, card: Card, until: float) -> Told:
        started = self._clock.now()
        payload, verdict = self._draw_and_send(card, until)
        settled = self._settle(card, verdict)
        told = Told(
            destination=card.rows[0].destination,
            event_ids=tuple(row.event_id for row in card.rows),
            verdict=verdict,
            payload=payload,
            milliseconds=round((self._clock.now() - started) * 1000, 1),
            settled=settled,
        )
        _log_told(told)
        if self._on_told is not None:
            self._on_told(told)
        return told

    def _draw_and_send(self, card: Card, until: float) -> tuple[Payload | None, Verdict]:
        name = card.rows[0].destination
        destination = self._config.destinations.get(name)
        if destination is None:
            return None, Verdict.dead(f"destination {name!r} is no longer in the routing file", "destination")
        if (expired := _expired(card.rows, destination, card.begun_at)) is not None:
            return None, expired
        try:
            payload = self._draw(destination, card.rows)
        except Exception as error:  # noqa: BLE001 - a formatter may be anybody's; its text may hold the login
            reason = f"formatter {destination.formatter!r} failed with {type(error).__name__}"
            return None, Verdict.dead(reason, "payload")
        return payload, self._send(destination, payload, until)

    def _draw(self, destination: Destination, rows: Sequence[Row]) -> Payload:
        if (formatter := self._formatters.get(destination.formatter)) is None:
            formatter = self._formatters[destination.formatter] = formatter_class(destination.formatter)()
        logins = [Login.from_json(row.login) for row in rows]
        return formatter.draw(logins, self._config.audience(destination.name, logins[0].directory_id))

    def _send(self, destination: Destination, payload: Payload, until: float) -> Verdict:
        """Send once; where the destination is to blame, once more with its secret read afresh (it may be new)."""
        try:
            sender = self._sender(destination)
        except Exception as error:  # noqa: BLE001 - a sender may be anybody's; its text may hold a secret
            return Verdict.again(f"sender {destination.type!r} could not be made: {type(error).__name__}")
        verdict = self._send_once(sender, destination, payload, until)
        if verdict.blames == "destination" and until - self._clock.now() >= SHORTEST_SEND:
            sender.refresh()
            verdict = self._send_once(sender, destination, payload, until)
        return verdict

    def _send_once(self, sender: Sender, destination: Destination, payload: Payload, until: float) -> Verdict:
        try:
            return sender.send(payload, timeout=min(SEND_SECONDS, until - self._clock.now()))
        except Exception as error:  # noqa: BLE001 - a sender may be anybody's; its text may hold a secret
            return Verdict.unsure(f"sender {destination.type!r} failed with {type(error).__name__}")

    def _sender(self, destination: Destination) -> Sender:
        if (sender := self._senders.get(destination.name)) is None:
            made = sender_class(destination.type)(destination.settings, self._tools)
            sender = self._senders.setdefault(destination.name, made)
        return sender

    def _settle(self, card: Card, verdict: Verdict) -> bool:
        """Write the verdict, and try hard: one that is not written becomes a doubt."""
        not_before = self._clock.now() + _hold(verdict, card.rows)
        for attempt in range(SETTLE_TRIES):
            try:
                return self._outbox.settle(card, verdict, not_before)
            except OutboxError as error:
                fields = {"group": card.group, "reason": str(error), "attempt": attempt + 1}
                log.error("settle failed", extra={"fields": fields})  # noqa: TRY400 - the reason says it all
                self._clock.sleep(0.1 * (attempt + 1))
        return False


def _expired(rows: Sequence[Row], destination: Destination, now: float) -> Verdict | None:
    """Given up, when the oldest of `rows` has waited longer than its destination allows."""
    if now - rows[0].kept_at < destination.give_up_after:
        return None
    last = rows[0].last_reason or "never tried"
    return Verdict.dead(f"not told within {destination.give_up_after:g} s (last: {last})", "destination")


def _hold(verdict: Verdict, rows: Sequence[Row]) -> float:
    """Seconds until the group's next card: what the provider asked for, else longer with every try."""
    if verdict.outcome in (Outcome.SENT, Outcome.DEAD):
        return 0.0
    if verdict.after:
        return min(verdict.after, LONGEST_HOLD)
    tries = max(row.tries + row.doubts for row in rows)
    return float(min(2 ** min(tries, 16), LONGEST_BACKOFF))


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
