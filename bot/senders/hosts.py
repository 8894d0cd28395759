"""Where a sender may post: its provider's own hosts over https, what `trusted_hosts` names, and nowhere else."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{0,5}))?")
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart, once, for the check and for the connection alike. `target` is posted to exactly as given."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises ValueError that says what is wrong and never repeats `url`, which is a secret."""
        found = _URL.fullmatch(url)
        if found is None or re.search(r"[\x00-\x20\x7f\\]", url):
            raise ValueError("is no URL (https://…)")
        scheme, authority, target = found.group(1).lower(), found.group(2), found.group(3)
        if not target.isascii():
            raise ValueError("is no URL: what follows the host must be ASCII")
        if "@" in authority:
            raise ValueError("must hold no user or password before its host")
        host, port = _host_and_port(authority)
        return cls(scheme, host, _PORTS[scheme] if port is None else port, _rooted(target))

    @property
    def loopback(self) -> bool:
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    def among(self, trusted: Iterable[str]) -> bool:
        """Whether one of `trusted` is this host: `host` for any port, `host:port` for that one alone."""
        for entry in trusted:
            try:
                host, port = _host_and_port(entry)
            except ValueError:
                continue
            if host == self.host and port in (None, self.port):
                return True
        return False


def refusal(address: Address, *, own: Iterable[str], trusted: Iterable[str]) -> str | None:
    """Why nothing may be posted to `address`, None when it may be.

    `own` are the provider's hosts, `*.` for every host below; they are served on https's own port.
    """
    trusts = address.among(trusted)
    if address.scheme == "http" and not (trusts and address.loopback):
        return "plain http goes to loopback only, and only where trusted_hosts names it; use https"
    if trusts or (address.port == _PORTS["https"] and any(_covers(pattern, address.host) for pattern in own)):
        return None
    named = address.host if address.port in _PORTS.values() else f"{address.host}:{address.port}"
    return f"{named} is not one of its hosts; if it is yours, name it in trusted_hosts"


def _covers(pattern: str, host: str) -> bool:
    return host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _host_and_port(authority: str) -> tuple[str, int | None]:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise ValueError("holds no host")
    port = int(found.group(2)) if found.group(2) else None
    if port is not None and not 0 < port < 65_536:
        raise ValueError("holds no port that exists")
    return _normal(found.group(1)), port


def _normal(host: str) -> str:
    """One spelling for each host: lower case, no closing dot, IDNA, addresses without brackets."""
    if host.startswith("["):
        return str(ip_address(host[1:-1]))
    try:
        name = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        name = ""
    name = name.lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise ValueError("holds no host")
    return name


def _rooted(target: str) -> str:
    return target if target.startswith("/") else "/" + target
