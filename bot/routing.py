"""Who hears of a login, and why. Plain data and one decision; where it is written down is config's business."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from bot.events import Login

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """What a directory is called, whose clock and language it keeps, and who hears of its logins."""

    id: str
    name: str = ""
    timezone: str | None = None
    language: str | None = None
    notify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Conditions on a login: keys are ANDed, the values of a key are ORed, an empty key asks nothing.

    `directory` holds bare ids; `user` and `client` are globs in lower case; `not_` turns another Match round.
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

    def fails_on(self, login: Login) -> str | None:
        """The first key that keeps `login` from matching (`user`, `not.user` …), None when it matches.

        A login without a user's name matches neither `user: …` nor `not: {user: …}`: nothing is decided by a guess.
        A login without a usable address is outside every network, and inside none.
        """
        raise NotImplementedError


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
        raise NotImplementedError
