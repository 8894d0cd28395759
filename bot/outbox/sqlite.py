"""The outbox in one SQLite file: for an operator's machine, and for whoever runs the bot without a cloud table.

One connection per object, used by one thread at a time: opening one for each operation costs nine times as much,
most of it for folding the write-ahead log back. Several processes may share the file. Every change is one transaction
that took the write lock before it read, and is on the disk before it is answered (synchronous=FULL, 0.6 ms a
transaction on an SSD): what was kept outlives a power cut, not only the process.
"""

import json
import math
import os
import sqlite3
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from threading import Lock
from typing import Any

from bot.clock import Clock
from bot.outbox.base import SAID_KEPT_SECONDS, Card, DeadLetter, DestinationStatus, OutboxError, Row, Turn
from bot.pace import Pace
from bot.senders.base import Outcome, Verdict

BUSY_SECONDS = 2.0
"""How long another process may hold the file before that is an error; a transaction takes milliseconds."""

FORGOTTEN_AT_ONCE = 1000
"""Of what was said, no settle forgets more than this: a file that slept for a month still answers quickly."""

APPLICATION_ID = 0x4C4F4749  # "LOGI": tells an outbox from somebody's other SQLite file
SCHEMA_VERSION = 2
# `seq` changes with every begin and every settle. A live or dead card is `begun_at`, `lease_until` and the waiting
# rows whose `card` is the group's seq. `settled_*` let a settle whose answer was lost be repeated.
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS pace_groups (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    begun_at REAL,
    lease_until REAL,
    settled_seq INTEGER,
    settled_as TEXT,
    posted TEXT NOT NULL DEFAULT '[]',
    throttled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS destinations (
    name TEXT PRIMARY KEY,
    "group" TEXT NOT NULL,
    last_verdict TEXT NOT NULL DEFAULT '',
    last_reason TEXT NOT NULL DEFAULT '',
    held INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    position INTEGER PRIMARY KEY,
    destination TEXT NOT NULL,
    event_id TEXT NOT NULL,
    "group" TEXT NOT NULL,
    login TEXT NOT NULL,
    why TEXT NOT NULL,
    kept_at REAL NOT NULL,
    tries INTEGER NOT NULL,
    doubts INTEGER NOT NULL,
    first_try REAL,
    last_try REAL,
    last_reason TEXT NOT NULL,
    ready_at REAL NOT NULL,
    since REAL NOT NULL,
    card INTEGER,
    UNIQUE (destination, event_id)
);
CREATE INDEX IF NOT EXISTS waiting_by_age ON waiting ("group", kept_at);
CREATE INDEX IF NOT EXISTS waiting_by_turn ON waiting ("group", destination, since);
CREATE INDEX IF NOT EXISTS waiting_until ON waiting ("group", ready_at);
CREATE INDEX IF NOT EXISTS waiting_on_a_card ON waiting ("group", card, kept_at) WHERE card IS NOT NULL;
CREATE TABLE IF NOT EXISTS said (
    destination TEXT NOT NULL,
    event_id TEXT NOT NULL,
    said_at REAL NOT NULL,
    doubts INTEGER NOT NULL,
    PRIMARY KEY (destination, event_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS said_by_age ON said (said_at);
CREATE TABLE IF NOT EXISTS given_up (
    destination TEXT NOT NULL,
    event_id TEXT NOT NULL,
    "group" TEXT NOT NULL,
    login TEXT NOT NULL,
    why TEXT NOT NULL,
    kept_at REAL NOT NULL,
    tries INTEGER NOT NULL,
    doubts INTEGER NOT NULL,
    first_try REAL,
    last_try REAL,
    reason TEXT NOT NULL,
    given_up_at REAL NOT NULL,
    PRIMARY KEY (destination, event_id)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

UPGRADES = {1: "ALTER TABLE pace_groups ADD COLUMN throttled INTEGER NOT NULL DEFAULT 0"}
"""What makes a file of one version into one of the next."""

KEEP = """
INSERT INTO waiting (destination, event_id, "group", login, why, kept_at,
                     tries, doubts, first_try, last_try, last_reason, ready_at, since)
SELECT :destination, :event_id, :group, :login, :why, :kept_at,
       :tries, :doubts, :first_try, :last_try, :last_reason, :ready_at, :kept_at
WHERE NOT EXISTS (SELECT 1 FROM said WHERE destination = :destination AND event_id = :event_id)
  AND NOT EXISTS (SELECT 1 FROM given_up WHERE destination = :destination AND event_id = :event_id)
ON CONFLICT (destination, event_id) DO NOTHING
"""

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

DEAD_LETTERS = """
SELECT destination, event_id, login, reason, tries, doubts, kept_at, first_try, last_try, given_up_at
FROM given_up ORDER BY given_up_at, kept_at, destination, event_id
"""

ROW_FIELDS = tuple(field.name for field in fields(Row))


class SqliteOutbox:
    """The outbox and what operators read of it, in the file `path`. Nothing is opened before it is first used."""

    def __init__(self, path: str | os.PathLike[str], clock: Clock) -> None:
        self._path = Path(path).absolute()
        self._clock = clock
        self._lock = Lock()
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._closing: weakref.finalize[..., Any] | None = None

    def keep(self, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        with self._changing() as database:
            _make_known(database, {row.destination: row.group for row in rows})
            return database.executemany(
                KEEP, [{name: getattr(row, name) for name in ROW_FIELDS} for row in rows]
            ).rowcount

    def waiting(self, group: str, limit: int) -> Turn:
        with self._reading() as database:
            state = database.execute("SELECT * FROM pace_groups WHERE name = ?", (group,)).fetchone()
            if state is None:
                return Turn(group=group, seq=0, rows=(), not_before=math.inf)
            seq, not_before, posted = state["seq"], state["not_before"], tuple(json.loads(state["posted"]))
            turn = Turn(group=group, seq=seq, rows=(), not_before=not_before, throttled=state["throttled"])
            if state["lease_until"] is not None:
                if self._clock.now() < state["lease_until"]:
                    return replace(turn, not_before=max(not_before, state["lease_until"]))
                if begun := _rows(database.execute(ROWS_ON_CARD, (group, seq))):
                    return replace(turn, rows=begun, died=True, posted=posted)
            facts = {"group": group, "now": self._clock.now(), "limit": limit}
            if chosen := database.execute(NEXT_DESTINATION, facts).fetchone():
                rows = _rows(database.execute(NEXT_ROWS, facts | {"destination": chosen["name"]}))
                return replace(turn, rows=rows, posted=posted)
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
        with self._changing() as database:
            last = database.execute("SELECT begun_at FROM pace_groups WHERE name = ?", (group,)).fetchone()
            if not database.execute(BEGIN, facts).rowcount:
                return None
            if not database.execute(DOUBT, {"group": group, "seq": seq, "begun_at": last["begun_at"]}).rowcount:
                database.executemany(
                    'UPDATE waiting SET card = ? WHERE destination = ? AND event_id = ? AND "group" = ?',
                    [(seq + 1, row.destination, row.event_id, group) for row in rows],
                )
            begun = _rows(database.execute(ROWS_ON_CARD, (group, seq + 1)))
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
        with self._changing() as database:
            if not database.execute(SETTLE, facts).rowcount:
                return _settled_before(database, facts)
            for statement in (NOTE, *SWEEP[verdict.outcome]):
                database.execute(statement, facts)
            database.execute(FORGET, (now - SAID_KEPT_SECONDS, FORGOTTEN_AT_ONCE))
            return True

    def due(self, now: float) -> list[str]:
        with self._reading() as database:
            return [group["name"] for group in database.execute(BUSY_GROUPS) if group["next"] <= now]

    def next_due(self) -> float | None:
        with self._reading() as database:
            return min((group["next"] for group in database.execute(BUSY_GROUPS)), default=None)

    def status(self) -> list[DestinationStatus]:
        with self._reading() as database:
            return [DestinationStatus(**{**row, "held": bool(row["held"])}) for row in database.execute(STATUS)]

    def dead_letters(self) -> list[DeadLetter]:
        with self._reading() as database:
            return [DeadLetter(**row) for row in database.execute(DEAD_LETTERS)]

    def hold(self, destination: str, group: str) -> None:
        with self._changing() as database:
            database.execute(HOLD, {"name": destination, "group": group, "held": 1})

    def release(self, destination: str, group: str) -> None:
        with self._changing() as database:
            database.execute(HOLD, {"name": destination, "group": group, "held": 0})

    def replay(self, letters: Sequence[DeadLetter], *, to: str | None, group: str) -> int:
        now = self._clock.now()
        with self._changing() as database:
            targets = sorted({to or letter.destination for letter in letters})
            _make_known(database, dict.fromkeys(targets, group))
            waiting = 0
            for letter in letters:
                target = to or letter.destination
                facts = {"destination": letter.destination, "event_id": letter.event_id, "to": target}
                waiting += database.execute(REPLAY, facts | {"now": now, "group": group}).rowcount
                if database.execute(REPLAYED, facts).rowcount:  # one that was given up there, too, is told there now
                    database.execute(REPLAYED, facts | {"destination": target})
            return waiting

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that has the write lock from its start: what it reads can't change under it."""
        with self._transaction("BEGIN IMMEDIATE") as database:
            yield database

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One moment's view of the file, which waits for nobody."""
        with self._transaction("BEGIN") as database:
            yield database

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """Whatever goes wrong, Ctrl-C included, closes the connection, and that undoes the transaction."""
        with self._lock:
            try:
                self._let_go_of_a_lost_file()
                database = self._database or self._open()
                database.execute(begin)
                yield database
                database.execute("COMMIT")
            except BaseException as error:
                self._close()
                if isinstance(error, (sqlite3.Error, OSError)):
                    raise OutboxError(f"{self._path}: {error}; {_cure(error)}") from error
                raise

    def _let_go_of_a_lost_file(self) -> None:
        """A file that was deleted or replaced meanwhile still takes rows, and nobody would ever see them."""
        if self._database is not None and _identity(self._path) != self._file:
            self._close()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # opening an existing file here would break SQLite's locks on it at the close
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o600))
        database = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._database = database
        self._file = _identity(self._path)
        self._closing = weakref.finalize(self, database.close)
        database.row_factory = sqlite3.Row
        self._prepare(database)
        return database

    def _close(self) -> None:
        if self._closing is not None:
            self._closing()
        self._database = self._closing = None

    def _prepare(self, database: sqlite3.Connection) -> None:
        tables, owner, version = (  # in this order: another process may be making the file right now
            database.execute(question).fetchone()[0]
            for question in ("SELECT COUNT(*) FROM sqlite_master", "PRAGMA application_id", "PRAGMA user_version")
        )
        if tables and owner != APPLICATION_ID:
            raise OutboxError(f"{self._path}: an SQLite file of something else; name another file for the outbox")
        if version > SCHEMA_VERSION:
            raise OutboxError(
                f"{self._path}: written by a newer version of the bot (schema {version}, this one knows"
                f" {SCHEMA_VERSION}); run that version, or name another file"
            )
        database.execute("PRAGMA synchronous = FULL")
        if not tables:
            database.executescript(SCHEMA)
        elif version < SCHEMA_VERSION:
            _upgrade(database)
        with suppress(sqlite3.OperationalError):  # another process is switching the file right now: that holds for all
            database.execute("PRAGMA journal_mode = WAL")


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file `path` is now, None when there is none."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _upgrade(database: sqlite3.Connection) -> None:
    """Make an older version's file into one of this version, unless another process did so a moment ago."""
    database.execute("BEGIN IMMEDIATE")
    for version in range(database.execute("PRAGMA user_version").fetchone()[0], SCHEMA_VERSION):
        database.execute(UPGRADES[version])
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    database.execute("COMMIT")


def _make_known(database: sqlite3.Connection, groups: Mapping[str, str]) -> None:
    """Let there be a row for each destination and for its pace group."""
    database.executemany(
        "INSERT INTO pace_groups (name) VALUES (?) ON CONFLICT DO NOTHING",
        sorted({(group,) for group in groups.values()}),
    )
    database.executemany(
        'INSERT INTO destinations (name, "group") VALUES (?, ?)'
        ' ON CONFLICT (name) DO UPDATE SET "group" = excluded."group"',
        sorted(groups.items()),
    )


def _rows(found: sqlite3.Cursor) -> tuple[Row, ...]:
    return tuple(Row(**{name: row[name] for name in ROW_FIELDS}) for row in found)


def _settled_before(database: sqlite3.Connection, facts: dict[str, Any]) -> bool:
    """Whether the very same settle took effect earlier, and only its answer was lost."""
    return bool(
        database.execute(
            "SELECT 1 FROM pace_groups WHERE name = :group AND settled_seq = :seq AND settled_as = :outcome", facts
        ).fetchone()
    )


CURES = {
    sqlite3.SQLITE_BUSY: "another process holds it: end that one, or try again",
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable for this user",
    sqlite3.SQLITE_CANTOPEN: "make the file and its folder writable for this user",
    sqlite3.SQLITE_NOTADB: "name another file for the outbox, or move this one away",
    sqlite3.SQLITE_CORRUPT: "move it away, with what still waits in it, or restore a copy",
}


def _cure(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return "name a file in a folder where this user may write"
    return CURES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "look at the file and its disk, then try again")
