"""Which of the waiting logins go on the next card, and its payload: few → a card each, many → as many as fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from bot.config import GIVE_UP_AFTER, Config, Destination
from bot.events import Login
from bot.outbox.base import Row, Turn
from bot.senders.base import Verdict
from formatters import formatter_class
from formatters.base import Formatter, Payload

MOST_ROWS = 400
"""Logins looked at for one card: more than the channel with the most room takes."""


MOST_DOUBTS = 12
"""A login that may have been said so often, over some three hours, is given up: it was, or the channel is broken."""
TOO_DOUBTFUL = f"may have been said {MOST_DOUBTS} times"
TOO_OLD = "not told within"
"""How the reasons begin for which delivery itself gives logins up."""

ALMOST_FULL = 0.97
"""How full a card is meant to be: rows differ, and a card that is drawn twice costs twice."""

UNKNOWN_REST = 60.0
"""Seconds until logins are looked at again whose destination the routing file does not name. They go on waiting:
another copy of the bot may run on another file (a deployment under way, an operator's own)."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The next card: its rows and its payload, or the verdict on rows for which there is nothing to send.

    `rest` is for how many seconds rows that go back to wait are left alone. `received` is when the bot heard of each
    login on the card, in seconds since the epoch.
    """

    rows: tuple[Row, ...]
    payload: Payload | None = None
    verdict: Verdict | None = None
    rest: float = 0.0
    received: tuple[float, ...] = ()


class Drawing:
    """Draws turns. Formatters are made once and kept; how many rows fit a card is learned from the last one."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._formatters: dict[str, Formatter] = {}
        self._room: dict[str, int] = {}

    def draw(self, turn: Turn, *, now: float, most: int = MOST_ROWS) -> Drawn:
        """The next card of the turn's rows, with no more than `most` of them. Never raises.

        A card that died begun is drawn again whole; where that fails, its rows go back to wait.
        """
        name = turn.rows[0].destination
        destination = self._config.destinations.get(name)
        if expired := _expired(turn, destination.give_up_after if destination else GIVE_UP_AFTER, now):
            return expired
        if destination is None:
            reason = f"destination {name!r} is not in this routing file"
            return Drawn(turn.rows, verdict=Verdict.again(reason), rest=UNKNOWN_REST)
        if turn.died and all(row.doubts + 1 >= MOST_DOUBTS for row in turn.rows):
            return Drawn(turn.rows, verdict=Verdict.dead(TOO_DOUBTFUL, "destination"))
        if turn.died:
            drawn, fewer = self._draw(destination, turn.rows)
            return Drawn(turn.rows, verdict=Verdict.again("can't be drawn again whole")) if fewer else drawn
        return self._draw_most(destination, _alike(turn.rows), most)

    def _draw_most(self, destination: Destination, rows: Sequence[Row], most: int) -> Drawn:
        """One row when few wait; else as many as the channel takes, found in two or three draws."""
        count = min(len(rows), most) if len(rows) > destination.digest.over else 1
        count = min(count, self._room.get(destination.name, count))
        while True:
            drawn, fewer = self._draw(destination, rows[:count])
            if not fewer:
                return drawn
            count = fewer

    def _draw(self, destination: Destination, rows: Sequence[Row]) -> tuple[Drawn, int]:
        """The card of `rows`, and how many of them to draw instead: 0 when the card is fine, or a single row's."""
        try:
            payload, room, fits, received = self._weighed(destination, rows)
        except Exception as error:  # noqa: BLE001 - a formatter may be anybody's; its text may hold the login
            reason = f"formatter {destination.formatter!r} failed with {type(error).__name__}"
            return Drawn(tuple(rows), verdict=Verdict.dead(reason, "payload")), len(rows) // 2
        if len(rows) > 1:
            self._room[destination.name] = room
        return Drawn(tuple(rows), payload, received=received), 0 if fits or len(rows) == 1 else min(len(rows) - 1, room)

    def _weighed(self, destination: Destination, rows: Sequence[Row]) -> tuple[Payload, int, bool, tuple[float, ...]]:
        """The card of `rows`, how many such rows a card has room for, whether these fit, when each was received."""
        formatter = self._formatter(destination)
        logins = [Login.from_json(row.login) for row in rows]
        audience = self._config.audience(destination.name, {login.directory_id for login in logins})
        payload = formatter.draw(logins, audience)
        received = tuple(login.received_at.timestamp() for login in logins)
        if len(rows) == 1:
            return payload, 1, True, received  # it can't be smaller, so nobody needs its weight
        weight = formatter.weigh(payload)
        room = max(1, int(len(rows) * weight.limit / max(weight.used, 1) * ALMOST_FULL))
        return payload, room, weight.fits, received

    def _formatter(self, destination: Destination) -> Formatter:
        if (formatter := self._formatters.get(destination.formatter)) is None:
            formatter = self._formatters[destination.formatter] = formatter_class(destination.formatter)()
        return formatter


def _alike(rows: Sequence[Row]) -> Sequence[Row]:
    """The first rows, as far as they are as doubtful: what ends with one more doubt is on no card with the others."""
    return list(takewhile(lambda row: (row.doubts + 1 >= MOST_DOUBTS) == (rows[0].doubts + 1 >= MOST_DOUBTS), rows))


def _expired(turn: Turn, give_up_after: float, now: float) -> Drawn | None:
    """The rows that waited too long; of a card that died begun, all or none. What was never tried is tried first."""
    late = tuple(row for row in turn.rows if now - row.kept_at >= give_up_after and row.last_reason)
    if not late or (turn.died and len(late) < len(turn.rows)):
        return None
    reason = f"{TOO_OLD} {give_up_after:g} s (last: {late[0].last_reason})"
    return Drawn(late, verdict=Verdict.dead(reason, "destination"))
