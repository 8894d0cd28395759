"""The stores that every outbox test runs on: a name → how to open one on an empty folder. A new store is one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from bot.clock import Clock
from bot.outbox.base import Outbox, OutboxOperator, Row
from bot.outbox.sqlite import SqliteOutbox
from bot.pace import Pace
from tests.support.clock import START

FREE = Pace(messages=1000, per=0.0, gap=0.0, group="ops-group")
"""No pace at all."""


class Store(Outbox, OutboxOperator, Protocol):
    """What delivery lives by and what operators read and turn, in one object."""


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
