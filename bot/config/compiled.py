"""A routing file that was read and checked already, as plain JSON: a cold start needs neither pydantic nor YAML.

It stands beside the packaged file, and with the last good one in the table. It belongs to the very bytes that it was
made of, and to this version of its form: whoever has it for others reads and checks the file itself.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import formatters
from bot import senders
from bot.config import Account, Config, Destination, Digest, RouteTest
from bot.config.fence import is_dotted
from bot.pace import Pace
from bot.routing import Directory, Match, Route, Routing
from bot.secrets import SecretRef
from formatters.base import Audience

VERSION = 1
"""Of the form. A change of what is written here, or of what may stand in a routing file, makes a new one."""


class NotPlainError(Exception):
    """A sender's settings hold what JSON does not; the message says which."""


class StaleError(Exception):
    """Not the compiled form of these bytes, or not in this version's form."""


def fingerprint(content: bytes) -> str:
    return sha256(content).hexdigest()


def dump(config: Config, content: bytes) -> str:
    """`config`, which was read from `content`. Raises NotPlainError."""
    written = {
        "routing": _plain(config.routing),
        "destinations": {name: _destination(place) for name, place in config.destinations.items()},
        "defaults": _plain(config.defaults),
        "trusted_hosts": list(config.trusted_hosts),
        "accounts": _plain(config.accounts),
        "tests": _plain(config.tests),
    }
    whole = {"version": VERSION, "sha256": fingerprint(content), "config": written}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n"


def load(text: str, content: bytes, *, source: str) -> Config:
    """The Config of `content`, as `dump` wrote it. Raises StaleError."""
    try:
        whole = json.loads(text)
        if (whole["version"], whole["sha256"]) != (VERSION, fingerprint(content)):
            raise StaleError
        return _config(whole["config"], source)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise StaleError from None


def _plain(value: Any) -> Any:
    """What the bot's own dataclasses hold, as JSON; what is as it always is, is left out."""
    if is_dataclass(value) and not isinstance(value, SecretRef):
        kept = {field.name: getattr(value, field.name) for field in fields(value)}
        usual = {field.name: field.default for field in fields(value)}
        return {name: _plain(each) for name, each in kept.items() if each != usual[name]}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, SecretRef | IPv4Network | IPv6Network) else value


def _destination(place: Destination) -> dict[str, Any]:
    settings = {key: _setting(place.name, key, value) for key, value in place.settings.items()}
    return {**_plain(place), "settings": settings}


def _setting(place: str, key: str, value: Any) -> Any:
    """A value of a sender's own settings: whatever is no plain scalar says what it is."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is SecretRef:
        return {"secret": str(value)}
    if type(value) is tuple or type(value) is list:
        return {type(value).__name__: [_setting(place, key, each) for each in value]}
    if type(value) is dict and all(type(name) is str for name in value):
        return {"keys": {name: _setting(place, key, each) for name, each in value.items()}}
    raise NotPlainError(f"destinations.{place}.{key} is a {type(value).__name__}, which JSON has no form for")


def _set(written: Any) -> Any:
    """A setting as it was before `_setting`."""
    if not isinstance(written, dict):
        return written
    [(kind, value)] = written.items()
    if kind == "secret":
        return SecretRef.parse(value)
    if kind == "keys":
        return {name: _set(each) for name, each in value.items()}
    return {"tuple": tuple, "list": list}[kind](_set(each) for each in value)


def _config(written: Mapping[str, Any], source: str) -> Config:
    routing = written["routing"]
    return Config(
        source=source,
        routing=Routing(
            directories={id_: _directory(**keys) for id_, keys in routing["directories"].items()},
            routes=tuple(_route(**keys) for keys in routing.get("routes", ())),
            default=tuple(routing["default"]),
        ),
        destinations={name: _place(**keys) for name, keys in written["destinations"].items()},
        defaults=Audience(**written["defaults"]),
        trusted_hosts=tuple(written["trusted_hosts"]),
        accounts={id_: _account(**keys) for id_, keys in written["accounts"].items()},
        tests=tuple(_test(**keys) for keys in written["tests"]),
    )


def _directory(*, notify: Sequence[str] | None = None, **keys: Any) -> Directory:
    return Directory(notify=None if notify is None else tuple(notify), **keys)


def _route(*, match: Mapping[str, Any], notify: Sequence[str], **keys: Any) -> Route:
    return Route(match=_match(**match), notify=tuple(notify), **keys)


def _match(*, network: Sequence[str] = (), not_: Mapping[str, Any] | None = None, **keys: Sequence[str]) -> Match:
    asked: dict[str, Any] = {key: tuple(values) for key, values in keys.items()}
    turned = None if not_ is None else _match(**not_)
    return Match(network=tuple(map(ip_network, network)), not_=turned, **asked)


def _place(
    *, settings: Mapping[str, Any], pace: Mapping[str, Any], digest: Mapping[str, Any], **keys: Any
) -> Destination:
    place = Destination(
        settings={key: _set(value) for key, value in settings.items()},
        pace=Pace(**pace),
        digest=Digest(**digest),
        **keys,
    )
    for name, registry in ((place.type, senders.REGISTRY), (place.formatter, formatters.REGISTRY)):
        if not is_dotted(name) and name not in registry:
            raise StaleError
    return place


def _account(*, role_arn: str, external_id: str | None = None) -> Account:
    return Account(role_arn=role_arn, external_id=None if external_id is None else SecretRef.parse(external_id))


def _test(*, login: Mapping[str, str], notify: Sequence[str], name: str) -> RouteTest:
    return RouteTest(name=name, login=login, notify=tuple(notify))
