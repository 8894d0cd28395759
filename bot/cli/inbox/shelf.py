"""What the inbox remembers: cards, who hears of what and why, and refusals, in one SQLite file beside the outbox.

One connection, used by one thread at a time. It is a convenience, no ledger: what must not be lost is in the outbox.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from bot.cli.show import Mistake

KEPT_CARDS = 10_000
KEPT_REFUSALS = 100
NAMED = 5
"""Logins of a card that are named one by one; a digest of hundreds names the rest itself."""

APPLICATION_ID = 0x494E4258  # "INBX": tells a shelf from somebody's other SQLite file
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE cards (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rev INTEGER NOT NULL,
    destination TEXT NOT NULL,
    kind TEXT NOT NULL,
    told_at REAL NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    until REAL,
    logins INTEGER NOT NULL,
    payload TEXT NOT NULL,
    used INTEGER,
    room INTEGER,
    unit TEXT NOT NULL,
    overtaken INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX cards_by_destination ON cards (destination, overtaken, id);
CREATE INDEX cards_by_rev ON cards (rev);
CREATE TABLE told (
    destination TEXT NOT NULL,
    event_id TEXT NOT NULL,
    card INTEGER NOT NULL REFERENCES cards ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (destination, event_id, card)
) WITHOUT ROWID;
CREATE INDEX told_by_card ON told (card, position);
CREATE TABLE hears (
    destination TEXT NOT NULL,
    event_id TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    because TEXT NOT NULL,
    PRIMARY KEY (destination, event_id)
) WITHOUT ROWID;
CREATE TABLE refusals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    refused_at REAL NOT NULL,
    reason TEXT NOT NULL
);
PRAGMA application_id = {APPLICATION_ID};
COMMIT;
"""

# A card that was not taken is on the page until each of its logins was on a later card.
OVERTAKE = """
UPDATE cards SET overtaken = 1, rev = :rev
WHERE destination = :destination AND outcome = 'again' AND NOT overtaken
  AND id IN (SELECT card FROM told WHERE destination = :destination AND event_id IN (SELECT value FROM json_each(:ids)))
  AND NOT EXISTS (SELECT 1 FROM told t WHERE t.card = cards.id AND NOT EXISTS (
      SELECT 1 FROM told n WHERE n.destination = t.destination AND n.event_id = t.event_id AND n.card > t.card))
"""

FORGET = (
    "DELETE FROM hears WHERE (destination, event_id) IN (SELECT destination, event_id FROM told WHERE card <= ?)",
    "DELETE FROM cards WHERE id <= ?",
)

REASONS = """
SELECT why, because, COUNT(*) AS logins FROM told JOIN hears USING (destination, event_id)
WHERE card = ? GROUP BY why, because ORDER BY logins DESC
"""

NAMES = """
SELECT who FROM told JOIN hears USING (destination, event_id) WHERE card = ? ORDER BY position LIMIT ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One login for one destination: who it is about, the route that chose the destination, and that in words."""

    destination: str
    event_id: str
    who: str
    why: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """A card as it was told. Times are seconds since the epoch; `until` is when it is tried again, None if it isn't.

    `payload` is None where nothing could be drawn; `used` of `room` is its size, in `unit`.
    """

    destination: str
    kind: str
    told_at: float
    outcome: str
    reason: str
    until: float | None
    event_ids: tuple[str, ...]
    payload: Any
    used: int | None = None
    room: int | None = None
    unit: str = ""


