"""The outbox seen from a copy of the bot: calls take their time, are counted, and fail while the table is down."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bot.outbox.base import Card, Outbox, OutboxError, Row, Turn
from bot.pace import Pace
from bot.senders.base import Verdict
from tests.support.storm.clock import SimClock

TABLE_SECONDS = 0.02


@dataclass
class FarOutbox:
    """Every call has its effect in the middle of its time: who dies in the second half never learns of it."""

    outbox: Outbox
    clock: SimClock
    is_down: Callable[[], bool] = lambda: False
    calls: int = 0

    def keep(self, rows: Sequence[Row]) -> int:
        with self._call():
            return self.outbox.keep(rows)

    def waiting(self, group: str, limit: int) -> Turn:
        with self._call():
            return self.outbox.waiting(group, limit)

    def begin(self, turn: Turn, rows: Sequence[Row], lease: float, pace: Pace) -> Card | None:
        with self._call():
            return self.outbox.begin(turn, rows, lease, pace)

    def settle(self, card: Card, verdict: Verdict, not_before: float) -> bool:
        with self._call():
            return self.outbox.settle(card, verdict, not_before)

    def due(self, now: float) -> list[str]:
        with self._call():
            return self.outbox.due(now)

    @contextmanager
    def _call(self) -> Iterator[None]:
        self.calls += 1
        self.clock.sleep(TABLE_SECONDS / 2)
        if self.is_down():
            raise OutboxError("the table did not answer; try again")
        yield
        self.clock.sleep(TABLE_SECONDS / 2)
