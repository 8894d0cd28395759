"""The main job in one minute: sample logins go through the whole pipeline, and the cards appear in this terminal."""

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from bot.cli import words
from bot.cli.inbox import command
from bot.cli.inbox.local import shelf_beside
from bot.cli.inbox.record import Record, both
from bot.cli.inbox.shelf import Shelf
from bot.cli.reading import read_one
from bot.cli.running import already, see_through, stopping
from bot.cli.show import Mistake, count, harmless, say
from bot.cli.tally import say_told
from bot.cli.wiring import Bot, Place, wire
from bot.clock import SystemClock
from bot.config import Config, Destination, Digest, load
from bot.config.destinations import destination
from bot.config.keys import DestinationKeys
from bot.config.mistakes import Mistakes
from bot.delivery import Told
from bot.events import Login
from bot.outbox.sqlite import SqliteOutbox
from bot.pace import Pace
from bot.routing import Decision, Routing
from bot.senders.base import Outcome

DEMO = "Example: `SLACK_WEBHOOK_URL=https://hooks.slack.com/services/… python -m bot demo`"

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ROOT / "samples"
USERS = SAMPLES / "users.csv"
ROUTES = ROOT / "routes.example.yml"
STATE = ".local/demo.sqlite"

REAL = {
    "SLACK_WEBHOOK_URL": {"type": "slack", "webhook_url": "env:SLACK_WEBHOOK_URL"},
    "TEAMS_WEBHOOK_URL": {"type": "teams", "webhook_url": "env:TEAMS_WEBHOOK_URL"},
    "SNS_TOPIC_ARN": {"type": "sns"},
}
"""Environment variables that make the demo post for real, and the destination that each stands for."""

EACH_ALONE = Digest(over=1000)
"""A demo shows a card for each login, also where they had to wait for each other."""

TAKE_SECONDS = 30.0
TELL_SECONDS = 15.0

PATIENCE = 20.0
PATIENCE_WITH_LEFTOVERS = 40.0
"""Seconds that a demo waits for a channel's next try, which comes after 1, 2, 4, 8, 16, 32 … of them. What one demo
left at the sixth, the next one waits for."""

Known = tuple[str, str]
"""A destination and the id of an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheard(Routing):
    """The file's own routing; `also` hear of every login that is not silent."""

    also: tuple[str, ...] = ()

    def decide(self, login: Login) -> Decision:
        decision = Routing.decide(self, login)
        if not decision.why:
            return decision
        return Decision({**decision.why, **dict.fromkeys(self.also, "the environment")}, decision.steps)


def demo(
    *,
    routes: Annotated[
        str, typer.Option("--routes", metavar="FILE", help="The routing file.", show_default=ROUTES.name)
    ] = str(ROUTES),
    state: Annotated[str, typer.Option("--state", metavar="FILE", help="Remembers what was said.")] = STATE,
    serve: Annotated[
        bool | None,
        typer.Option("--serve/--no-serve", help="Serve the inbox afterwards.", show_default="in a terminal"),
    ] = None,
    port: command.Port = command.PORT,
) -> None:
    """Show the sample logins as the cards that Slack, Teams and mail would get. Needs no account.

    In a terminal the inbox is served afterwards, until Ctrl-C: the same cards in the browser, and logins of your own.

    Nothing is posted anywhere, unless SLACK_WEBHOOK_URL, TEAMS_WEBHOOK_URL or SNS_TOPIC_ARN is set: then the sample
    logins are posted there, too, for real and marked as samples. TRUSTED_HOSTS (separated by commas, such as
    127.0.0.1:9999) lets those URLs lead to other hosts than Slack's and Microsoft's own.
    """
    real = _real_destinations()
    config = _staged(load(routes), real)
    told: list[Told] = []
    clock = SystemClock()
    record = Record(Shelf(shelf_beside(state)), config, SqliteOutbox(state, clock), clock)
    bot = wire(config, place=Place(state), users=str(USERS), on_told=both(told.append, record.tell))
    _say_what_this_is(routes, real)
    before = already(bot)
    longest = PATIENCE if _waiting(bot) == 0 else PATIENCE_WITH_LEFTOVERS
    again = _try_again(bot, config)
    known = sum(_show(bot, raw, before, again, record) for raw in samples())
    with stopping() as stop:
        see_through(bot, stop, longest=longest)
    _sum_up(told, f"{known:,} {before}", real=real)
    failed = _say_what_is_next(bot, told, known, state)
    serve = command.in_a_terminal() if serve is None else serve
    if not serve:
        say(f"In the browser, with logins of your own: {_python()} -m bot demo --serve")
    say(f"Who hears of what: {_from_here(Path(routes))}. Everything else: {_python()} -m bot --help")
    if stop.is_set():
        raise typer.Exit(130)
    if serve:
        command.start(routes=routes, users=str(USERS), state=state, port=port)
    if failed:
        raise typer.Exit(1)


def _waiting(bot: Bot) -> int:
    return sum(row.waiting for row in bot.outbox.status())


def _try_again(bot: Bot, config: Config) -> set[Known]:
    """Let wait again what an earlier demo gave up: whoever runs it once more has mended the channel meanwhile."""
    letters = [letter for letter in bot.outbox.dead_letters() if letter.destination in config.destinations]
    for letter in letters:
        bot.outbox.replay([letter], to=None, group=config.destinations[letter.destination].pace.group)
    if letters:
        say(f"{count(len(letters), 'card')} that an earlier demo gave up: tried again.")
    return {(letter.destination, letter.event_id) for letter in letters}


