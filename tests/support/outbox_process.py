"""One more copy of the bot, as a process of its own: `python -m tests.support.outbox_process FOLDER TASK NOW`.

It says FOLDER/ready-…, waits for FOLDER/go, so that several start at once, does its TASK on FOLDER/outbox.sqlite at
the standing time NOW, and appends what it did to FOLDER/done, which plays the provider.
"""

import os
import sys
import time
from pathlib import Path

from bot.outbox.sqlite import SqliteOutbox
from bot.senders.base import Verdict
from tests.support.clock import FakeClock
from tests.support.outbox_stores import FREE, make_row

LEASE = 30.0


def keep_fifty(store: SqliteOutbox, folder: Path) -> None:
    new = sum(store.keep([make_row(number)]) for number in range(50))
    append(folder, f"{new}\n")


def tell_all(store: SqliteOutbox, folder: Path) -> None:
    """Until nothing waits: while the other has a live card, there is nothing to do but to look again."""
    while store.next_due() is not None:
        turn = store.waiting("ops-group", 3)
        card = store.begin(turn, turn.rows, LEASE, FREE)
        if card is None:
            time.sleep(0.001)
            continue
        append(folder, "".join(f"{row.event_id} {row.doubts}\n" for row in card.rows))
        assert store.settle(card, Verdict.sent(), 0.0)


def die_begun(store: SqliteOutbox, folder: Path) -> None:
    turn = store.waiting("ops-group", 3)
    assert store.begin(turn, turn.rows, LEASE, FREE) is not None
    os._exit(9)


def append(folder: Path, lines: str) -> None:
    with (folder / "done").open("a") as done:
        done.write(lines)


def main(folder: Path, task: str, now: str) -> None:
    store = SqliteOutbox(folder / "outbox.sqlite", FakeClock(float(now)))
    (folder / f"ready-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.001)
    {"keep": keep_fifty, "tell": tell_all, "die": die_begun}[task](store, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
