"""Running logins for real: through the same pipeline as the function's, on SQLite, until nothing waits or Ctrl-C."""

import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock
from typing import Annotated, Any, Self, TextIO

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from bot.cli import options, words
from bot.cli.reading import Found, Inbox, read_all
from bot.cli.show import Mistake, count, err, note, say, say_json
from bot.cli.wiring import Bot, Place, wire
from bot.config import load
from bot.delivery import Told
from bot.events import Login
from bot.pipeline import Intake
from bot.senders.base import Outcome

RUN = "Example: `python -m bot run samples/events/*.json --users samples/users.csv`"

TAKE_SECONDS = 30.0
TELL_SECONDS = 15.0
"""How long naming and keeping a batch, and one round of telling, may take: as for a call of the function."""

PROGRESS_FROM = 20
"""A shorter input is told before a bar could say anything."""

NAMED = 3
"""Logins of a digest that its line names."""

NAMES_KEPT = 10_000
"""Logins whose people a run remembers: more than wait at once, as a rule."""

IDLE_SECONDS = 0.5
STUCK_ROUNDS = 6

_WORDS = {
    Outcome.SENT: ("sent", "green"),
    Outcome.AGAIN: ("again", "yellow"),
    Outcome.UNSURE: ("unsure", "yellow"),
    Outcome.DEAD: ("given up", "bold red"),
}


@dataclass(kw_only=True)
class Tally:
    """What became of a run's logins, said as it happens. Cards are told side by side, hence the lock."""

    as_json: bool = False
    to: TextIO = field(default_factory=lambda: sys.stdout)
    already: str = "already said"
    logins: int = 0
    new: int = 0
    known: int = 0
    told: Counter[Outcome] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    who: dict[str, str] = field(default_factory=dict)
    _lock: Any = field(default_factory=Lock)

    def take(self, batch: list[Found], intake: Intake) -> None:
        for found, taken in zip(batch, intake.taken, strict=True):
            if taken.login is None:
                self._refuse(found.place, found.broken or taken.refused)
            else:
                self.logins += 1
                self._remember(taken.login)
        self.new += intake.new
        self.known += intake.rows - intake.new

    def tell(self, told: Told) -> None:
        with self._lock:
            self.told[told.verdict.outcome] += len(told.event_ids)
            if self.as_json:
                say_json(_as_json(told), indent=None, to=self.to)
            else:
                say_told(told, self.who)

    @property
    def ended(self) -> int:
        """Logins that wait no more, each counted for every destination."""
        return self.told[Outcome.SENT] + self.told[Outcome.DEAD]

    def say_summary(self, waiting: int) -> None:
        if self.as_json:
            figures = {name.replace(" ", "_"): number for name, number in self._figures(waiting).items()}
            say_json({"summary": figures}, indent=None, to=self.to)
            return
        told = ", ".join(f"{number:,} {name}" for name, number in self._figures(waiting).items() if name != "logins")
        say(Text(count(self.logins, "login"), style="bold"), f": {told}")
        for reason, times in self.refused.most_common():
            say(Text(f"{times:,} refused: ", style="bold red"), reason)

    def _figures(self, waiting: int) -> dict[str, int]:
        return {
            "logins": self.logins,
            "sent": self.told[Outcome.SENT],
            self.already: self.known,
            "waiting": waiting,
            "given up": self.told[Outcome.DEAD],
            "refused": self.refused.total(),
        }

    def _remember(self, login: Login) -> None:
        """Who an event is about, for the lines to come; in a run without an end the oldest are named by their ids."""
        self.who[login.event_id] = f"{words.who(login)} · {words.directory(login)}"
        if len(self.who) > NAMES_KEPT:
            del self.who[next(iter(self.who))]

    def _refuse(self, place: str, reason: str) -> None:
        self.refused[reason] += 1
        if self.as_json:
            say_json({"refused": place, "reason": reason}, indent=None, to=self.to)
        else:
            say(Text("refused   ", style="bold red"), f"{place}  {reason}")


