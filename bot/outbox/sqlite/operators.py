"""What operators see of the outbox, and what they turn: status, dead letters, holding and replaying."""

import sqlite3
from collections.abc import Sequence

from bot.outbox.base import DeadLetter, DestinationStatus
from bot.outbox.sqlite.keeping import make_known

STATUS = """
SELECT name AS destination, "group", last_verdict, last_reason, held,
       NULLIF(MAX(COALESCE((SELECT not_before FROM pace_groups WHERE name = "group"), 0),
                  COALESCE((SELECT MIN(ready_at) FROM waiting WHERE destination = d.name), 0)), 0) AS not_before,
       (SELECT COUNT(*) FROM waiting WHERE destination = d.name) AS waiting,
       (SELECT MIN(kept_at) FROM waiting WHERE destination = d.name) AS oldest,
       (SELECT COUNT(*) FROM said WHERE destination = d.name) AS said,
       (SELECT COUNT(*) FROM given_up WHERE destination = d.name) AS given_up,
       (SELECT COALESCE(SUM(doubts), 0) FROM waiting WHERE destination = d.name)
     + (SELECT COALESCE(SUM(doubts), 0) FROM said WHERE destination = d.name)
     + (SELECT COALESCE(SUM(doubts), 0) FROM given_up WHERE destination = d.name) AS doubts
FROM destinations d ORDER BY name
"""

DEAD_LETTERS = """
SELECT destination, event_id, login, reason, tries, doubts, kept_at, first_try, last_try, given_up_at
FROM given_up ORDER BY given_up_at, kept_at, destination, event_id
"""

HOLD = """
INSERT INTO destinations (name, "group", held) VALUES (:name, :group, :held)
ON CONFLICT (name) DO UPDATE SET held = excluded.held
"""

REPLAY = """
INSERT INTO waiting (destination, event_id, "group", login, why, kept_at,
                     tries, doubts, first_try, last_try, last_reason, ready_at, since)
SELECT :to, event_id, :group, login, why, :now, 0,
       (SELECT SUM(doubts) FROM given_up WHERE destination IN (:destination, :to) AND event_id = :event_id),
       NULL, NULL, 'replayed: ' || reason, 0, :now
FROM given_up g WHERE destination = :destination AND event_id = :event_id
  AND NOT EXISTS (SELECT 1 FROM said WHERE destination = :to AND event_id = g.event_id)
ON CONFLICT (destination, event_id) DO NOTHING
"""

REPLAYED = """
DELETE FROM given_up WHERE destination = :destination AND event_id = :event_id
"""


def status(database: sqlite3.Connection) -> list[DestinationStatus]:
    return [DestinationStatus(**{**row, "held": bool(row["held"])}) for row in database.execute(STATUS)]


def dead_letters(database: sqlite3.Connection) -> list[DeadLetter]:
    return [DeadLetter(**row) for row in database.execute(DEAD_LETTERS)]


def hold(database: sqlite3.Connection, destination: str, group: str, *, held: bool) -> None:
    database.execute(HOLD, {"name": destination, "group": group, "held": held})


def replay(
    database: sqlite3.Connection, letters: Sequence[DeadLetter], *, to: str | None, group: str, now: float
) -> int:
    """How many wait now."""
    targets = sorted({to or letter.destination for letter in letters})
    make_known(database, dict.fromkeys(targets, group))
    waiting = 0
    for letter in letters:
        target = to or letter.destination
        facts = {"destination": letter.destination, "event_id": letter.event_id, "to": target}
        waiting += database.execute(REPLAY, facts | {"now": now, "group": group}).rowcount
        if database.execute(REPLAYED, facts).rowcount:  # one that was given up there, too, is told there now
            database.execute(REPLAYED, facts | {"destination": target})
    return waiting
