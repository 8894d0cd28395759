"""The registry of senders: a destination's `type` → its class. A new sender is one file and one line here."""

from collections.abc import Mapping
from typing import Any

from bot.plugins import load
from bot.senders.base import Sender, Tools

REGISTRY = {
    "slack": "bot.senders.slack:SlackSender",
    "teams": "bot.senders.teams:TeamsSender",
    "sns": "bot.senders.sns:SnsSender",
    "console": "bot.senders.console:ConsoleSender",
}


def sender_class(type_: str) -> type[Sender]:
    """The class behind a `type`: a name above, or a dotted path `package.module:Class`.

    Raises PluginError. The module, and with it the provider's library, is imported here and not before.
    """
    found: type[Sender] = load(
        type_, REGISTRY, kind="sender", needs=("Settings", "takes", "formatter", "send", "refresh")
    )
    return found


def make(type_: str, settings: Mapping[str, Any], tools: Tools) -> Sender:
    """The sender of a destination, out of its `type` and its checked `settings`. Raises PluginError."""
    found = sender_class(type_)
    return found(found.Settings(**settings), tools)
