"""The outbox in an SQLite file: the protocol of bot/outbox/base.py, a transaction for each method."""

import json
import math
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot.clock import Clock
from bot.outbox.base import SAID_KEPT_SECONDS, Card, DeadLetter, DestinationStatus, Row, Turn
from bot.outbox.sqlite import operators
from bot.outbox.sqlite.file import File
from bot.outbox.sqlite.keeping import keep, rows_of
from bot.pace import Pace
from bot.senders.base import Outcome, Verdict

FORGOTTEN_AT_ONCE = 1000
"""Of what was said, no settle forgets more than this: a file that slept for a month still answers quickly."""

# `since` is when a row was kept or last tried: one that was tried in vain queues up again behind those that came
# meanwhile, so a login or a destination that is never taken holds up no other. Only a halved card keeps its place.
NEXT_DESTINATION = """
SELECT name FROM (
    SELECT name, (SELECT since FROM waiting
                  WHERE "group" = :group AND destination = name AND ready_at <= :now ORDER BY since LIMIT 1) AS since
    FROM destinations WHERE NOT held)
WHERE since IS NOT NULL ORDER BY since, name LIMIT 1
"""

NEXT_ROWS = """
SELECT * FROM waiting INDEXED BY waiting_by_turn
WHERE "group" = :group AND destination = :destination AND ready_at <= :now
ORDER BY since, position LIMIT :limit
"""

NEXT_READY = """
SELECT ready_at FROM waiting WHERE "group" = ? AND destination NOT IN (SELECT name FROM destinations WHERE held)
ORDER BY ready_at LIMIT 1
"""

FREE_ROWS = """
SELECT 1 FROM waiting WHERE "group" = ? AND destination NOT IN (SELECT name FROM destinations WHERE held) LIMIT ?
"""

ROWS_ON_CARD = """
SELECT * FROM waiting WHERE "group" = ? AND card = ? ORDER BY kept_at, position
"""

BEGIN = """
UPDATE pace_groups SET seq = seq + 1, begun_at = :now, lease_until = :now + :lease,
                       posted = :posted, not_before = MAX(not_before, :not_before)
WHERE name = :group AND seq = :seq AND not_before <= :now AND (lease_until IS NULL OR lease_until <= :now)
  AND (:died OR NOT EXISTS (SELECT 1 FROM destinations WHERE name = :destination AND held))
"""

DOUBT = """
UPDATE waiting SET card = :seq + 1, doubts = doubts + 1, since = :begun_at, first_try = COALESCE(first_try, :begun_at),
                   last_try = :begun_at, last_reason = 'the process ended before the verdict was written'
WHERE "group" = :group AND card = :seq
"""

SETTLE = """
UPDATE pace_groups SET seq = seq + 1, not_before = :not_before, begun_at = NULL, lease_until = NULL, posted = :posted,
                       settled_seq = :seq, settled_as = :outcome, throttled = :throttled
WHERE name = :group AND seq = :seq AND lease_until IS NOT NULL
"""

NOTE = """
UPDATE destinations SET last_verdict = :outcome, last_reason = :reason
WHERE name IN (SELECT destination FROM waiting WHERE "group" = :group AND card = :seq)
"""

SAY = """
INSERT OR REPLACE INTO said (destination, event_id, said_at, doubts)
SELECT destination, event_id, :now, doubts FROM waiting WHERE "group" = :group AND card = :seq
"""

GIVE_UP = """
INSERT OR REPLACE INTO given_up (destination, event_id, "group", login, why, kept_at, tries, doubts,
                                 first_try, last_try, reason, given_up_at)
SELECT destination, event_id, "group", login, why, kept_at, tries + :tried, doubts,
       CASE WHEN :tried THEN COALESCE(first_try, :begun_at) ELSE first_try END,
       CASE WHEN :tried THEN :begun_at ELSE last_try END, :reason, :now
FROM waiting WHERE "group" = :group AND card = :seq
"""

TAKE_OFF = """
DELETE FROM waiting WHERE "group" = :group AND card = :seq
"""

WAIT_ON = """
UPDATE waiting SET card = NULL, ready_at = :ready_at, last_reason = :reason,
                   since = CASE WHEN :in_place THEN since ELSE :begun_at END,
                   tries = tries + (:tried AND :outcome = 'again'), doubts = doubts + (:tried AND :outcome = 'unsure'),
                   first_try = CASE WHEN :tried THEN COALESCE(first_try, :begun_at) ELSE first_try END,
                   last_try = CASE WHEN :tried THEN :begun_at ELSE last_try END
WHERE "group" = :group AND card = :seq
"""

SWEEP = {
    Outcome.SENT: (SAY, TAKE_OFF),
    Outcome.DEAD: (GIVE_UP, TAKE_OFF),
    Outcome.AGAIN: (WAIT_ON,),
    Outcome.UNSURE: (WAIT_ON,),
}

FORGET = """
DELETE FROM said WHERE (destination, event_id) IN (
    SELECT destination, event_id FROM said WHERE said_at < ? ORDER BY said_at LIMIT ?)
"""

BUSY_GROUPS = """
SELECT name, MAX(not_before, COALESCE(lease_until, 0),
                 CASE WHEN EXISTS (SELECT 1 FROM waiting WHERE "group" = name AND card = seq) THEN 0
                      ELSE (SELECT ready_at FROM waiting w WHERE w."group" = p.name
                            AND destination NOT IN (SELECT name FROM destinations WHERE held)
                            ORDER BY ready_at LIMIT 1) END) AS next,
       (SELECT MIN(kept_at) FROM waiting WHERE "group" = name) AS oldest
FROM pace_groups p WHERE next IS NOT NULL ORDER BY oldest, name
"""


