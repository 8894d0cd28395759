"""The options that several commands share: each is named, explained and read from the environment once."""

from typing import Annotated

import typer

Routes = Annotated[str, typer.Option("--routes", envvar="ROUTES", metavar="FILE", help="The routing file.")]
State = Annotated[
    str,
    typer.Option("--state", envvar="STATE_FILE", metavar="FILE", help="The SQLite file of what waits and was said."),
]
Table = Annotated[
    str,
    typer.Option(
        "--table", envvar="TABLE_NAME", metavar="NAME", help="The DynamoDB table of a deployed bot, not a file."
    ),
]
Users = Annotated[
    str,
    typer.Option(
        "--users",
        envvar="USERS_FILE",
        metavar="CSV",
        help="Who is behind which WorkSpace: workspace_id,user_name[,display_name,email].",
    ),
]
Event = Annotated[
    str,
    typer.Option("--event", metavar="E.json", help="A file with one WorkSpaces Access event, - for standard input."),
]
User = Annotated[str, typer.Option("--user", metavar="NAME", help="The user's name, instead of looking it up.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]

ROUTES = "routes.yml"
STATE = ".local/state.sqlite"
