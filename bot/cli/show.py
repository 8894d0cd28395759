"""How the operator's side speaks: results on standard output, everything about them on standard error."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.senders.terminal import printable


class Mistake(Exception):  # noqa: N818 - an operator reads "mistake" everywhere else, too
    """An operator's mistake; the message is one sentence with the culprit and the cure."""


UNBOUNDED = 100_000
"""Columns of a pipe: it has no edge at which something would have to be cut or folded."""

Cell = str | Text


def out() -> Console:
    """Standard output, as wide as its terminal, or as COLUMNS says; a pipe has no width."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = UNBOUNDED
    return console


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


def say_json(value: Any, *, indent: int | None = 2, to: TextIO | None = None) -> None:
    """JSON for scripts, in plain ASCII: nothing in it can steer a terminal."""
    stream = to or sys.stdout
    stream.write(json.dumps(value, indent=indent, default=str) + "\n")
    stream.flush()  # whoever reads a pipe has each line at once, and a pipe that nobody reads is noticed


def iso(seconds: float | None) -> str | None:
    """A time of the state for scripts: ISO 8601 in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def harmless(text: str, style: str = "") -> Text:
    """Text that somebody else wrote, as text and nothing but text. Spaces at its ends stay."""
    lead = " " * (len(text) - len(text.lstrip(" ")))
    trail = " " * (len(text) - len(text.rstrip(" "))) if text.strip() else ""
    return Text(lead + printable(text) + trail, style=style)


def table(*columns: str, rows: Iterable[Iterable[Cell]]) -> Table:
    """A table without lines; columns named `>…` are numbers, on the right."""
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        justify: Any = "right" if column.startswith(">") else "left"
        drawn.add_column(harmless(column.lstrip(">")), justify=justify, overflow="fold")
    for row in rows:
        drawn.add_row(*map(_cell, row))
    return drawn


def fits(drawn: Table) -> bool:
    """Whether standard output has room for a table without folding any of it."""
    return Console(width=UNBOUNDED).measure(drawn).maximum <= out().width


def say_rows(*columns: str, rows: Sequence[Sequence[Cell]]) -> None:
    """A table where it fits, else a block of lines for each row: nothing is cut off."""
    drawn = table(*columns, rows=rows)
    if fits(drawn):
        out().print(drawn)
        return
    names = [column.lstrip(">") for column in columns]
    for row in rows:
        block = Table.grid(padding=(0, 2, 0, 0))
        block.add_column(style="dim", min_width=max(map(len, names)))
        block.add_column(overflow="fold")
        for name, value in zip(names, map(_cell, row), strict=True):
            if value.plain:
                block.add_row(name, value)
        out().print(block)
        out().print()


def _cell(value: Cell) -> Text:
    return value if isinstance(value, Text) else harmless(value)


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 login`, `2 logins`, `1,200 logins`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