def say_told(told: Told, who: Mapping[str, str] | None = None) -> None:
    """One line for one card: what became of it, where, for whom, and why."""
    text, style = _WORDS[told.verdict.outcome]
    names = _names(told.event_ids, who or {})
    reason = f"  {told.verdict.reason}" if told.verdict.reason else ""
    unsettled = "" if told.settled else "  (the verdict could not be written: it will be said again)"
    line = f"{told.destination}  {names}{reason}{unsettled}  "
    say(Text(f"{text:<10}", style=style), line, Text(f"{told.milliseconds:,.0f} ms", style="dim"))


def _names(event_ids: Sequence[str], who: Mapping[str, str]) -> str:
    """Everybody on a card; of a digest the first few."""
    some = event_ids if len(event_ids) <= NAMED else event_ids[:NAMED]
    # what a fallback hears of is called `<event>@<destination>`
    names = ", ".join(who.get(each) or who.get(each.rpartition("@")[0], each) for each in some)
    more = len(event_ids) - len(some)
    return f"{count(len(event_ids), 'login')}: {names} and {more:,} more" if more else names


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
    config = load(routes)
    tally = Tally(as_json=as_json)
    bar = Bar(hidden=as_json)
    with stopping() as stop, redirect_stdout(sys.stderr if as_json else sys.stdout):  # where cards are drawn

        def on_told(told: Told) -> None:
            tally.tell(told)
            bar.show(tally.ended)
            if stop.is_set():
                raise KeyboardInterrupt  # between two cards: nothing is left begun

        place = Place(state, table)
        bot = wire(config, place=place, users=users, on_told=on_told)
        tally.already = already(bot)
        try:
            with bar:
                _work(bot, Inbox(read_all(events or ())), tally, bar, stop)
        except KeyboardInterrupt:
            stop.set()
        finally:
            _sum_up(bot, tally, place)
    if stop.is_set():
        raise typer.Exit(130)
    if tally.refused or tally.told[Outcome.DEAD]:
        raise typer.Exit(1)


def _work(bot: Bot, inbox: Inbox, tally: Tally, bar: "Bar", stop: Event) -> None:
    """Take in what is here, tell what is due, wait for what comes; until all is read and nothing waits, or `stop`."""
    patience = Patience(bot, stop)
    while not stop.is_set():
        _take(bot, inbox.batch(0 if inbox.ended else IDLE_SECONDS), tally)
        bar.expect(tally.ended + sum(row.waiting for row in bot.outbox.status() if not row.held))
        told = bot.pipeline.tell(until=bot.clock.now() + TELL_SECONDS)
        if inbox.ended and not patience.wait(told):
            return


def already(bot: Bot) -> str:
    """What is known of logins that came before: said, unless an earlier run left some waiting or gave some up."""
    left = any(row.waiting or row.given_up for row in bot.outbox.status())
    return "already known" if left else "already said"


def _take(bot: Bot, batch: list[Found], tally: Tally) -> None:
    if not batch:
        return
    intake = bot.pipeline.take_in([found.raw for found in batch], until=bot.clock.now() + TAKE_SECONDS)
    if intake.unkept:
        raise Mistake(f"nothing could be kept from {batch[0].place} on: {intake.unkept}")
    tally.take(batch, intake)


def _sum_up(bot: Bot, tally: Tally, place: Place) -> None:
    rows = [row for row in bot.outbox.status() if row.waiting]
    tally.say_summary(sum(row.waiting for row in rows))
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


def _as_json(told: Told) -> dict[str, Any]:
    return {
        "destination": told.destination,
        "event_ids": told.event_ids,
        "outcome": told.verdict.outcome.value,
        "reason": told.verdict.reason,
        "milliseconds": told.milliseconds,
        "settled": told.settled,
    }
