"""The tables in the file, made by whoever comes first, and how an older version's file becomes one of this version."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from bot.outbox.base import OutboxError

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


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Let the file have this version's tables. Raises OutboxError where it is somebody else's, or a newer version's."""
    tables, owner, version = (  # in this order: another process may be making the file right now
        database.execute(question).fetchone()[0]
        for question in ("SELECT COUNT(*) FROM sqlite_master", "PRAGMA application_id", "PRAGMA user_version")
    )
    if tables and owner != APPLICATION_ID:
        raise OutboxError(f"{path}: an SQLite file of something else; name another file for the outbox")
    if version > SCHEMA_VERSION:
        raise OutboxError(
            f"{path}: written by a newer version of the bot (schema {version}, this one knows"
            f" {SCHEMA_VERSION}); run that version, or name another file"
        )
    database.execute("PRAGMA synchronous = FULL")
    if not tables:
        database.executescript(SCHEMA)
    elif version < SCHEMA_VERSION:
        _upgrade(database)
    with suppress(sqlite3.OperationalError):  # another process is switching the file right now: that holds for all
        database.execute("PRAGMA journal_mode = WAL")


def _upgrade(database: sqlite3.Connection) -> None:
    """Make an older version's file into one of this version, unless another process did so a moment ago."""
    database.execute("BEGIN IMMEDIATE")
    for version in range(database.execute("PRAGMA user_version").fetchone()[0], SCHEMA_VERSION):
        database.execute(UPGRADES[version])
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    database.execute("COMMIT")