def _say_what_is_next(bot: Bot, told: Sequence[Told], known: int, state: str) -> bool:
    """What to do now; whether anything was not said."""
    waiting = _waiting(bot)
    given_up = any(each.verdict.outcome is Outcome.DEAD for each in told)
    if waiting:
        say(f"{count(waiting, 'card')} not taken yet: the next run tries again.")
    if given_up:
        say("What was given up is tried again by the next run.")
    if not waiting and not given_up:
        over = f"Nothing is said twice. To start over: rm {state}*"
        say(over if known else "Run it once more: nothing is said twice.")
    return given_up or waiting > 0


def _python() -> str:
    """The interpreter as it is called from here."""
    return _from_here(Path(sys.executable))


def _from_here(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _say_what_this_is(routes: str, real: Collection[str]) -> None:
    name = Path(routes).name
    say(Text("What Slack, Teams and mailboxes get", style="bold"), f" when {name} routes the sample logins.")
    if real:
        say(f"Posted for real to {', '.join(real)}, too.")
    else:
        say("Nothing is posted anywhere: every card is drawn here.")


def samples() -> list[Any]:
    return [read_one(str(path)) for path in sorted((SAMPLES / "events").glob("*.json"))]


def as_if_now(raw: Any, now: float) -> Any:
    """The event moved in time, so that AWS sent it a second before `now`."""
    later = datetime.fromtimestamp(now - 1, UTC) - datetime.fromisoformat(raw["time"])

    def moved(text: str) -> str:
        return (datetime.fromisoformat(text) + later).isoformat(timespec="milliseconds")

    detail = raw["detail"] | {"loginTime": moved(raw["detail"]["loginTime"])}
    return raw | {"time": moved(raw["time"]), "detail": detail}


def _staged(config: Config, real: Mapping[str, Destination]) -> Config:
    """The file's destinations drawn in this terminal, each in its own form and language; the real ones beside them."""
    drawn = {name: _in_the_terminal(destination) for name, destination in config.destinations.items()}
    routing = config.routing
    overheard = Overheard(
        directories=routing.directories, routes=routing.routes, default=routing.default, also=tuple(real)
    )
    trusted = (host.strip() for host in os.environ.get("TRUSTED_HOSTS", "").split(","))
    hosts = (*config.trusted_hosts, *filter(None, trusted))
    return replace(config, destinations={**drawn, **real}, routing=overheard, trusted_hosts=hosts)


def _in_the_terminal(destination: Destination) -> Destination:
    settings = {"title": destination.name}
    pace = Pace(messages=1000, per=1.0, gap=0.0, group=destination.name)
    return replace(destination, type="console", settings=settings, pace=pace, digest=EACH_ALONE)


def _real_destinations() -> dict[str, Destination]:
    """Those that the environment names. Raises Mistake."""
    found = {}
    for variable, keys in REAL.items():
        if value := os.environ.get(variable):
            mistakes = Mistakes()
            own = {"topic_arn": value} if variable == "SNS_TOPIC_ARN" else {}
            made = destination(f"env:{variable}", DestinationKeys.model_validate(keys | own), mistakes)
            if made is None or mistakes:  # a variable has no lines
                raise Mistake(f"{variable}: {'; '.join(each.removeprefix('line 1: ') for each in mistakes.in_order())}")
            found[made.name] = replace(made, digest=EACH_ALONE)
    return found


def _show(bot: Bot, raw: Any, before: str, again: Collection[Known], record: Record) -> int:
    """One login: who it is, who hears of it and why, then the cards. How many destinations knew of it `before`."""
    now = bot.clock.now()
    intake = bot.pipeline.take_in([as_if_now(raw, now)], until=now + TAKE_SECONDS)
    record.take(intake)
    taken = intake.taken[0]
    if taken.login is None or taken.decision is None or intake.unkept:
        raise Mistake(f"a sample login could not be taken in: {taken.refused or intake.unkept}")
    say()
    say(Text("● ", style="bold green" if intake.new else "dim"), harmless(words.brief(taken.login), "bold"))
    _say_who_hears(taken.decision)
    tried_again = sum((name, taken.login.event_id) in again for name in taken.decision.why)
    known = intake.rows - intake.new - tried_again
    if known:
        say(Text(f"  {before}" if known == intake.rows else f"  {known:,} of them {before}", style="dim"))
    bot.pipeline.tell(until=bot.clock.now() + TELL_SECONDS)
    return known


def _say_who_hears(decision: Decision) -> None:
    width = max(map(len, decision.why), default=0)
    for name, why in decision.why.items():
        say("  → ", harmless(f"{name:<{width}}", "green"), Text(f"  because of {why}", style="dim"))
    if not decision.why:
        say("  → ", Text("nobody", style="yellow"), Text(f"  because of {decision.steps[-1].label}", style="dim"))


def _sum_up(told: Sequence[Told], known: str, *, real: Collection[str]) -> None:
    sent = sum(each.verdict.outcome is Outcome.SENT for each in told)
    say()
    say(Text(f"{count(sent, 'card')}, {known}", style="bold"))
    for each in told:
        if each.destination in real or each.verdict.outcome is not Outcome.SENT:
            say_told(each)
