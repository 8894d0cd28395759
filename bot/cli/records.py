"""Reading the state: what waits for each destination, and which logins were given up."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from bot.cli import options, words
from bot.cli.show import count, iso, note, say, say_json, say_rows
from bot.cli.wiring import Place
from bot.clock import SystemClock
from bot.events import Login
from bot.outbox.base import DeadLetter, DestinationStatus

STATUS = "Example: `python -m bot status --state .local/state.sqlite`"
DEAD_LETTERS = "Example: `python -m bot dead-letters list --json`"


def status(*, state: options.State = options.STATE, table: options.Table = "", as_json: options.Json = False) -> None:
    """Show what waits, what was said and what was given up, for each destination.

    `doubts` counts the posts of which nobody knows whether they arrived; they were said again.
    """
    now, place = SystemClock().now(), Place(state, table)
    if as_json:
        say_json([_row_json(row, now) for row in place.read().status()] if _is_there(place) else [])
        return
    rows = place.read().status()
    if not rows:
        say(f"nothing was kept in {place} yet")
        return
    heads = ("destination", ">waiting", "oldest", "not before", ">said", ">given up", ">doubts", "last verdict")
    say_rows(*heads, rows=[_row(row, now) for row in rows])


def list_dead_letters(
    *, state: options.State = options.STATE, table: options.Table = "", as_json: options.Json = False
) -> None:
    """List the logins that were given up: who, for which destination, why, when first and last tried."""
    place = Place(state, table)
    if as_json:
        say_json([_letter_json(letter) for letter in place.read().dead_letters()] if _is_there(place) else [])
        return
    letters = list(place.read().dead_letters())
    if not letters:
        say("no login was given up")
        return
    say_letters(letters)
    say(count(len(letters), "login"), " given up")


def say_letters(letters: Iterable[DeadLetter]) -> None:
    heads = ("given up", "destination", "login", "reason", ">tries", "first try", "last try", "event")
    say_rows(*heads, rows=[_letter(letter) for letter in letters])


def _is_there(place: Place) -> bool:
    """Scripts get an empty list on a machine where nothing ran yet; the path is said, for it may be misspelt."""
    if place.is_there:
        return True
    note(f"note: there is no state at {place}: nothing was kept there yet")
    return False


def _row(row: DestinationStatus, now: float) -> tuple[str | Text, ...]:
    verdict = ": ".join(filter(None, (row.last_verdict, row.last_reason)))
    until = _not_before(row, now)
    return (
        row.destination + (" (held)" if row.held else ""),
        Text(f"{row.waiting:,}", style="bold yellow" if row.waiting else "dim"),
        f"{span(now - row.oldest)} ago" if row.oldest is not None else "",
        f"in {span(until - now)}" if until is not None else "",
        f"{row.said:,}",
        Text(f"{row.given_up:,}", style="bold red" if row.given_up else "dim"),
        Text(f"{row.doubts:,}", style="bold yellow" if row.doubts else "dim"),
        verdict,
    )


def _row_json(row: DestinationStatus, now: float) -> dict[str, Any]:
    return asdict(row) | {"oldest": iso(row.oldest), "not_before": iso(_not_before(row, now))}


def _not_before(row: DestinationStatus, now: float) -> float | None:
    """Until when the destination is to be left alone, None where that is over."""
    return row.not_before if row.not_before is not None and row.not_before > now else None


def _letter_json(letter: DeadLetter) -> dict[str, Any]:
    times = ("kept_at", "first_try", "last_try", "given_up_at")
    return asdict(letter) | {"login": _kept(letter)} | {name: iso(getattr(letter, name)) for name in times}


def _kept(letter: DeadLetter) -> Any:
    """The login as it was kept; as text where that is no JSON, which may be why it was given up."""
    try:
        return json.loads(letter.login)
    except ValueError:
        return letter.login


def _letter(letter: DeadLetter) -> tuple[str, ...]:
    return (
        _time(letter.given_up_at),
        letter.destination,
        _login(letter),
        letter.reason,
        f"{letter.tries:,}",
        _time(letter.first_try),
        _time(letter.last_try),
        letter.event_id,
    )


def _login(letter: DeadLetter) -> str:
    try:
        login = Login.from_json(letter.login)
    except (ValueError, TypeError, KeyError, AttributeError):
        return "can't be read"  # which may be why it was given up
    return f"{words.who(login)} · {words.directory(login)}"


def _time(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds is not None else "never"


def span(seconds: float) -> str:
    """A duration in the largest unit of which there are two or more: `90 s`, `5 min`, `36 h`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
