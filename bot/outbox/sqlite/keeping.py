"""Rows come in, each once, and are read back; their destinations and groups are known from then on."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import fields

from bot.outbox.base import Row

KEEP = """
INSERT INTO waiting (destination, event_id, "group", login, why, kept_at,
                     tries, doubts, first_try, last_try, last_reason, ready_at, since)
SELECT :destination, :event_id, :group, :login, :why, :kept_at,
       :tries, :doubts, :first_try, :last_try, :last_reason, :ready_at, :kept_at
WHERE NOT EXISTS (SELECT 1 FROM said WHERE destination = :destination AND event_id = :event_id)
  AND NOT EXISTS (SELECT 1 FROM given_up WHERE destination = :destination AND event_id = :event_id)
ON CONFLICT (destination, event_id) DO NOTHING
"""

ROW_FIELDS = tuple(field.name for field in fields(Row))


def keep(database: sqlite3.Connection, rows: Sequence[Row]) -> int:
    """How many of `rows` were new."""
    make_known(database, {row.destination: row.group for row in rows})
    return database.executemany(KEEP, [{name: getattr(row, name) for name in ROW_FIELDS} for row in rows]).rowcount


def make_known(database: sqlite3.Connection, groups: Mapping[str, str]) -> None:
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


def rows_of(found: sqlite3.Cursor) -> tuple[Row, ...]:
    return tuple(Row(**{name: row[name] for name in ROW_FIELDS}) for row in found)
