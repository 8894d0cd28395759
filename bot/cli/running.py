"""Running logins for real: through the same pipeline as the function's, on SQLite, until nothing waits or Ctrl-C."""

import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from bot.cli import options, words
from bot.cli.reading import Found, Inbox, read_all
from bot.cli.show import Mistake, count, err, note, say, say_json
from bot.cli.wiring import Bot, wire
from bot.config import load
from bot.delivery import Told
from bot.pipeline import Intake
from bot.senders.base import Outcome

RUN = "Example: `python -m bot run samples/events/*.json --users samples/users.csv`"

TAKE_SECONDS = 30.0
TELL_SECONDS = 15.0
"""How long naming and keeping a batch, and one round of telling, may take: as for a call of the function."""

PROGRESS_FROM = 20
"""A shorter input is told before a bar could say anything."""

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
                self.who[taken.login.event_id] = f"{words.who(taken.login)} · {words.directory(taken.login)}"
        self.new += intake.new
        self.known += intake.rows - intake.new

    def tell(self, told: Told) -> None:
        with self._lock:
            self.told[told.verdict.outcome] += len(told.event_ids)
            if self.as_json:
                say_json(_as_json(told), indent=None)
            else:
                say_told(told, self.who)

    def say_summary(self, waiting: int) -> None:
        if self.as_json:
            say_json({"summary": self._figures(waiting)}, indent=None)
            return
        figures = ", ".join(f"{number:,} {name}" for name, number in self._figures(waiting).items() if name != "logins")
        say(Text(count(self.logins, "login"), style="bold"), f": {figures}")
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

    def _refuse(self, place: str, reason: str) -> None:
        self.refused[reason] += 1
        if self.as_json:
            say_json({"refused": place, "reason": reason}, indent=None)
        else:
            say(Text("refused   ", style="bold red"), f"{place}  {reason}")


def say_told(told: Told, who: Mapping[str, str] | None = None) -> None:
    """One line for one card: what became of it, where, for whom, and why."""
    text, style = _WORDS[told.verdict.outcome]
    names = ", ".join((who or {}).get(event_id, event_id) for event_id in told.event_ids)
    reason = f"  {told.verdict.reason}" if told.verdict.reason else ""
    unsettled = "" if told.settled else "  (the verdict could not be written: it will be said again)"
    line = f"{told.destination}  {names}{reason}{unsettled}  "
    say(Text(f"{text:<10}", style=style), line, Text(f"{told.milliseconds:,.0f} ms", style="dim"))


def run(
    events: Annotated[list[str], typer.Argument(metavar="EVENT.json", help="Files, or - for JSON lines.")],
    *,
    routes: options.Routes = options.ROUTES,
    state: options.State = options.STATE,
    users: options.Users = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, the summary last.")] = False,
) -> None:
    """Take logins in and tell them for real, wait for what is due, and say what became of each.

    A file holds an event, a list of events or one event a line; - is standard input, one event a line. What is no
    login is refused alone, with its place and reason. People come from --users, else from AWS. Run it again with the
    same files and nothing is said twice. Ctrl-C stops after the cards in hand; what waits stays in the state file and
    goes on with the next run. LOG_LEVEL=INFO adds the function's own log lines.

    Exit code 1 when anything was refused or given up.
    """
    config = load(routes)
    tally = Tally(as_json=as_json)
    with stopping() as stop:

        def on_told(told: Told) -> None:
            tally.tell(told)
            if stop.is_set():
                raise KeyboardInterrupt  # between two cards: nothing is left begun

        bot = wire(config, state=state, users=users, on_told=on_told)
        tally.already = already(bot)
        try:
            _work(bot, Inbox(read_all(events)), tally, stop)
        except KeyboardInterrupt:
            stop.set()
        finally:
            _sum_up(bot, tally, state)
    if stop.is_set():
        raise typer.Exit(130)
    if tally.refused or tally.told[Outcome.DEAD]:
        raise typer.Exit(1)


def _work(bot: Bot, inbox: Inbox, tally: Tally, stop: Event) -> None:
    """Take in what is here, tell what is due, wait for what comes; until all is read and nothing waits, or `stop`."""
    patience = Patience(bot, stop)
    with _progress() as progress:
        bar = progress.add_task("", total=None)
        while not stop.is_set():
            _take(bot, inbox.batch(0 if inbox.ended else IDLE_SECONDS), tally)
            told = bot.pipeline.tell(until=bot.clock.now() + TELL_SECONDS)
            if tally.logins > PROGRESS_FROM:
                progress.start()
                progress.update(bar, total=tally.new if inbox.ended else None, completed=tally.told[Outcome.SENT])
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


def _sum_up(bot: Bot, tally: Tally, state: str) -> None:
    waiting = sum(row.waiting for row in bot.outbox.status())
    tally.say_summary(waiting)
    if waiting:
        note(f"what waits is kept in {state}; the next run goes on with it")


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
            names = ", ".join(row.destination for row in self.bot.outbox.status() if row.waiting)
            at = datetime.fromtimestamp(due, UTC).strftime("%H:%M:%SZ")
            note(f"waiting for {names} until {at}; Ctrl-C leaves what waits for the next run")

    def _complain(self) -> None:
        self.idle += 1
        if self.idle == STUCK_ROUNDS:
            note("logins are due and none can be told; LOG_LEVEL=INFO says why, Ctrl-C stops")


def see_through(bot: Bot, stop: Event) -> None:
    """Wait for all that is due later, and tell it; until nothing waits, or `stop`."""
    patience = Patience(bot, stop)
    told: list[Told] = []
    while not stop.is_set() and patience.wait(told):
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


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on standard error, where that is a terminal; what goes to standard output scrolls above it."""
    console = err()
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.completed:,.0f} told"), TimeElapsedColumn())
    progress = Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),
    )
    try:
        yield progress
    finally:
        progress.stop()


def _as_json(told: Told) -> dict[str, Any]:
    return {
        "destination": told.destination,
        "event_ids": told.event_ids,
        "outcome": told.verdict.outcome.value,
        "reason": told.verdict.reason,
        "milliseconds": told.milliseconds,
        "settled": told.settled,
    }
