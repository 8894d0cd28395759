"""What an operator turns: a destination on hold and released again, and given-up logins sent again."""

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated

import typer

from bot.cli import options, records
from bot.cli.show import Mistake, count, note, say
from bot.cli.wiring import Place, close_to, known_destination
from bot.clock import SystemClock
from bot.config import Config, load
from bot.outbox.base import DeadLetter, DestinationStatus, OutboxReader

HOLD = "Example: `python -m bot hold it-teams`"
RELEASE = "Example: `python -m bot release it-teams`"
REPLAY = "Example: `python -m bot dead-letters replay --dest it-teams --to ops-slack --dry-run`"

Dest = Annotated[str, typer.Argument(metavar="DEST", help="The destination.")]
NEXT = "the next `run`, or the function's clock, tells them"


def hold(
    dest: Dest,
    *,
    routes: options.Routes = options.ROUTES,
    state: options.State = options.STATE,
    table: options.Table = "",
) -> None:
    """Tell a destination nothing more: what arrives for it waits until `release`.

    Every copy of the bot on this state stops there; a card that is being sent ends first. Other destinations go on.
    """
    config = load(routes)
    place = Place(state, table)
    new = not place.is_there
    outbox = place.open()
    before = _found(config, outbox, dest)
    outbox.hold(dest, before.group)
    waiting = f"; {count(before.waiting, 'login')} {_wait(before.waiting)} there" if before.waiting else ""
    held = "was held already" if before.held else "is held"
    say(f"{dest} {held}{waiting}. To go on: python -m bot release {dest}{place.option}")
    if new:
        note(f"note: there was no state at {state}; it was made")


def release(
    dest: Dest,
    *,
    routes: options.Routes = options.ROUTES,
    state: options.State = options.STATE,
    table: options.Table = "",
) -> None:
    """Go on telling a destination that was held: the next `run`, or the function's clock, tells what waits there."""
    config = load(routes)
    outbox = Place(state, table).read()
    before = _found(config, outbox, dest)
    outbox.release(dest, before.group)
    waiting = f"; {count(before.waiting, 'login')} {_wait(before.waiting)}, and {NEXT}" if before.waiting else ""
    say(f"{dest} {'is released' if before.held else 'was not held'}{waiting}")
    _warn_of_patience(config, before)


def replay(
    *,
    to: Annotated[str, typer.Option("--to", metavar="DEST", help="Tell them here, not where they failed.")] = "",
    dest: Annotated[str, typer.Option("--dest", metavar="DEST", help="Only those that failed there.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would wait again, and change nothing.")] = False,
    routes: options.Routes = options.ROUTES,
    state: options.State = options.STATE,
    table: options.Table = "",
) -> None:
    """Let the logins that were given up wait again, and only those: what was said is not said again.

    Nothing is sent by this command: the next `run`, or the function's clock, tells them. With --to, a login that was
    already said there is dropped from the dead letters and not told twice.
    """
    config = load(routes)
    if to:
        known_destination(config, to)
    outbox = Place(state, table).read()
    letters = _letters(config, outbox, dest)
    able = [letter for letter in letters if (to or letter.destination) in config.destinations]
    if dry_run and able:
        records.say_letters(able)
    waiting = 0
    for source, some in groupby(sorted(able, key=lambda letter: letter.destination), lambda each: each.destination):
        failed = list(some)
        if dry_run:
            say(f"{count(len(failed), 'login')} of {source} would wait for {to or source} again")
        else:
            group = config.destinations[to or source].pace.group
            waiting += _wait_again(outbox.replay(failed, to=to or None, group=group), failed, source, to or source)
    if waiting:
        note(NEXT)
    _say_what_is_left(config, letters, able)


def _found(config: Config, outbox: OutboxReader, name: str) -> DestinationStatus:
    """A destination of the routing file, or one that left it and is still in the state. Raises Mistake."""
    rows = {row.destination: row for row in outbox.status()}
    if name in rows and name not in config.destinations:
        return rows[name]
    group = known_destination(config, name).pace.group
    nothing = DestinationStatus(
        destination=name, group=group, waiting=0, oldest=None, not_before=None, said=0, given_up=0, doubts=0
    )
    return rows.get(name, nothing)


def _letters(config: Config, outbox: OutboxReader, dest: str) -> list[DeadLetter]:
    letters = list(outbox.dead_letters())
    names = {letter.destination for letter in letters}
    if dest and dest not in names | set(config.destinations):
        raise Mistake(f"no destination {dest!r} has dead letters; {close_to(dest, sorted(names), 'nobody has any')}")
    found = [letter for letter in letters if dest in ("", letter.destination)]
    if not found:
        say("no login was given up" + (f" for {dest}" if dest else ""))
    return found


def _wait_again(waiting: int, failed: Sequence[DeadLetter], source: str, target: str) -> int:
    say(f"{count(waiting, 'login')} of {source} {_wait(waiting)} for {target} again")
    if known := len(failed) - waiting:
        say(f"{count(known, 'login')} of {source} already said there, or waiting")
    return waiting


def _say_what_is_left(config: Config, letters: Sequence[DeadLetter], able: Sequence[DeadLetter]) -> None:
    left = len(letters) - len(able)
    if left:
        names = ", ".join(sorted({letter.destination for letter in letters} - set(config.destinations)))
        note(
            f"{count(left, 'login')} {'stays' if left == 1 else 'stay'} given up: {names} {_is(names)} no longer in"
            f" {config.source}; name another destination with --to"
        )


def _warn_of_patience(config: Config, before: DestinationStatus) -> None:
    """A hold does not stop the clock of `give_up_after`: better known now than found among the dead letters."""
    found = config.destinations.get(before.destination)
    if found is None or before.oldest is None:
        return
    if SystemClock().now() - before.oldest >= found.give_up_after:
        note(
            f"note: some have waited longer than its give_up_after of {records.span(found.give_up_after)} and are given"
            f" up, not told; `dead-letters replay --dest {before.destination}` sends those"
        )


def _wait(number: int) -> str:
    return "waits" if number == 1 else "wait"


def _is(names: str) -> str:
    return "are" if "," in names else "is"
