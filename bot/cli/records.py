"""Reading the state: what waits for each destination, and which logins were given up."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from bot.cli import options, words
from bot.cli.show import count, out, say, say_json, table
from bot.cli.wiring import read_state
from bot.clock import SystemClock
from bot.events import Login
from bot.outbox.base import DeadLetter, DestinationStatus

STATUS = "Example: `python -m bot status --state .local/state.sqlite`"
DEAD_LETTERS = "Example: `python -m bot dead-letters list --json`"


def status(*, state: options.State = options.STATE, as_json: options.Json = False) -> None:
    """Show what waits, what was said and what was given up, for each destination.

    `doubts` counts the posts of which nobody knows whether they arrived; they were said again.
    """
    rows = read_state(state).status()
    if as_json:
        say_json([asdict(row) for row in rows])
        return
    if not rows:
        say(f"nothing was kept in {state} yet")
        return
    now = SystemClock().now()
    heads = ("destination", ">waiting", "oldest", "not before", ">said", ">given up", ">doubts", "last verdict")
    out().print(table(*heads, rows=[_row(row, now) for row in rows]))


def list_dead_letters(*, state: options.State = options.STATE, as_json: options.Json = False) -> None:
    """List the logins that were given up: who, for which destination, why, when first and last tried."""
    letters = list(read_state(state).dead_letters())
    if as_json:
        say_json([asdict(letter) for letter in letters])
        return
    if not letters:
        say("no login was given up")
        return
    out().print(letters_table(letters))
    say(count(len(letters), "login"), " given up")


def letters_table(letters: Iterable[DeadLetter]) -> Table:
    heads = ("given up", "destination", "login", "reason", ">tries", "first try", "last try", "event")
    return table(*heads, rows=[_letter(letter) for letter in letters])


def _row(row: DestinationStatus, now: float) -> tuple[str | Text, ...]:
    verdict = ": ".join(filter(None, (row.last_verdict, row.last_reason)))
    paced = row.not_before is not None and row.not_before > now
    return (
        row.destination + (" (held)" if row.held else ""),
        Text(f"{row.waiting:,}", style="bold yellow" if row.waiting else "dim"),
        f"{span(now - row.oldest)} ago" if row.oldest is not None else "",
        f"in {span((row.not_before or 0) - now)}" if paced else "",
        f"{row.said:,}",
        Text(f"{row.given_up:,}", style="bold red" if row.given_up else "dim"),
        Text(f"{row.doubts:,}", style="bold yellow" if row.doubts else "dim"),
        verdict,
    )


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
