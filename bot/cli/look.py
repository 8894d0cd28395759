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
from bot.cli.page import THEMES, Card, page
from bot.cli.show import Mistake, note, say, say_json
from bot.cli.wiring import known_destination, one_login, tools
from bot.config import Config, Destination, load
from bot.events import Login, Person
from bot.senders import sender_class
from bot.senders.base import SEND_SECONDS, Outcome, Verdict
from bot.senders.console import draw, is_colourful, terminal_width
from bot.senders.seen import read
from formatters import formatter_class
from formatters.base import Payload, Weight

PREVIEW = "Example: `python -m bot preview --event E.json --user bob --to it-teams --html card.html`"
PLACES = {"in a window": 480, "on a phone": 320}
"""Where a card is read, and how wide it is there, in CSS pixels."""

SEND_TEST = "Example: `python -m bot send-test eng-slack`"


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
    dest: Annotated[str, typer.Argument(metavar="DEST", help="The destination to post to.")],
    *,
    routes: options.Routes = options.ROUTES,
    as_json: options.Json = False,
) -> None:
    """Post one made-up login, marked as a sample, to a destination for real, and say what came back.

    Exit code 0 only when the channel took it. Nothing is kept: a failed test is not tried again.
    """
    config = load(routes)
    destination = known_destination(config, dest)
    login = _sample(config, dest)
    payload, _ = _drawn(config, destination, login)
    verdict, milliseconds = _post(config, destination, payload)
    if as_json:
        said = {"outcome": verdict.outcome, "reason": verdict.reason, "after": verdict.after, "blames": verdict.blames}
        say_json({"destination": dest, **said, "milliseconds": milliseconds})
    else:
        _say_verdict(dest, verdict, milliseconds)
    if verdict.outcome is not Outcome.SENT:
        raise typer.Exit(1)


def _sample(config: Config, destination: str) -> Login:
    """A made-up login of a directory that the destination hears of, where there is one."""
    homes = config.routing.directories.values()
    home = next((home for home in homes if destination in (home.notify or ())), None)
    now = datetime.now(UTC)
    return Login(
        event_id=f"send-test-{uuid4()}",
        workspace_id="ws-sample000",
        directory_id=home.id if home else "d-0000000000",
        directory_name=home.name if home else "",
        logged_in_at=now,
        emitted_at=now,
        received_at=now,
        account="123456789012",
        region="eu-west-1",
        address="203.0.113.7",
        client="WorkSpaces Desktop client",
        platform="Windows",
        person=Person(name="sample.user"),
        sample=True,
    )


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
        made = sender(destination.settings, tools(config))
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