class Shelf:
    """Nothing is opened before it is first used. Raises Mistake where the file can't be used."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        self._lock = Lock()
        self._database: sqlite3.Connection | None = None

    def hear(self, heard: Iterable[Heard]) -> None:
        """Write down who hears of what and why; what is known of it already stays."""
        rows = [(each.destination, each.event_id, each.who, each.why, each.because) for each in heard]
        with self._open() as database:
            database.executemany("INSERT OR IGNORE INTO hears VALUES (?, ?, ?, ?, ?)", rows)

    def known(self, event_ids: Sequence[str]) -> set[str]:
        """Those of the events of which some destination hears already."""
        with self._open() as database:
            found = database.execute(
                "SELECT DISTINCT event_id FROM hears WHERE event_id IN (SELECT value FROM json_each(?))",
                (json.dumps(event_ids),),
            )
            return {row["event_id"] for row in found}

    def who(self, event_id: str) -> str:
        """Who the event is about, as far as known."""
        with self._open() as database:
            found = database.execute("SELECT who FROM hears WHERE event_id = ? LIMIT 1", (event_id,)).fetchone()
            return str(found["who"]) if found else event_id

    def add(self, card: Shelved) -> None:
        with self._open() as database:
            rev = _next_rev(database)
            values = {name: getattr(card, name) for name in Shelved.__slots__}
            values |= {"rev": rev, "logins": len(card.event_ids), "payload": json.dumps(card.payload)}
            added = database.execute(
                "INSERT INTO cards (rev, destination, kind, told_at, outcome, reason, until, logins, payload, used,"
                " room, unit) VALUES (:rev, :destination, :kind, :told_at, :outcome, :reason, :until, :logins,"
                " :payload, :used, :room, :unit)",
                {name: value for name, value in values.items() if name != "event_ids"},
            ).lastrowid
            database.executemany(
                "INSERT OR IGNORE INTO told VALUES (?, ?, ?, ?)",
                [(card.destination, event_id, added, at) for at, event_id in enumerate(card.event_ids)],
            )
            database.execute(OVERTAKE, {"rev": rev, "destination": card.destination, "ids": json.dumps(card.event_ids)})
            for statement in FORGET:
                database.execute(statement, ((added or 0) - KEPT_CARDS,))

    def refuse(self, reason: str, now: float) -> None:
        with self._open() as database:
            added = database.execute("INSERT INTO refusals (refused_at, reason) VALUES (?, ?)", (now, reason)).lastrowid
            database.execute("DELETE FROM refusals WHERE id <= ?", ((added or 0) - KEPT_REFUSALS,))

    def refusals(self) -> list[dict[str, Any]]:
        """The latest refusals, newest first: `{"id", "refused_at", "reason"}`."""
        with self._open() as database:
            return [dict(row) for row in database.execute("SELECT * FROM refusals ORDER BY id DESC LIMIT 20")]

    def counts(self) -> dict[str, int]:
        """How many cards each destination has here."""
        with self._open() as database:
            found = database.execute("SELECT destination, COUNT(*) AS n FROM cards WHERE NOT overtaken GROUP BY 1")
            return {row["destination"]: row["n"] for row in found}

    def rev(self) -> int:
        """Grows with every change of a card."""
        with self._open() as database:
            return _next_rev(database) - 1

    def page(self, destination: str, *, before: int | None, limit: int) -> list[dict[str, Any]]:
        """The destination's cards, newest first: those with an id below `before`, at most `limit`."""
        with self._open() as database:
            rows = database.execute(
                "SELECT * FROM cards WHERE destination = ? AND NOT overtaken AND id < ? ORDER BY id DESC LIMIT ?",
                (destination, before if before is not None else 2**62, limit),
            ).fetchall()
            return [_shown(database, row) for row in rows]

    def changes(self, since: int, limit: int) -> list[dict[str, Any]]:
        """Cards that are new or overtaken since the revision, oldest change first, at most `limit` of the newest."""
        with self._open() as database:
            rows = database.execute(
                "SELECT * FROM cards WHERE rev > ? ORDER BY rev DESC, id DESC LIMIT ?", (since, limit)
            ).fetchall()
            return [_shown(database, row) for row in reversed(rows)]

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                database = self._database = self._database or self._connect()
                with database:  # a transaction: all of it or nothing
                    yield database
            except (sqlite3.Error, OSError) as error:
                raise Mistake(f"{self._path}: {error}; move it away, or name another state with --state") from error

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o600))  # names of people: for this user alone
        database = sqlite3.connect(self._path, check_same_thread=False)
        database.row_factory = sqlite3.Row
        owner = database.execute("PRAGMA application_id").fetchone()[0]
        if owner != APPLICATION_ID:
            if database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                database.close()
                raise sqlite3.DatabaseError("an SQLite file of something else")
            database.executescript(SCHEMA)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA foreign_keys = ON")
        return database


def _next_rev(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT COALESCE(MAX(rev), 0) + 1 FROM cards").fetchone()[0])


def _shown(database: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    """A card as the page gets it."""
    shown = dict(row) | {"payload": json.loads(row["payload"]), "overtaken": bool(row["overtaken"])}
    shown["why"] = [dict(each) for each in database.execute(REASONS, (row["id"],))]
    shown["who"] = [each["who"] for each in database.execute(NAMES, (row["id"], NAMED))]
    return shown