class SqliteOutbox:
    """The outbox and what operators read of it, in the file `path`. Nothing is opened before it is first used."""

    def __init__(self, path: str | os.PathLike[str], clock: Clock) -> None:
        self._file = File(path)
        self._clock = clock

    def keep(self, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        with self._file.changing() as database:
            return keep(database, rows)

    def waiting(self, group: str, limit: int) -> Turn:
        with self._file.reading() as database:
            state = database.execute("SELECT * FROM pace_groups WHERE name = ?", (group,)).fetchone()
            if state is None:
                return Turn(group=group, seq=0, rows=(), not_before=math.inf)
            seq, not_before, posted = state["seq"], state["not_before"], tuple(json.loads(state["posted"]))
            turn = Turn(group=group, seq=seq, rows=(), not_before=not_before, throttled=state["throttled"])
            if state["lease_until"] is not None:
                if self._clock.now() < state["lease_until"]:
                    return replace(turn, not_before=max(not_before, state["lease_until"]))
                if begun := rows_of(database.execute(ROWS_ON_CARD, (group, seq))):
                    return replace(turn, rows=begun, died=True, posted=posted)
            facts = {"group": group, "now": self._clock.now(), "limit": limit}
            if chosen := database.execute(NEXT_DESTINATION, facts).fetchone():
                rows = rows_of(database.execute(NEXT_ROWS, facts | {"destination": chosen["name"]}))
                waits = len(database.execute(FREE_ROWS, (group, len(rows) + 1)).fetchall())
                return replace(turn, rows=rows, posted=posted, alone=waits == len(rows))
            ready = database.execute(NEXT_READY, (group,)).fetchone()
            not_before = max(not_before, ready["ready_at"]) if ready else math.inf
            return replace(turn, not_before=not_before, posted=posted)

    def begin(self, turn: Turn, rows: Sequence[Row], lease: float, pace: Pace) -> Card | None:
        if not rows:
            return None
        now, group, seq = self._clock.now(), turn.group, turn.seq
        posted = pace.remember((*turn.posted, now))
        facts = {"group": group, "seq": seq, "now": now, "lease": lease}
        facts |= {"posted": json.dumps(posted), "not_before": pace.after(posted)}
        facts |= {"died": turn.died, "destination": rows[0].destination}
        with self._file.changing() as database:
            last = database.execute("SELECT begun_at FROM pace_groups WHERE name = ?", (group,)).fetchone()
            if not database.execute(BEGIN, facts).rowcount:
                return None
            if not database.execute(DOUBT, {"group": group, "seq": seq, "begun_at": last["begun_at"]}).rowcount:
                database.executemany(
                    'UPDATE waiting SET card = ? WHERE destination = ? AND event_id = ? AND "group" = ?',
                    [(seq + 1, row.destination, row.event_id, group) for row in rows],
                )
            begun = rows_of(database.execute(ROWS_ON_CARD, (group, seq + 1)))
        return Card(
            group=group,
            seq=seq + 1,
            rows=begun,
            begun_at=now,
            lease_until=now + lease,
            pace=pace,
            posted=posted,
            throttled=turn.throttled,
        )

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
        now = self._clock.now()
        posted, not_before = card.settled_at(now, not_before)
        facts = {"group": card.group, "seq": card.seq, "begun_at": card.begun_at, "now": now, "not_before": not_before}
        facts |= {"outcome": verdict.outcome.value, "reason": verdict.reason, "posted": json.dumps(posted)}
        facts |= {"ready_at": ready_at, "tried": tried, "in_place": in_place, "throttled": card.throttled_by(verdict)}
        with self._file.changing() as database:
            if not database.execute(SETTLE, facts).rowcount:
                return _settled_before(database, facts)
            for statement in (NOTE, *SWEEP[verdict.outcome]):
                database.execute(statement, facts)
            database.execute(FORGET, (now - SAID_KEPT_SECONDS, FORGOTTEN_AT_ONCE))
            return True

    def due(self, now: float) -> list[str]:
        with self._file.reading() as database:
            return [group["name"] for group in database.execute(BUSY_GROUPS) if group["next"] <= now]

    def next_due(self) -> float | None:
        with self._file.reading() as database:
            return min((group["next"] for group in database.execute(BUSY_GROUPS)), default=None)

    def status(self) -> list[DestinationStatus]:
        with self._file.reading() as database:
            return operators.status(database)

    def dead_letters(self) -> list[DeadLetter]:
        with self._file.reading() as database:
            return operators.dead_letters(database)

    def hold(self, destination: str, group: str) -> None:
        with self._file.changing() as database:
            operators.hold(database, destination, group, held=True)

    def release(self, destination: str, group: str) -> None:
        with self._file.changing() as database:
            operators.hold(database, destination, group, held=False)

    def replay(self, letters: Sequence[DeadLetter], *, to: str | None, group: str) -> int:
        now = self._clock.now()
        with self._file.changing() as database:
            return operators.replay(database, letters, to=to, group=group, now=now)


def _settled_before(database: sqlite3.Connection, facts: dict[str, Any]) -> bool:
    """Whether the very same settle took effect earlier, and only its answer was lost."""
    return bool(
        database.execute(
            "SELECT 1 FROM pace_groups WHERE name = :group AND settled_seq = :seq AND settled_as = :outcome", facts
        ).fetchone()
    )
