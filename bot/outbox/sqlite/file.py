"""The file and its transactions: opened when it is first used, let go of in trouble, and explained where nothing helps.

One connection per object, used by one thread at a time: opening one for each operation costs nine times as much,
most of it for folding the write-ahead log back. Several processes may share the file. Every change is one transaction
that took the write lock before it read, and is on the disk before it is answered (synchronous=FULL, 0.6 ms a
transaction on an SSD): what was kept outlives a power cut, not only the process.
"""

import os
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from bot.outbox.base import OutboxError
from bot.outbox.sqlite.schema import prepare

BUSY_SECONDS = 2.0
"""How long another process may hold the file before that is an error; a transaction takes milliseconds."""

CURES = {
    sqlite3.SQLITE_BUSY: "another process holds it: end that one, or try again",
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable for this user",
    sqlite3.SQLITE_CANTOPEN: "make the file and its folder writable for this user",
    sqlite3.SQLITE_NOTADB: "name another file for the outbox, or move this one away",
    sqlite3.SQLITE_CORRUPT: "move it away, with what still waits in it, or restore a copy",
}


class File:
    """The connection to the file `path`, and its transactions. Raises OutboxError with what is wrong with the file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        self._lock = Lock()
        self._database: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._closing: weakref.finalize[..., Any] | None = None

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that has the write lock from its start: what it reads can't change under it."""
        with self._transaction("BEGIN IMMEDIATE") as database:
            yield database

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
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
                self.close()
                if isinstance(error, (sqlite3.Error, OSError)):
                    raise OutboxError(f"{self._path}: {error}; {_cure(error)}") from error
                raise

    def _let_go_of_a_lost_file(self) -> None:
        """A file that was deleted or replaced meanwhile still takes rows, and nobody would ever see them."""
        if self._database is not None and _identity(self._path) != self._opened:
            self.close()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # opening an existing file here would break SQLite's locks on it at the close
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o600))
        database = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._database = database
        self._opened = _identity(self._path)
        self._closing = weakref.finalize(self, database.close)
        database.row_factory = sqlite3.Row
        prepare(database, self._path)
        return database

    def close(self) -> None:
        if self._closing is not None:
            self._closing()
        self._database = self._closing = None


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file `path` is now, None when there is none."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _cure(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return "name a file in a folder where this user may write"
    return CURES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "look at the file and its disk, then try again")
