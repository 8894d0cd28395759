"""The outbox: what must outlive a call. The protocol between delivery and its two stores, SQLite and DynamoDB.

A row is one login for one destination; it is *waiting*, then *said* or *given up*. Rows of a pace group (destinations
that share a channel's limit; most groups are one destination) are told one card at a time:

    keep     → waiting          durable, idempotent
    waiting  → a Turn           the group's sequence number and its oldest rows, or the card that died begun
    begin    → a Card           ONE conditional write that only one caller can win
    settle   → said | waiting | given up     ONE conditional write of the verdict, then the sweep, repeatable

A card whose process died between begin and settle is begun again with the same rows when its lease is over, and the
doubt is counted on each row. Every method may raise OutboxError: then nothing is known of what was written, and
calling it again is always safe.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.pace import Pace
from bot.senders.base import Outcome, Verdict

SAID_KEPT_SECONDS = 21 * 24 * 3600.0
"""How long it is remembered what was said: EventBridge and SQS can bring an event back for 1 and 14 days."""


class OutboxError(Exception):
    """The store did not answer, or said no. The message names the store and the cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One login for one destination. Times are seconds since the epoch.

    `login` is the Login as JSON text; `why` names the route that chose the destination.
    `tries` counts the sends that were not taken (again, dead), `doubts` those of which nobody knows (unsure, or the
    process died): no send is counted as both, so a row was sent `tries + doubts` times before.
    `first_try` and `last_try` are when the first and the last of them was begun. Before `ready_at` a row is on no card.
    """

    destination: str
    event_id: str
    group: str
    login: str
    why: str = ""
    kept_at: float
    tries: int = 0
    doubts: int = 0
    first_try: float | None = None
    last_try: float | None = None
    last_reason: str = ""
    ready_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a group has to do. `rows` are of one destination, oldest first; empty when there is nothing to begin now.

    `not_before` is the earliest time of the next begin: the pace, a Retry-After, another caller's lease, or when the
    first row is ready; infinity when nothing waits.
    `died` says that `rows` are those of a card that was begun and never settled. `posted` are the times of the group's
    latest posts, as far as its pace looks back. `throttled` counts its cards, since the last that was taken, to which
    the provider said that there were too many. `alone` says that nothing else waits in the group, ready or not, as far
    as is known: what is held does not count.
    """

    group: str
    seq: int
    rows: tuple[Row, ...]
    not_before: float = 0.0
    died: bool = False
    posted: tuple[float, ...] = ()
    throttled: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card that this caller, and no other, may send until `lease_until`. `posted` ends with this card's own time.

    `throttled` is its turn's.
    """

    group: str
    seq: int
    rows: tuple[Row, ...]
    begun_at: float
    lease_until: float
    pace: Pace
    posted: tuple[float, ...]
    throttled: int = 0

    def settled_at(self, now: float, not_before: float) -> tuple[tuple[float, ...], float]:
        """The group's posts and its next time, once this card was answered at `now`.

        Paced from the answer, not from the beginning: whenever the provider took the card, it was before that.
        """
        posted = (*self.posted[:-1], now)
        return posted, max(not_before, self.pace.after(posted))

    def throttled_by(self, verdict: Verdict) -> int:
        """What `throttled` is of the group's next turn. What was not taken for another reason says nothing of that."""
        if verdict.outcome is Outcome.SENT:
            return 0
        return self.throttled + verdict.throttled


class Outbox(Protocol):
    def keep(self, rows: Sequence[Row]) -> int:
        """Make `rows` durable, except those already waiting, said or given up. How many were new."""

    def waiting(self, group: str, limit: int) -> Turn:
        """Up to `limit` ready rows of the group's next destination, or the card that died begun.

        The rows that were kept, or last tried, longest ago come first, and so does their destination: a login or a
        destination that is never taken holds up no other. First finishes a settled card whose rows were not swept.
        """

    def begin(self, turn: Turn, rows: Sequence[Row], lease: float, pace: Pace) -> Card | None:
        """Win the group for `lease` seconds: same seq, no live card, past not_before, not held since.

        None when another caller won, or an operator held the destination after the turn was taken.
        The same write holds the `pace`: the group's next card has to wait, even if this caller dies here.

        `rows` are some or all of `turn.rows`; all of them, counted doubtful, when the turn's card died begun.
        """

    def settle(
        self,
        card: Card,
        verdict: Verdict,
        not_before: float,
        *,
        ready_at: float = 0.0,
        tried: bool = True,
        in_place: bool = False,
    ) -> bool:
        """Write what became of the card, and hold the group until `not_before`, its rows until `ready_at`.

        `sent` moves the rows to said, `dead` to given up with the reason; `again` and `unsure` leave them waiting with
        one more try or doubt, unless nothing was `tried`: behind what came meanwhile or, `in_place`, where they were in
        the queue. False when the card is no longer this caller's (its lease ran
        out and another began it again, which counted the doubt): then nothing was written. Settling twice with the
        same verdict is safe.
        """

    def due(self, now: float) -> list[str]:
        """The groups that have something to do at `now`, longest waiting first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """One destination for an operator's eyes. Times are seconds since the epoch, None where nothing happened yet.

    Before `not_before` nothing is told there: its group is held, or all that waits for it rests until then. A table
    knows the latter once a tick of the clock has looked.
    """

    destination: str
    group: str
    waiting: int
    oldest: float | None
    not_before: float | None
    said: int
    given_up: int
    doubts: int
    last_verdict: str = ""
    last_reason: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A login that was given up: readable as long as it is kept, and sent again by `dead-letters replay`."""

    destination: str
    event_id: str
    login: str
    reason: str
    tries: int
    doubts: int
    kept_at: float
    first_try: float | None
    last_try: float | None
    given_up_at: float


class OutboxReader(Protocol):
    """What operators read; apart from the protocol that delivery lives by."""

    def status(self) -> list[DestinationStatus]:
        """Every destination that ever had a row, or is held, by name."""

    def dead_letters(self) -> Iterable[DeadLetter]:
        """What was given up, oldest first."""

    def next_due(self) -> float | None:
        """When the next group has something to do (maybe in the past), None when nothing waits that is not held."""


class OutboxOperator(OutboxReader, Protocol):
    """What operators turn."""

    def hold(self, destination: str, group: str) -> None:
        """Begin no more cards of `destination`, which is paced in `group`; what arrives meanwhile waits.

        A card that was begun before is settled, and one that died begun is told again first.
        """

    def release(self, destination: str, group: str) -> None:
        """Go on telling `destination`. Releasing what is not held is safe."""

    def replay(self, letters: Sequence[DeadLetter], *, to: str | None, group: str) -> int:
        """Let given-up logins wait again, for their own destination or `to`, paced in `group`. How many wait now.

        Each leaves the given-up ones in the same step that makes it wait. Doubts are kept, tries start anew. For
        `to`, a login that was already said there, or waits there, does not wait again; it leaves the given-up ones all
        the same. One that was given up there, too, leaves them for both, and waits with the doubts of both.
        """
