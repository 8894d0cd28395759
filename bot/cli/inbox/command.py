"""The command that serves the inbox: `python -m bot inbox`; `make run` ends with it, too."""

import os
import sys
from typing import Annotated

import typer

from bot.cli import options

INBOX = "Example: `python -m bot inbox --routes routes.yml --users samples/users.csv`"
STATE = ".local/inbox.sqlite"
PORT = 8080

Port = Annotated[
    int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Where on 127.0.0.1; 0 takes any that is free.")
]


def inbox(
    *,
    routes: options.Routes = options.ROUTES,
    users: options.Users = "",
    state: Annotated[str, typer.Option("--state", metavar="FILE", help="Remembers what was said.")] = STATE,
    port: Port = PORT,
) -> None:
    """Show in the browser what Slack, Teams and mailboxes would get, for logins of your own making. Posts nothing.

    The routing file is watched: a change is checked at once, and applied where it is good. POST WorkSpaces Access
    events, one or an array, to /events; AWS is not asked who is behind them, people come from --users. Ctrl-C ends it.
    """
    start(routes=routes, users=users, state=state, port=port)


def start(*, routes: str, users: str, state: str, port: int) -> None:
    """Serve until Ctrl-C. Raises Mistake for a port that is taken, and where the page is not built."""
    from bot.cli.inbox.serving import serve  # noqa: PLC0415 - a web server takes 0.3 s, which no other command needs

    serve(routes=routes, users=users, state=state, port=port)


def in_a_terminal() -> bool:
    """Whether somebody is there to end it."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")
