"""The operator's side: `python -m bot …`. Asks about the routing file, looks at cards, runs logins, reads the state."""

import logging
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from bot.cli import ask, demo, deploying, look, package, records, running, turning
from bot.cli.inbox import command as inbox_command
from bot.cli.show import Mistake, complain
from bot.cli.trouble import explained
from bot.cli.wiring import with_cure
from bot.config import ConfigError
from bot.outbox.base import OutboxError
from bot.plugins import PluginError

EPILOG = (
    "Exit codes: 0 done, 1 something is wrong and was said, 2 the command was typed wrong, 130 stopped with Ctrl-C. "
    "Colour is for terminals, and NO_COLOR turns it off."
)


SOMEWHERE = "send it to a terminal, a pipe or a file with room"


class Command(TyperCommand):
    """A command whose help shows no value beside a flag, for it takes none."""

    def get_params(self, ctx: Any) -> Any:
        return _plain(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run it on a table or on a file: what was typed beats the environment, and of two variables the table's."""
        typed = {name for name in ("state", "table") if _source(ctx, name) == "COMMANDLINE"}
        if len(typed) > 1:
            raise typer.BadParameter("--state names a file and --table a table; give one of them", ctx=ctx)
        if typed == {"state"} and "table" in ctx.params:
            ctx.params["table"] = ""
        try:
            return super().invoke(ctx)
        except OutboxError as error:
            table = ctx.params.get("table")
            why = explained(error.__cause__, f"table {table!r}", "dynamodb") if table else ""
            raise (Mistake(why) if why else error) from None


class Group(TyperGroup):
    """The same for a group of commands."""

    def get_params(self, ctx: Any) -> Any:
        return _plain(super().get_params(ctx))


class Commands(Group):
    """Ends an operator's mistake in one clear sentence on standard error and exit code 1, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            complain(*(f"{error.source}: {mistake}" for mistake in with_cure(error)))
        except (Mistake, OutboxError, PluginError) as error:
            complain(str(error))
        raise typer.Exit(1)


def _source(ctx: Any, name: str) -> str:
    """Where an option's value is from: COMMANDLINE, ENVIRONMENT, DEFAULT; empty where there is no such option."""
    return getattr(ctx.get_parameter_source(name), "name", "")


def _plain(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


app = typer.Typer(
    name="python -m bot",
    cls=Commands,
    help="Tells Slack, Microsoft Teams and e-mail who logged in to which Amazon WorkSpace.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
dead_letters = typer.Typer(cls=Group, no_args_is_help=True, help="Logins that were given up, with the reason.")


@app.callback()
def _prepare() -> None:
    """The commands say what happened; the function's log lines are for `run` with LOG_LEVEL."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without these characters shows question marks


def main() -> None:
    """Run what was typed, and end with its exit code; with 1 and one sentence where its output can't be written."""
    if sys.stdout is None:
        complain(f"standard output is closed; {SOMEWHERE}")
        sys.exit(1)
    try:
        code = _ended()
        sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more, when it ends
        code = 1
        if not isinstance(error, BrokenPipeError):  # who reads no further, such as `head`, has what it wanted
            with suppress(OSError):  # standard error may be as full
                complain(f"standard output can't be written: {(error.strerror or 'no').lower()}; {SOMEWHERE}")
    sys.exit(code)


def _ended() -> Any:
    """The exit code of what was typed."""
    try:
        app(prog_name="python -m bot")
    except SystemExit as ended:
        return ended.code


ASK, LOOK, RUN, AWS = "The routing file", "The cards", "The logins", "On AWS"
app.command(rich_help_panel=ASK, epilog=ask.CHECK, cls=Command)(ask.check)
app.command(rich_help_panel=ASK, epilog=ask.EXPLAIN, cls=Command)(ask.explain)
app.command(rich_help_panel=ASK, epilog=ask.MATRIX, cls=Command)(ask.matrix)
app.command(rich_help_panel=ASK, epilog=ask.SCHEMA, cls=Command)(ask.schema)
app.command("compile", rich_help_panel=ASK, epilog=package.COMPILE, cls=Command)(package.compile_)
app.command(rich_help_panel=LOOK, epilog=demo.DEMO, cls=Command)(demo.demo)
app.command(rich_help_panel=LOOK, epilog=look.PREVIEW, cls=Command)(look.preview)
app.command(rich_help_panel=LOOK, epilog=inbox_command.INBOX, cls=Command)(inbox_command.inbox)
app.command("send-test", rich_help_panel=LOOK, epilog=look.SEND_TEST, cls=Command)(look.send_test)
app.command(rich_help_panel=RUN, epilog=running.RUN, cls=Command)(running.run)
app.command(rich_help_panel=RUN, epilog=records.STATUS, cls=Command)(records.status)
app.command(rich_help_panel=RUN, epilog=turning.HOLD, cls=Command)(turning.hold)
app.command(rich_help_panel=RUN, epilog=turning.RELEASE, cls=Command)(turning.release)
app.command(rich_help_panel=AWS, epilog=deploying.DEPLOY, cls=Command)(deploying.deploy)
app.command(rich_help_panel=AWS, epilog=deploying.REMOVE, cls=Command)(deploying.remove)
app.add_typer(dead_letters, name="dead-letters", rich_help_panel=RUN)
dead_letters.command("list", epilog=records.DEAD_LETTERS, cls=Command)(records.list_dead_letters)
dead_letters.command("replay", epilog=turning.REPLAY, cls=Command)(turning.replay)
