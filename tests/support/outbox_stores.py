"""The stores that every outbox test runs on: a name → how to open one, in an empty folder or a table of its name."""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import boto3

from bot.aws import Aws
from bot.clock import Clock
from bot.outbox.base import Outbox, OutboxOperator, Row
from bot.outbox.dynamodb import DynamoOutbox, create_table
from bot.outbox.sqlite import SqliteOutbox
from bot.pace import Pace
from tests.support.clock import START

FREE = Pace(messages=1000, per=0.0, gap=0.0, group="ops-group")
"""No pace at all."""


class Store(Outbox, OutboxOperator, Protocol):
    """What delivery lives by and what operators read and turn, in one object."""


def open_table(aws: Aws, clock: Clock, name: str = "login-bot") -> DynamoOutbox:
    """The outbox in the table `name` of whatever AWS the environment points at; the table is made when first opened."""
    client = _client(os.environ.get("AWS_ENDPOINT_URL", ""))
    with suppress(client.exceptions.ResourceInUseException):
        create_table(client, name)
    return DynamoOutbox(name, aws, clock)


@cache
def _client(_endpoint: str) -> Any:
    """boto3's own, once for each AWS: it takes a third of a second to make."""
    return boto3.client("dynamodb")


STORES: dict[str, Callable[[Path, Clock, Aws], Store]] = {
    "sqlite": lambda folder, clock, aws: SqliteOutbox(folder / "outbox.sqlite", clock),
    "dynamodb": lambda folder, clock, aws: open_table(aws, clock, folder.name),
    "small table": lambda folder, clock, aws: DynamoOutbox("login-bot", aws, clock),
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
