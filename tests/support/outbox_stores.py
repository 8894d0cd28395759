"""The stores that every outbox test runs on: a name → how to open one on an empty folder. A new store is one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from bot.clock import Clock
from bot.outbox.base import Outbox, OutboxReader, Row
from bot.outbox.sqlite import SqliteOutbox
from tests.support.clock import START


class Store(Outbox, OutboxReader, Protocol):
    """What delivery lives by and what operators read, in one object."""


STORES: dict[str, Callable[[Path, Clock], Store]] = {
    "sqlite": lambda folder, clock: SqliteOutbox(folder / "outbox.sqlite", clock),
}


def make_row(number: int = 1, **different: Any) -> Row:
    """The `number`th login for `ops`, kept `number` seconds after the start."""
    usual: dict[str, Any] = {
        "destination": "ops",
        "event_id": f"event-{number}",
        "group": "ops-group",
        "login": f'{{"number":{number}}}',
        "why": "default",
        "kept_at": START + number,
    }
    return Row(**(usual | different))
