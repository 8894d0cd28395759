"""The SQLite file itself: who may use it at once, what happens to it in bad hands, and what it says then."""

import sqlite3
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

import bot.outbox.sqlite.file
from bot.outbox.base import SAID_KEPT_SECONDS, OutboxError, Turn
from bot.outbox.sqlite import SqliteOutbox
from bot.outbox.sqlite.outbox import FORGOTTEN_AT_ONCE
from bot.outbox.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION
from bot.senders.base import Verdict
from tests.support.clock import START, FakeClock
from tests.support.outbox_stores import FREE, make_row

ROOT = Path(__file__).parent.parent
GROUP = "ops-group"
LEASE = 30.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def store(path: Path, clock: FakeClock) -> SqliteOutbox:
    return SqliteOutbox(path, clock)


def tell_all(store: SqliteOutbox, limit: int = 10) -> list[str]:
    """What this caller told, until nothing waits."""
    told: list[str] = []
    while store.next_due() is not None:
        turn = store.waiting(GROUP, limit)
        card = store.begin(turn, turn.rows, LEASE, FREE)
        if card is not None:
            told += [row.event_id for row in card.rows]
            assert store.settle(card, Verdict.sent(), 0.0)
    return told


def ask(path: Path, question: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        (answer,) = database.execute(question).fetchone()
    return int(answer)


# the file


def test_nothing_is_opened_before_it_is_used(store: SqliteOutbox, path: Path) -> None:
    assert not path.exists()
    assert store.due(START) == []
    assert path.exists()


def test_the_file_and_its_companions_are_for_their_owner_only(tmp_path: Path, clock: FakeClock) -> None:
    store = SqliteOutbox(tmp_path / "new" / "folders" / "state.db", clock)
    store.keep([make_row()])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new" / "folders").iterdir()}
    assert modes == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}


def test_a_commit_reaches_the_disk_before_it_is_answered(store: SqliteOutbox) -> None:
    with store._file.reading() as database:
        assert database.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
        assert database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_no_connection_is_left_open_behind_an_outbox(path: Path, clock: FakeClock) -> None:
    store = SqliteOutbox(path, clock)
    store.keep([make_row()])
    del store
    assert not path.with_name("outbox.sqlite-wal").exists()  # the last connection folds it back and removes it


def test_what_was_said_is_forgotten_after_21_days_some_at_a_time(
    store: SqliteOutbox, path: Path, clock: FakeClock
) -> None:
    store.keep([make_row(number) for number in range(FORGOTTEN_AT_ONCE + 5)])
    tell_all(store, limit=FORGOTTEN_AT_ONCE + 5)
    clock.advance(SAID_KEPT_SECONDS + 1)
    for left in (5 + 1, 0 + 2):
        store.keep([make_row(5000 + left)])
        tell_all(store)
        assert ask(path, "SELECT COUNT(*) FROM said") == left
    assert store.keep([make_row(1)]) == 1


def test_a_card_costs_the_same_however_many_logins_wait(store: SqliteOutbox, path: Path) -> None:
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def cost_of_a_card() -> int:
        nonlocal steps
        with store._file.reading() as database:
            database.set_progress_handler(count, 10)
        steps = 0
        turn = store.waiting(GROUP, 5)
        card = store.begin(turn, turn.rows, LEASE, FREE)
        assert card is not None
        assert store.settle(card, Verdict.sent(), 0.0)
        assert store.due(START)
        return steps

    store.keep([make_row(number) for number in range(20)])
    few = cost_of_a_card()
    store.keep([make_row(number, destination=f"d{number % 2}") for number in range(100, 4000)])
    assert cost_of_a_card() < 2 * few


# mistakes and accidents


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            f"CREATE TABLE t (x); PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 99"
        )


def test_an_older_versions_file_goes_on_with_all_that_is_in_it(
    store: SqliteOutbox, path: Path, clock: FakeClock
) -> None:
    """Of the first version, which did not count how often a group was throttled."""
    store.keep([make_row(1)])
    with closing(sqlite3.connect(path)) as database:
        database.executescript("ALTER TABLE pace_groups DROP COLUMN throttled; PRAGMA user_version = 1")
    older = [SqliteOutbox(path, clock) for _ in range(2)]
    assert [outbox.waiting("ops-group", 1) for outbox in older] == [
        Turn(group="ops-group", seq=0, rows=(make_row(1),), alone=True)
    ] * 2
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript("CREATE TABLE bookmarks (url); PRAGMA user_version = 1")


def no_database(path: Path) -> None:
    path.write_text("destinations:\n  ops: {type: console}\n" * 100)


