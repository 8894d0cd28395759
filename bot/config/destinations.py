"""A destination as it is written → as the bot runs it: the sender's own settings, and each type's usual pace."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import reduce
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

import formatters
from bot import senders
from bot.config import GIVE_UP_AFTER, Destination, Digest
from bot.config.fence import Fence, beyond
from bot.config.keys import DestinationKeys, DigestKeys, PaceKeys
from bot.config.mistakes import Mistakes, Path, looks_secret, quoted, unknown
from bot.pace import Pace
from bot.plugins import PluginError
from bot.secrets import SCHEMES
from bot.senders.base import Sender

PACES: Mapping[str, tuple[int, float, float]] = {
    "slack": (1, 1.0, 0.0),
    "teams": (25, 300.0, 0.35),
    "sns": (1, 1.0, 0.0),
}
"""messages, per, gap: Slack's rate limits, Power Automate's flow-bot limits, and a tenth of the ten mails a second
above which SNS deactivates a subscription. No other type has a limit that is known."""
UNPACED = (1000, 1.0, 0.0)

DIGEST_OVER: Mapping[str, int] = {"slack": 3, "teams": 3}
USUAL_DIGEST_OVER = 10

_DEAD_CONNECTOR = re.compile(r"\.webhook\.office\.com|outlook\.office(365)?\.com/webhook", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the rest of the file allows a destination: classes inside the `fence`, and hosts, None where unknown."""

    fence: Fence | None = None
    trusted_hosts: tuple[str, ...] | None = None


UNBOUND = Bounds()


def destination(name: str, keys: DestinationKeys, mistakes: Mistakes, bounds: Bounds = UNBOUND) -> Destination | None:
    """The destination, or None where nothing is known of its type. With mistakes noted, it is good for checks only."""
    path: Path = ("destinations", name)
    if _outside(keys, bounds.fence, path, mistakes) or (sender := _sender(keys.type, path, mistakes)) is None:
        return None
    formatter = _formatter(keys, sender, path, mistakes)
    settings = _settings(sender, keys.model_extra or {}, path, mistakes)
    if settings is not None and bounds.trusted_hosts is not None and hasattr(settings, "off_limits"):
        for key, why in settings.off_limits(bounds.trusted_hosts).items():
            mistakes.note((*path, key), why)
    return Destination(
        name=name,
        type=keys.type,
        settings={} if settings is None else {key.name: getattr(settings, key.name) for key in fields(settings)},
        formatter=formatter,
        pace=_pace(name, keys, path, mistakes),
        digest=_digest(keys.type, keys.digest or DigestKeys()),
        give_up_after=keys.give_up_after or GIVE_UP_AFTER,
        fallback=keys.fallback,
        language=keys.language,
        timezone=keys.timezone,
    )


def _outside(keys: DestinationKeys, fence: Fence | None, path: Path, mistakes: Mistakes) -> bool:
    """Whether a class stands here that must not even be imported."""
    named = {"type": keys.type, "formatter": keys.formatter or ""}
    outside = {key: name for key, name in named.items() if fence is not None and not fence.admits(name)}
    for key, name in outside.items():
        mistakes.note((*path, key), beyond(quoted(name)))
    return bool(outside)


def _sender(type_: str, path: Path, mistakes: Mistakes) -> type[Sender] | None:
    try:
        return senders.sender_class(type_)
    except PluginError as error:
        mistakes.note((*path, "type"), _without(str(error), type_))
        return None


def _formatter(keys: DestinationKeys, sender: type[Sender], path: Path, mistakes: Mistakes) -> str:
    name = keys.formatter or sender.formatter
    try:
        found = formatters.formatter_class(name)
    except PluginError as error:
        mistakes.note((*path, "formatter"), _without(str(error), name))
        return name
    if found.makes not in sender.takes:
        takes = ", ".join(sorted(sender.takes))
        mistakes.note(
            (*path, "formatter"), f"{name!r} makes {found.makes}, but {keys.type} takes {takes}; leave it out"
        )
    return name


def _settings(sender: type[Sender], written: Mapping[str, Any], path: Path, mistakes: Mistakes) -> Any:
    if not is_dataclass(sender.Settings):
        mistakes.note((*path, "type"), f"{sender.__name__}.Settings is no dataclass; see docs/adding-a-channel.md")
        return None
    own = {setting.name for setting in fields(sender.Settings)}
    for key in written:
        if key not in own:
            mistakes.note((*path, key), unknown("key", key, own | DestinationKeys.model_fields.keys()))
    try:
        return TypeAdapter(sender.Settings).validate_python({key: written[key] for key in written if key in own})
    except ValidationError as error:
        mistakes.explain(error, path, lambda place, _, words: _better(words, place[len(path) :], written))
    except PydanticUserError:
        mistakes.note((*path, "type"), f"the annotations of {sender.__name__}.Settings can't be checked; mend them")
    return None


def _better(words: str, place: Path, written: Mapping[str, Any]) -> str:
    """Better words than the sender has, for a value that is a living or a dead secret written in plain."""
    value = written.get(str(place[0])) if place else None
    if isinstance(value, str) and _DEAD_CONNECTOR.search(value):
        return (
            "is an Office 365 connector, switched off in May 2026; "
            "make a Workflows webhook in Teams and keep its URL in ssm: or secretsmanager:"
        )
    if looks_secret(value) and not str(value).startswith(SCHEMES):
        return "is a secret in plain; keep it in ssm: or secretsmanager: and write where, such as ssm:/login-bot/key"
    return reduce(_without, map(str, written.values()), words)


def _without(text: str, value: str) -> str:
    return text.replace(value, "…") if looks_secret(value) else text


def _pace(name: str, keys: DestinationKeys, path: Path, mistakes: Mistakes) -> Pace:
    own = keys.pace or PaceKeys()
    messages, per, gap = PACES.get(keys.type, UNPACED)
    per = own.per if own.per is not None else per
    gap = own.gap if own.gap is not None else min(gap, per)
    if gap > per:
        mistakes.note((*path, "pace", "gap"), f"{gap:g} s is longer than per, {per:g} s; say it with per: {gap:g}")
    return Pace(messages=own.messages or messages, per=per, gap=gap, group=own.group or name)


def _digest(type_: str, own: DigestKeys) -> Digest:
    return Digest(over=own.over or DIGEST_OVER.get(type_, USUAL_DIGEST_OVER), max_rows=own.max_rows)
