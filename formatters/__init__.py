"""The registry of formatters: a name → its class. A new formatter is one file and one line here."""

from bot.plugins import load
from formatters.base import Formatter

REGISTRY = {
    "slack": "formatters.slack:SlackFormatter",
    "teams": "formatters.teams:TeamsFormatter",
    "messagecard": "formatters.messagecard:MessageCardFormatter",
    "email": "formatters.email:EmailFormatter",
}


def formatter_class(name: str) -> type[Formatter]:
    """The class behind a `formatter`: a name above, or a dotted path `package.module:Class`. Raises PluginError."""
    found: type[Formatter] = load(name, REGISTRY, kind="formatter", needs=("makes", "draw", "weigh"))
    return found