def below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            newer,
            "written by a newer version of the bot (schema 99, this one knows 2); run that version, or name another",
        ),
        (foreign, "an SQLite file of something else; name another file for the outbox"),
        (no_database, "file is not a database; name another file for the outbox, or move this one away"),
        (Path.mkdir, "unable to open database file; make the file and its folder writable for this user"),
        (below_a_file, "name a file in a folder where this user may write"),
    ],
    ids=["newer", "foreign", "no database", "a folder", "below a file"],
)
def test_a_file_that_is_no_outbox_is_refused_and_left_alone(
    tmp_path: Path, clock: FakeClock, make: Callable[[Path], None], says: str
) -> None:
    path = tmp_path / "folder" / "state.db"
    path.parent.mkdir()
    make(path)
    before = path.read_bytes() if path.is_file() else None
    store = SqliteOutbox(path, clock)
    for _ in range(2):
        with pytest.raises(OutboxError) as caught:
            store.keep([make_row()])
        assert str(caught.value).startswith(f"{path}: ")
        assert says in str(caught.value)
    assert before is None or path.read_bytes() == before


def test_a_file_that_another_holds_is_an_error_and_then_works_again(
    store: SqliteOutbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.outbox.sqlite.file, "BUSY_SECONDS", 0.05)
    store.keep([make_row(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutboxError, match="database is locked; another process holds it: end that one, or try"):
            store.keep([make_row(2)])
        assert len(store.waiting(GROUP, 10).rows) == 1  # reading waits for nobody
    assert store.keep([make_row(2)]) == 1


def test_a_full_disk_keeps_nothing_by_halves_and_loses_nothing(store: SqliteOutbox) -> None:
    store.keep([make_row(0)])
    with store._file.reading() as database:
        database.execute("PRAGMA max_page_count = 60")
    with pytest.raises(OutboxError, match="database or disk is full; make room on its disk"):
        store.keep([make_row(number, login="x" * 1000) for number in range(1, 1000)])
    assert [row.event_id for row in store.waiting(GROUP, 10).rows] == ["event-0"]
    assert store.keep([make_row(number) for number in range(1, 1000)]) == 999


def test_a_damaged_file_says_so(store: SqliteOutbox, path: Path) -> None:
    store.keep([make_row(number) for number in range(500)])
    store._file.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(OutboxError, match=r"malformed; move it away, with what still waits in it, or restore a copy"):
        store.status()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_what_ends_in_the_middle_changes_nothing(store: SqliteOutbox, interruption: type[BaseException]) -> None:
    def interrupt() -> None:
        with store._file.changing() as database:
            database.execute("DELETE FROM waiting")
            raise interruption

    store.keep([make_row(1)])
    with pytest.raises(interruption):
        interrupt()
    assert store.keep([make_row(1), make_row(2)]) == 1


# several at once


def test_threads_share_one_outbox(store: SqliteOutbox) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda start: store.keep([make_row(start + n) for n in range(20)]), range(0, 80, 10)))
        told = [event for told in pool.map(tell_all, [store] * 8) for event in told]
    assert sum(new) == 90
    assert Counter(told) == {f"event-{number}": 1 for number in range(90)}


def run(folder: Path, *tasks: str, now: float = START) -> list[int]:
    """Several copies of the bot at once, each a process; their exit codes."""
    command = [sys.executable, "-W", "error", "-m", "tests.support.outbox_process", str(folder)]
    with ExitStack() as copies:
        started = [copies.enter_context(subprocess.Popen([*command, task, str(now)], cwd=ROOT)) for task in tasks]
        for copy in started:
            copies.callback(copy.kill)
        while len(list(folder.glob("ready-*"))) < len(tasks) and not any(copy.poll() for copy in started):
            time.sleep(0.005)
        (folder / "go").touch()
        return [copy.wait(30) for copy in started]


def done(folder: Path) -> Counter[str]:
    return Counter((folder / "done").read_text().splitlines())


@pytest.mark.slow
def test_processes_that_make_the_file_at_once_keep_each_row_once(tmp_path: Path, path: Path) -> None:
    assert run(tmp_path, "keep", "keep", "keep", "keep") == [0] * 4
    assert sum(int(new) for new in done(tmp_path).elements()) == 50
    assert ask(path, "SELECT COUNT(*) FROM waiting") == 50


def test_two_processes_tell_each_login_once(store: SqliteOutbox, tmp_path: Path) -> None:
    store.keep([make_row(number) for number in range(90)])
    assert run(tmp_path, "tell", "tell") == [0, 0]
    assert done(tmp_path) == {f"event-{number} 0": 1 for number in range(90)}


def test_what_a_killed_process_had_begun_is_told_by_the_next_with_a_doubt(store: SqliteOutbox, tmp_path: Path) -> None:
    store.keep([make_row(number) for number in range(5)])
    assert run(tmp_path, "die") == [9]
    assert store.due(START + LEASE - 0.001) == []
    assert run(tmp_path, "tell", now=START + LEASE) == [0]
    assert done(tmp_path) == {f"event-{number} {int(number < 3)}": 1 for number in range(5)}
    (status,) = store.status()
    assert (status.said, status.waiting, status.doubts) == (5, 0, 3)
