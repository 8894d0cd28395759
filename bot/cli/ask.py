"""Questions about the routing file: is it right, who would hear of a login, who hears of what at all."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bot.cli import in_force, options, words
from bot.cli.show import complain, count, fits, harmless, note, out, say, say_json, table
from bot.cli.wiring import one_login, with_cure
from bot.config import Config, ConfigError, load
from bot.routing import Route

CHECK = "Example: `python -m bot check routes.yml`, and of a deployed bot `check --deployed --table login-bot-dev`"
EXPLAIN = "Example: `python -m bot explain --event samples/events/finance-web.json --user bob`"
MATRIX = "Example: `python -m bot matrix --routes routes.example.yml`"
SCHEMA = "Example: `python -m bot schema > docs/routes.schema.json`"

Home = tuple[str, str, tuple[str, ...]]
"""A directory's id and name, and the destinations that hear of its logins."""


def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The routing file; --routes where it is left out.")] = "",
    *,
    routes: options.Routes = options.ROUTES,
    deployed: Annotated[bool, typer.Option("--deployed", help="Ask --table which file from S3 is in force.")] = False,
    table: options.Table = "",
) -> None:
    """Check a routing file: exit code 0 and a summary, or 1 and one line for each mistake.

    Runs the file's own tests, too, on the engine that the function runs. The mistakes are the result: they are on
    standard output.

    With --deployed, say which file from S3 is in force in a deployed bot, since when, and why a newer one is not:
    exit code 0 when the newest one is in force, else 1.
    """
    path = file or routes
    if deployed:
        if not in_force.told(table, path):
            raise typer.Exit(1)
        return
    try:
        config = load(path)
    except ConfigError as error:
        for mistake in with_cure(error):
            say(mistake)
        sys.stdout.flush()
        if Path(path).exists():
            complain(f"{path}: {count(len(error.mistakes), 'mistake')}")
        raise typer.Exit(1) from None
    say(Text("ok ", style="bold green"), f"{path}: {_contents(config)}")


def explain(
    *,
    event: options.Event,
    user: options.User = "",
    users: options.Users = "",
    routes: options.Routes = options.ROUTES,
    as_json: options.Json = False,
) -> None:
    """Say who would hear of a login, which route decided, and why the earlier ones did not match.

    AWS is not asked for the person: give --user, or a list with --users. Nothing is sent or kept.
    """
    config = load(routes)
    login = one_login(config, event, user=user, users=users)
    decision = config.routing.decide(login)
    steps = [(step, words.because(step, login, config)) for step in decision.steps]
    if as_json:
        told = [{"step": step.label, "matched": step.failed_on is None, "because": text} for step, text in steps]
        say_json({"event_id": login.event_id, "user": login.user, "notify": dict(decision.why), "steps": told})
        return
    say(harmless(words.summary(login), "bold"))
    if login.user is None:
        note("note: the user's name is not known, so no route on user can match; give --user or --users")
    out().print(table("heard by", "because of", rows=_heard(decision.why)))
    out().print()
    rows = [_step(step.label, text, matched=step.failed_on is None) for step, text in steps]
    out().print(table("looked at", "", "", rows=rows))


def matrix(*, routes: options.Routes = options.ROUTES, as_json: options.Json = False) -> None:
    """Show which directory tells which destination, and the routes that add or silence."""
    config = load(routes)
    homes = _homes(config)
    rules = config.routing.routes
    if as_json:
        rows = [{"directory": id_, "name": name, "notify": notify} for id_, name, notify in homes]
        say_json({"directories": rows, "routes": [_rule(rule, config) for rule in rules]})
        return
    drawn = _grid(config, homes)
    out().print(drawn if fits(drawn) else _listing(homes))
    if rules:
        looked_at = [(rule.label, words.asked(rule.match, config), words.does(rule)) for rule in rules]
        out().print()
        out().print(table("looked at first", "a login with", "is heard by", rows=looked_at))


def schema() -> None:
    """Print the JSON Schema of the routing file, for editors."""
    from bot.config.schema import schema as of_the_file  # noqa: PLC0415 - pydantic, for this command alone

    say_json(of_the_file())


def _contents(config: Config) -> str:
    routing = config.routing
    parts = (
        count(len(config.destinations), "destination"),
        count(len(routing.directories), "directory", "directories"),
        count(len(routing.routes), "route"),
        f"{count(len(config.tests), 'test')} passed" if config.tests else "no tests of its own",
    )
    return ", ".join(parts)


def _heard(why: Any) -> list[tuple[Text, str]]:
    if not why:
        return [(Text("nobody", style="bold yellow"), "silent on purpose")]
    return [(harmless(name, "bold green"), label) for name, label in why.items()]


def _step(label: str, text: str, *, matched: bool) -> tuple[str, Text, str]:
    return label, Text("yes", style="bold green") if matched else Text("no", style="dim"), text


def _homes(config: Config) -> list[Home]:
    """Every directory as it is told without routes, and `default` for all that are not listed."""
    routing = config.routing
    listed = [
        (home.id, home.name, routing.default if home.notify is None else home.notify)
        for home in routing.directories.values()
    ]
    return [*listed, ("default", "every other directory", routing.default)]


def _rule(route: Route, config: Config) -> dict[str, Any]:
    asks = words.asked(route.match, config)
    return {"route": route.label, "asks": asks, "notify": route.notify, "continue": route.continue_}


def _grid(config: Config, homes: list[Home]) -> Table:
    names = list(config.destinations)
    rows: list[list[str | Text]] = [[id_, name, *_marks(names, notify)] for id_, name, notify in homes]
    return table("directory", "name", *names, rows=rows)


def _marks(names: list[str], told: tuple[str, ...]) -> list[Text]:
    return [Text("●", style="bold green") if name in told else Text("·", style="dim") for name in names]


def _listing(homes: list[Home]) -> Table:
    """The same for a terminal that is too narrow for a column each."""
    return table(
        "directory", "name", "is heard by", rows=[(id_, name, ", ".join(notify)) for id_, name, notify in homes]
    )
