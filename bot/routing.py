"""Who hears of a login, and why. Plain data and one decision; where it is written down is config's business."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from bot.events import Login

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """What a directory is called, whose clock and language it keeps, and who hears of its logins.

    `notify` is None where the directory names nobody: then the default hears. `()` is silence on purpose.
    """

    id: str
    name: str = ""
    timezone: str | None = None
    language: str | None = None
    notify: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Conditions on a login: keys are ANDed, the values of a key are ORed, an empty key asks nothing.

    `directory` holds bare ids; `user` and `client` are globs; `not_` turns another Match round. Letter case does not
    count in `user`, `client` and `platform`.
    """

    directory: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    workspace: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    network: tuple[Network, ...] = ()
    not_: "Match | None" = None

    @property
    def asks_for_user(self) -> bool:
        """Whether a user's name counts anywhere in it, however deep."""
        return bool(self.user) or (self.not_ is not None and self.not_.asks_for_user)

    def fails_on(self, login: Login) -> str | None:
        """The first key that keeps `login` from matching (`user`, `not.user` …), None when it matches.

        A login without a user's name matches neither `user: …` nor `not: {user: …}`: nothing is decided by a guess.
        A login without a usable address is outside every network, and inside none.
        """
        for key, holds in HOLDS.items():
            asked = getattr(self, key)
            if asked and not holds(login, asked):
                return key
        if self.not_ is None:
            return None
        if self.not_.asks_for_user and login.user is None:
            return "not.user"
        if self.not_.fails_on(login) is not None:
            return None
        asked_keys = [key for key in HOLDS if getattr(self.not_, key)]
        return f"not.{asked_keys[0]}" if len(asked_keys) == 1 else "not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An exception: the first that matches decides, unless it only adds (`continue_`)."""

    label: str  # "routes[2]", as mistakes and explanations name it
    match: Match
    notify: tuple[str, ...]
    continue_: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at on the way to a decision. `failed_on` is None when it applied."""

    label: str
    failed_on: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Who hears of a login (each destination once, in order of first mention) and why.

    `why` maps each destination to the route, directory or default that named it: `routes[0]`,
    `directories.d-9067000001`, `default`. `steps` are in the order in which they were looked at.
    """

    why: Mapping[str, str]
    steps: tuple[Step, ...]

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    directories: Mapping[str, Directory] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    default: tuple[str, ...] = ()

    def decide(self, login: Login) -> Decision:
        """Routes top to bottom, then the login's directory, then the default; the first that applies decides.

        A route that `continue`s only adds: whatever is decided below it, even silence, does not take back what it
        added. A directory that names nobody is passed over.
        """
        why: dict[str, str] = {}
        steps: list[Step] = []
        for route in self.routes:
            failed_on = route.match.fails_on(login)
            steps.append(Step(route.label, failed_on))
            if failed_on is None:
                _add(why, route.notify, route.label)
                if not route.continue_:
                    return Decision(why, tuple(steps))
        notify, label = self.default, "default"
        directory = self.directories.get(login.directory_id)
        if directory is not None and directory.notify is not None:
            notify, label = directory.notify, f"directories.{directory.id}"
        elif directory is not None:
            steps.append(Step(f"directories.{directory.id}", "notify"))
        _add(why, notify, label)
        return Decision(why, (*steps, Step(label, None)))


def _add(why: dict[str, str], destinations: tuple[str, ...], label: str) -> None:
    for destination in destinations:
        why.setdefault(destination, label)


def like(text: str, globs: tuple[str, ...]) -> bool:
    """Whether `text` is one of `globs` (`*`, `?`, `[ab]`), whatever the letter case."""
    folded = text.casefold()
    return any(_glob(glob).match(folded) for glob in globs)


def same(text: str, names: tuple[str, ...]) -> bool:
    """Whether `text` is one of `names`, whatever the letter case."""
    folded = text.casefold()
    return any(folded == name.casefold() for name in names)


def inside(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether `address` lies in one of `networks`; what is no address lies in none."""
    place = _address(address)
    return place is not None and any(place in network for network in networks)


HOLDS: Mapping[str, Callable[[Login, Any], bool]] = {
    "directory": lambda login, ids: login.directory_id in ids,
    "user": lambda login, globs: login.user is not None and like(login.user, globs),
    "client": lambda login, globs: like(login.client, globs),
    "platform": lambda login, names: same(login.platform, names),
    "workspace": lambda login, ids: login.workspace_id in ids,
    "account": lambda login, ids: login.account in ids,
    "region": lambda login, names: login.region in names,
    "network": lambda login, networks: inside(login.address, networks),
}
"""Each key of a Match and what it asks, in the order in which they are asked."""


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.casefold()))


@lru_cache(maxsize=4096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address that comes dressed as IPv6 (`::ffff:203.0.113.7`) is the IPv4 address that it is."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
