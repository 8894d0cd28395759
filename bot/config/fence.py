"""What a routing file from a bucket may name: no class and no host that the packaged file does not name, too.

A hot routing file is data, not code: whoever may write to the bucket must not get a class imported, or a card posted to
a host, that nobody deployed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bot.config import Config, load_packaged

PACKAGED = "routes.yml"
"""The routing file in the package, beside the function."""


@dataclass(frozen=True, slots=True)
class Fence:
    """`classes` are dotted paths of senders and formatters, `hosts` are as `trusted_hosts` has them."""

    classes: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def around(cls, config: Config) -> Self:
        """What `config` names."""
        named = {name for place in config.destinations.values() for name in (place.type, place.formatter)}
        return cls(frozenset(filter(is_dotted, named)), frozenset(config.trusted_hosts))

    @classmethod
    def of_package(cls) -> Self:
        """What the packaged routing file names; nothing, where there is none. Raises ConfigError."""
        return cls.around(load_packaged(PACKAGED)) if Path(PACKAGED).is_file() else cls()

    def admits(self, name: str) -> bool:
        """Whether a class may be loaded by this name: the project's own always may."""
        return not is_dotted(name) or name in self.classes

    def holds(self, config: Config) -> bool:
        """Whether `config` names nothing outside."""
        inner = Fence.around(config)
        return inner.classes <= self.classes and inner.hosts <= self.hosts


def is_dotted(name: str) -> bool:
    return ":" in name


def beyond(name: str) -> str:
    """What is said of a class or a host outside: the culprit, and the cure."""
    culprit = f"the packaged {PACKAGED} does not name {name}, so a file on S3 may not"
    return f"{culprit}; name it there and deploy, or leave it out"
