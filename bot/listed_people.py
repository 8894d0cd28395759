"""Who is behind a WorkSpace, from a list that an operator wrote, with every mistake in it explained."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bot.config import ConfigError
from bot.events import Login, Person
from bot.people import fit_text, nobody

REQUIRED = ("workspace_id", "user_name")
COLUMNS = (*REQUIRED, "display_name", "email")
"""What a list of people may tell of each."""


class ListedPeople:
    """Reads people from a CSV file: `workspace_id,user_name[,display_name,email]`, a header line, UTF-8.

    Raises ConfigError, with every mistake in the file, when it is made.
    """

    def __init__(self, path: str) -> None:
        self._people = _read_list(path)

    def name(self, logins: Sequence[Login], *, until: float) -> list[Login]:  # noqa: ARG002 - a list never waits
        return [
            replace(login, person=self._people.get(login.workspace_id) or nobody(login.workspace_id))
            for login in logins
        ]


def _read_list(path: str) -> dict[str, Person]:
    mistakes: list[str] = []
    people: dict[str, Person] = {}
    first_seen: dict[str, int] = {}
    for line, entry in _entries(path):
        if empty := [column for column in REQUIRED if not entry[column]]:
            mistakes.append(f"line {line}: {empty[0]} is empty; fill it in, or take the line out")
        elif (workspace_id := entry["workspace_id"]) in people:
            mistakes.append(f"line {line}: {workspace_id!r} stands on line {first_seen[workspace_id]} too; keep one")
        else:
            first_seen[workspace_id] = line
            people[workspace_id] = Person(
                name=entry["user_name"], display_name=entry["display_name"], email=entry["email"]
            )
    if mistakes:
        raise ConfigError(path, tuple(mistakes))
    return people


def _entries(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line that says something, with its number, by column."""
    lines = csv.reader(io.StringIO(_content(path), newline=""), strict=True)
    try:
        columns = _columns(path, [cell.strip().lower() for cell in next(lines, [])])
        for cells in lines:
            if len(cells) > len(columns):
                cure = "put a value that holds a comma in double quotes"
                found = f"{len(cells)} values under {len(columns)} columns"
                raise ConfigError(path, (f"line {lines.line_num}: {found}; {cure}",))
            if any(cell.strip() for cell in cells):
                said = zip(columns, map(fit_text, cells), strict=False)
                yield lines.line_num, dict.fromkeys(COLUMNS, "") | dict(said)
    except csv.Error as error:
        raise ConfigError(path, (f"line {lines.line_num}: {error}; mend its double quotes",)) from None


def _content(path: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(path, (f"line {line}: not UTF-8; save the file as 'CSV UTF-8'",)) from None
    except OSError as error:
        reason = (error.strerror or "no such file").lower()
        raise ConfigError(path, (f"can't be read ({reason}); name another list of people",)) from None


def _columns(path: str, header: list[str]) -> list[str]:
    if missing := [column for column in REQUIRED if column not in header]:
        cure = f"write {','.join(COLUMNS)} there (the last two as you like), with commas between them"
        raise ConfigError(path, (f"line 1: no column {missing[0]!r}; {cure}",))
    for column in header:
        if column not in COLUMNS:
            from difflib import get_close_matches  # noqa: PLC0415 - for mistakes alone

            close = get_close_matches(column, COLUMNS, n=1)
            cure = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(COLUMNS)}"
            raise ConfigError(path, (f"line 1: no column is called {column!r}; {cure}",))
        if header.count(column) > 1:
            raise ConfigError(path, (f"line 1: {column!r} stands there twice; keep one",))
    return header
