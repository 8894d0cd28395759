"""Looking at cards: drawn in this terminal, or sent once, marked as a sample, to the real channel."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.text import Text

from bot.cli import options
from bot.cli.bus import put_sample
from bot.cli.page import THEMES, Card, page
from bot.cli.show import Mistake, note, say, say_json
from bot.cli.trouble import region
from bot.cli.wiring import known_destination, one_login, tools
from bot.config import Config, Destination, load
from bot.events import Login
from bot.samples import sample
from bot.senders import sender_class
from bot.senders.base import SEND_SECONDS, Outcome, Verdict
from bot.senders.console import draw, is_colourful, terminal_width
from bot.senders.seen import read
from formatters import formatter_class
from formatters.base import Payload, Weight

PREVIEW = "Example: `python -m bot preview --event E.json --user bob --to it-teams --html card.html`"
PLACES = {"in a window": 480, "on a phone": 320}
"""Where a card is read, and how wide it is there, in CSS pixels."""

SEND_TEST = "Example: `python -m bot send-test eng-slack`, or of a stage `send-test --deployed --stage dev`"


def preview(
    *,
    event: options.Event,
    to: Annotated[str, typer.Option("--to", metavar="DEST", help="The destination whose card to draw.")],
    user: options.User = "",
    users: options.Users = "",
    routes: options.Routes = options.ROUTES,
    as_json: Annotated[bool, typer.Option("--json", help="The payload itself, as it would be posted.")] = False,
    as_html: Annotated[
        str,
        typer.Option("--html", metavar="FILE", help="Write a page that draws the card as its channel does."),
    ] = "",
) -> None:
    """Draw the card that a destination would get, in this terminal or on a page. Nothing is sent."""
    config = load(routes)
    destination = known_destination(config, to)
    login = one_login(config, event, user=user, users=users)
    payload, weight = _drawn(config, destination, login)
    if as_json:
        say_json(payload)
        return
    known = _known(payload, weight)
    if as_html:
        kind = formatter_class(destination.formatter).makes
        _write(as_html, page(to, known, _cards(kind, payload)))
    else:
        out = typer.get_text_stream("stdout")
        out.write(draw(payload, title=to, width=terminal_width(), colour=is_colourful(out)) + "\n")
        for name, value in known:
            say(Text(f"{name:<14}", style="dim"), value)
    if to not in config.routing.decide(login).why:
        note(f"note: {to} would not hear of this login; `explain` says why")


def _known(payload: Payload, weight: Weight) -> list[tuple[str, str]]:
    notification = read(payload).notification
    size = ("size", f"{weight.used:,} of {weight.limit:,} {weight.unit}")
    return [("notification", notification), size] if notification else [size]


def _cards(kind: str, payload: Payload) -> list[Card]:
    """The card in each theme, in a wide window and on a phone."""
    return [
        Card(f"{theme}, {place}", kind, payload, theme, width) for place, width in PLACES.items() for theme in THEMES
    ]


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{path} can't be written: {error.strerror or error}") from None


def send_test(
    dest: Annotated[str, typer.Argument(metavar="DEST", help="The destination to post to.")] = "",
    *,
    deployed: Annotated[
        bool,
        typer.Option("--deployed", help="Put it on the event bus of a deployed stage; DEST may be left out."),
    ] = False,
    stage: Annotated[str, typer.Option("--stage", metavar="STAGE", help="The stage; prod takes no samples.")] = "",
    bus: Annotated[str, typer.Option("--bus", metavar="BUS", help="The event bus it listens to.")] = "default",
    routes: options.Routes = options.ROUTES,
    as_json: options.Json = False,
) -> None:
    """Post one made-up login, marked as a sample, to a destination for real, and say what came back.

    Exit code 0 only when the channel took it. Nothing is kept: a failed test is not tried again.

    With --deployed it goes the whole way on AWS: bus, rule, queue, function, channel; exit code 0 when the bus took it.
    """
    if deployed != bool(stage) or not (deployed or dest):
        raise typer.BadParameter("name the destination, or a deployed stage with --deployed --stage STAGE")
    config = load(routes)
    if deployed:
        _send_through(config, dest, stage=stage, bus=bus, as_json=as_json)
        return
    destination = known_destination(config, dest)
    login = sample(config, dest, event_id=f"send-test-{uuid4()}", at=datetime.now(UTC))
    payload, _ = _drawn(config, destination, login)
    verdict, milliseconds = _post(config, destination, payload)
    if as_json:
        said = {"outcome": verdict.outcome, "reason": verdict.reason, "after": verdict.after, "blames": verdict.blames}
        say_json({"destination": dest, **said, "milliseconds": milliseconds})
    else:
        _say_verdict(dest, verdict, milliseconds)
    if verdict.outcome is not Outcome.SENT:
        raise typer.Exit(1)


def _send_through(config: Config, dest: str, *, stage: str, bus: str, as_json: bool) -> None:
    if dest:
        known_destination(config, dest)
    login, event_id = put_sample(config, dest, stage=stage, bus=bus)
    heard_by = config.routing.decide(login).destinations
    if as_json:
        say_json({"event_id": event_id, "bus": bus, "directory": login.directory_id, "notify": heard_by})
        return
    say(Text("on the bus", style="bold green"), f" · {bus} in {region()} · event {event_id}")
    say(f"By {config.source} {', '.join(heard_by) or 'nobody'} will hear of {login.directory_id} in a few seconds;")
    say(f"if not: does a stage {stage} listen there, and what does its function's log say of the event?")
    if dest and dest not in heard_by:
        note(f"note: no directory tells {dest} of its logins by itself; `python -m bot matrix` shows who tells whom")


@contextmanager
def _somebodys(plugin: type[Any]) -> Iterator[None]:
    """A formatter or a sender may be anybody's, and what it raises may hold a secret: its type is said and no more."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - somebody's own class may fail in any way
        raise Mistake(f"{plugin.__name__} failed with {type(error).__name__}; look into that class") from None


def _drawn(config: Config, destination: Destination, login: Login) -> tuple[Payload, Weight]:
    formatter = formatter_class(destination.formatter)
    with _somebodys(formatter):
        made = formatter()
        payload = made.draw([login], config.audience(destination.name, {login.directory_id}))
        return payload, made.weigh(payload)


def _post(config: Config, destination: Destination, payload: Payload) -> tuple[Verdict, float]:
    sender = sender_class(destination.type)
    with _somebodys(sender):
        made = sender(sender.Settings(**destination.settings), tools(config))
        started = monotonic()
        verdict: object = made.send(payload, timeout=SEND_SECONDS)
    if not isinstance(verdict, Verdict):
        raise Mistake(f"{sender.__name__} answered with no verdict; look into that class")
    return verdict, round((monotonic() - started) * 1000, 1)


_TO_MEND = ("not taken until this is mended", "bold red")
_SAID = {
    Outcome.SENT: ("sent", "bold green"),
    Outcome.AGAIN: ("not taken, but may be taken later", "bold yellow"),
    Outcome.UNSURE: ("nobody knows whether it was taken; look into the channel", "bold yellow"),
    Outcome.DEAD: ("not taken, and never will be", "bold red"),
}


def _say_verdict(dest: str, verdict: Verdict, milliseconds: float) -> None:
    text, style = _TO_MEND if verdict.blames == "destination" else _SAID[verdict.outcome]
    reason = f": {verdict.reason}" if verdict.reason else ""
    later = f"; it asks for {verdict.after:g} s" if verdict.after else ""
    say(Text(text, style=style), f" · {dest}{reason}{later} ({milliseconds:,.0f} ms)")
