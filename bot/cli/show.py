"""How the operator's side speaks: results on standard output, everything about them on standard error."""

import json
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.senders.terminal import printable


class Mistake(Exception):  # noqa: N818 - an operator reads "mistake" everywhere else, too
    """An operator's mistake; the message is one sentence with the culprit and the cure."""


def out() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def err() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(*parts: str | Text, to: Console | None = None) -> None:
    """One line, however long: a terminal wraps it, a pipe does not."""
    line = Text.assemble(*(part if isinstance(part, Text) else harmless(part) for part in parts))
    (to or out()).print(line, soft_wrap=True)


def note(*parts: str | Text) -> None:
    """A line about the result: on standard error, so that what is piped is the result alone."""
    say(*parts, to=err())


def complain(*sentences: str) -> None:
    for sentence in sentences:
        note(Text("error: ", style="bold red"), sentence)


def say_json(value: Any, *, indent: int | None = 2) -> None:
    """JSON for scripts, in plain ASCII: nothing in it can steer a terminal."""
    sys.stdout.write(json.dumps(value, indent=indent, default=str) + "\n")


def harmless(text: str, style: str = "") -> Text:
    """Text that somebody else wrote, as text and nothing but text. Spaces at its ends stay."""
    lead = " " * (len(text) - len(text.lstrip(" ")))
    trail = " " * (len(text) - len(text.rstrip(" "))) if text.strip() else ""
    return Text(lead + printable(text) + trail, style=style)


def table(*columns: str, rows: Iterable[Iterable[str | Text]]) -> Table:
    """A table without lines; columns named `>…` are numbers, on the right."""
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        drawn.add_column(harmless(column.lstrip(">")), justify="right" if column.startswith(">") else "left")
    for row in rows:
        drawn.add_row(*(cell if isinstance(cell, Text) else harmless(cell) for cell in row))
    return drawn


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 login`, `2 logins`, `1,200 logins`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
