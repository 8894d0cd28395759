"""Running logins for real: through the same pipeline as the function's, on SQLite, until nothing waits or Ctrl-C."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Annotated, Self

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bot.cli import options
from bot.cli.reading import Found, Inbox, read_all
from bot.cli.show import Mistake, err, note
from bot.cli.tally import ALREADY_KNOWN, ALREADY_SAID, Tally
from bot.cli.wiring import Bot, Place, wire
from bot.config import load
from bot.delivery import Told
from bot.senders.base import Outcome

RUN = "Example: `python -m bot run samples/events/*.json --users samples/users.csv`"

TAKE_SECONDS = 30.0
TELL_SECONDS = 15.0
"""How long naming and keeping a batch, and one round of telling, may take: as for a call of the function."""

PROGRESS_FROM = 20
"""A shorter input is told before a bar could say anything."""

IDLE_SECONDS = 0.5
STUCK_ROUNDS = 6


def run(
    events: Annotated[
        list[str] | None, typer.Argument(metavar="EVENT.json", help="Files, - for JSON lines; none to tell what waits.")
    ] = None,
    *,
    routes: options.Routes = options.ROUTES,
    state: options.State = options.STATE,
    table: options.Table = "",
    users: options.Users = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, the summary last; drawn cards go to standard error.")
    ] = False,
) -> None:
    """Take logins in and tell them for real, wait for what is due, and say what became of each.

    A file holds an event, a list of events or one event a line; - is standard input, one event a line. What is no
    login is refused alone, with its place and reason. People come from --users, else from AWS. Run it again with the
    same files and nothing is said twice. Many logins become digests, each destination at its own pace. Ctrl-C stops
    after the cards in hand; what waits stays in the state and goes on with the next run, which needs no events for
    that. With --table it is one more copy of the deployed bot. LOG_LEVEL=INFO adds the function's own log lines.

    Exit code 1 when anything was refused or given up.
    """
    tally = Tally(as_json=as_json)
    with stopping() as stop, redirect_stdout(sys.stderr if as_json else sys.stdout):  # where cards are drawn
        speaker = Speaker(tally=tally, bar=Bar(hidden=as_json), stop=stop)
        place = Place(state, table)
        bot = wire(load(routes), place=place, users=users, on_told=speaker.tell)
        tally.already = already(bot)
        _run(bot, Inbox(read_all(events or ())), speaker, place)
    if speaker.unwritten is not None:
        raise speaker.unwritten
    if stop.is_set():
        raise typer.Exit(130)
    if tally.refused or tally.told[Outcome.DEAD]:
        raise typer.Exit(1)


@dataclass(kw_only=True)
class Speaker:
    """Says what was told, and ends the run between two cards: on Ctrl-C, and where nothing can be said any more.

    `unwritten` is why not: whoever read it is gone, or its disk is full.
    """

    tally: Tally
    bar: "Bar"
    stop: Event
    unwritten: OSError | None = None

    def tell(self, told: Told) -> None:
        self._say(lambda: self.tally.tell(told))
        self.bar.show(self.tally.ended)
        if self.stop.is_set():
            raise KeyboardInterrupt  # nothing is left begun

    def sum_up(self, waiting: int) -> None:
        if waiting and self.tally.known:
            self.tally.already = ALREADY_KNOWN
        self._say(lambda: self.tally.say_summary(waiting))

    def _say(self, say: Callable[[], None]) -> None:
        try:
            say()
        except OSError as error:
            self.unwritten = error
            self.stop.set()


def _run(bot: Bot, inbox: Inbox, speaker: Speaker, place: Place) -> None:
    try:
        with speaker.bar:
            _work(bot, inbox, speaker)
    except KeyboardInterrupt:
        speaker.stop.set()
    finally:
        _sum_up(bot, speaker, place)


def _work(bot: Bot, inbox: Inbox, speaker: Speaker) -> None:
    """Take in what is here, tell what is due, wait for what comes; until all is read and nothing waits, or `stop`."""
    patience, tally = Patience(bot, speaker.stop), speaker.tally
    while not speaker.stop.is_set():
        _take(bot, inbox.batch(0 if inbox.ended else IDLE_SECONDS), tally)
        speaker.bar.expect(tally.ended + sum(row.waiting for row in bot.outbox.status() if not row.held))
        told = bot.pipeline.tell(until=bot.clock.now() + TELL_SECONDS)
        if inbox.ended and not patience.wait(told):
            return


def already(bot: Bot) -> str:
    """What is known of logins that came before: said, unless there are some that wait or were given up."""
    left = any(row.waiting or row.given_up for row in bot.outbox.status())
    return ALREADY_KNOWN if left else ALREADY_SAID


def _take(bot: Bot, batch: list[Found], tally: Tally) -> None:
    if not batch:
        return
    intake = bot.pipeline.take_in([found.raw for found in batch], until=bot.clock.now() + TAKE_SECONDS)
    if intake.unkept:
        raise Mistake(f"nothing could be kept from {batch[0].place} on: {intake.unkept}")
    tally.take(batch, intake)


def _sum_up(bot: Bot, speaker: Speaker, place: Place) -> None:
    rows = [row for row in bot.outbox.status() if row.waiting]
    speaker.sum_up(sum(row.waiting for row in rows))
    if any(not row.held for row in rows):
        note(f"what waits is kept in {place}; the next run goes on with it")
    for row in rows:
        if row.held:
            cure = f"python -m bot release {row.destination}{place.option}"
            note(f"{row.destination} is held; what waits for it goes on after: {cure}")


@dataclass
class Patience:
    """Waits for what is due later, and says so once for each time that it waits for."""

    bot: Bot
    stop: Event
    announced: float = 0.0
    idle: int = 0

    def wait(self, told: list[Told]) -> bool:
        """False when nothing waits any more."""
        due = self.bot.outbox.next_due()
        if due is None:
            return False
        left = due - self.bot.clock.now()
        if left > 0:
            self._announce(due, left)
            self.stop.wait(left)
        elif not told:
            self._complain()
            self.stop.wait(IDLE_SECONDS)
        return True

    def _announce(self, due: float, left: float) -> None:
        if left > 1 and due != self.announced:
            self.announced = due
            names = ", ".join(row.destination for row in self.bot.outbox.status() if row.waiting and not row.held)
            at = datetime.fromtimestamp(due, UTC).strftime("%H:%M:%SZ")
            note(f"waiting for {names} until {at}; Ctrl-C leaves what waits for the next run")

    def _complain(self) -> None:
        self.idle += 1
        if self.idle == STUCK_ROUNDS:
            note("logins are due and none can be told; LOG_LEVEL=INFO says why, Ctrl-C stops")


def see_through(bot: Bot, stop: Event, *, longest: float) -> None:
    """Wait for what is due within `longest` seconds, and tell it; until nothing is, or `stop`."""
    patience = Patience(bot, stop)
    told: list[Told] = []
    while not stop.is_set() and (bot.outbox.next_due() or 0.0) <= bot.clock.now() + longest and patience.wait(told):
        told = bot.pipeline.tell(until=bot.clock.now() + TELL_SECONDS)


@contextmanager
def stopping() -> Iterator[Event]:
    """An Event that the first Ctrl-C sets; the second one ends at once."""
    stop = Event()

    def stop_soon(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()

    before = signal.signal(signal.SIGINT, stop_soon)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class Bar:
    """What was told and what waits, on standard error where that is a terminal; standard output scrolls above it."""

    def __init__(self, *, hidden: bool) -> None:
        console = err()
        counts = TextColumn("{task.completed:,.0f} told, {task.remaining:,.0f} waiting")
        self._progress = Progress(
            *(SpinnerColumn(), BarColumn(), counts, TimeElapsedColumn()),
            console=console,
            transient=True,
            disable=hidden or not console.is_terminal,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._progress.add_task("", total=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def expect(self, logins: int) -> None:
        """How many there are in all, as far as known by now."""
        if logins > PROGRESS_FROM:
            self._progress.start()
        self._progress.update(self._task, total=logins)

    def show(self, ended: int) -> None:
        self._progress.update(self._task, completed=ended)
