"""What a value in a routing file may be, from a length of time to a role: every mistake says its cure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_network
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from bot.config.mistakes import closest, did_you_mean, quoted
from bot.routing import Network
from formatters.languages import LANGUAGES

Item = TypeVar("Item")

PLATFORMS = ("Android", "Chrome", "iOS", "Linux", "OSX", "Windows", "Web", "Teradici PCoIP Zero Client and Tera2")
"""What `clientPlatform` is known to say (AWS's samples and practitioners' logs). Others pass through."""

DIRECTORY_ID = re.compile(r"(d|wsd)-[0-9a-z]+")
"""Wider than AWS's own pattern, which AWS's own samples break."""

_DAY = 24 * 3600.0
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": _DAY}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?)(:[0-9]{1,5})?")


def duration(value: object) -> float:
    """`24h`, `30m`, `90s`, `2d`, or a number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("is negative; write 90s, 30m, 24h or 2d, or a number of seconds")
        return float(value)
    written = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        culprit = quoted(value) if isinstance(value, str) else "this"
        raise ValueError(f"{culprit} is no length of time; write 90s, 30m, 24h or 2d, or a number of seconds")
    return float(written[1]) * _SECONDS[written[2]]


def _text(value: object) -> object:
    """An unquoted account or user name of digits alone is read as a number; it is the same text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


@dataclass(frozen=True)
class _Like:
    """Text of a certain shape: a mistake says the cure, a schema shows the shape."""

    pattern: str
    cure: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^({self.pattern})$"}

    def _check(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"{quoted(text)} {self.cure}")
        return text


def _shorter(longest: float, cure: str) -> Callable[[float], float]:
    def check(seconds: float) -> float:
        if not 0 < seconds <= longest:
            raise ValueError(cure)
        return seconds

    return check


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        meant = closest(name, available_timezones(), cutoff=0.8)
        hint = f"did you mean {meant!r}?" if meant else "write an IANA name such as Europe/Paris"
        raise ValueError(f"no time zone {quoted(name)}; {hint}") from None
    return name


def _language(name: str) -> str:
    if name not in LANGUAGES:
        raise ValueError(f"no language {quoted(name)}{did_you_mean(name, LANGUAGES)}")
    return name


def _platform(name: str) -> str:
    known = [platform.casefold() for platform in PLATFORMS]
    if name.casefold() not in known and (meant := closest(name, PLATFORMS, cutoff=0.8)):
        raise ValueError(f"no platform {quoted(name)}; did you mean {meant!r}?")
    return name


def _network(text: object) -> Network:
    if not isinstance(text, str):
        raise ValueError("must be a network in quotes, such as '203.0.113.0/24'")  # noqa: TRY004 - pydantic's door
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{quoted(text)} is no network; write it like 203.0.113.0/24 or 2001:db8::/32") from None
    if "/" in text and ip_network(text.partition("/")[0]).network_address != network.network_address:
        raise ValueError(f"{quoted(text)} is an address inside a network; did you mean {str(network)!r}?")
    return _unmapped(network)


def _unmapped(network: Network) -> Network:
    """`::ffff:203.0.113.0/120` is an IPv4 network in IPv6 clothes; addresses are undressed before they are compared."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        return ip_network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def _trusted_host(text: str) -> str:
    host = text.casefold()
    if "://" in host:
        raise ValueError("is a URL; write the host alone, such as relay.corp.example")
    if "*" in host:
        raise ValueError(f"{quoted(text)} has a wildcard; name each host in full")
    if "@" in host:
        raise ValueError("holds more than a host, maybe a password; write the host alone, such as relay.corp.example")
    if "/" in host or "?" in host:
        raise ValueError(f"{quoted(text)} is more than a host; write the host alone, such as relay.corp.example")
    port = host.rpartition(":")[2] if re.search(r":[0-9]+$", host) and not host.endswith("]") else "1"
    if not _HOST.fullmatch(host) or not 0 < int(port) < 65536:
        raise ValueError(f"{quoted(text)} is no host; write it like relay.corp.example or 127.0.0.1:9999")
    return host


class _OneOrMore:
    """A list of at least one; a list of one may be written without brackets."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


DestinationName = Annotated[
    str, _Like(r"\w[\w.-]{0,39}", "is no name; use letters, digits, dots, dashes and underscores, 40 at most")
]
DirectoryKey = Annotated[
    str,
    _Like(
        f"(domain/)?{DIRECTORY_ID.pattern}",
        "is no directory id; write it like d-9067000001, and what people call it under `name`",
    ),
]
AccountKey = Annotated[str, _Like("[0-9]{12}", "is no AWS account; write its 12 digits in quotes")]
Text = Annotated[
    str, BeforeValidator(_text), Field(min_length=1), WithJsonSchema({"type": ["string", "integer"], "minLength": 1})
]
Name = Annotated[str, Field(min_length=1)]
Names = tuple[Name, ...]
OneOrMore = Annotated[tuple[Item, ...], _OneOrMore(), Field(min_length=1)]
Duration = Annotated[
    float,
    BeforeValidator(duration),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": f"^{_DURATION.pattern}$"}, {"type": "number", "minimum": 0}]}
    ),
]
Period = Annotated[Duration, AfterValidator(_shorter(_DAY, "must be more than nothing and a day at the most"))]
Patience = Annotated[
    Duration,
    AfterValidator(_shorter(14 * _DAY, "must be more than nothing and 14 days at the most; it is remembered for 21")),
]
Count = Annotated[int, Strict(), Field(ge=1, le=10_000)]
Language = Annotated[str, AfterValidator(_language), WithJsonSchema({"type": "string", "enum": list(LANGUAGES)})]
Timezone = Annotated[str, AfterValidator(_timezone)]
TrustedHost = Annotated[
    str, AfterValidator(_trusted_host), WithJsonSchema({"type": "string", "pattern": r"^[^/@*?]+$"})
]
Platform = Annotated[str, Field(min_length=1), AfterValidator(_platform), Field(examples=list(PLATFORMS))]
NetworkText = Annotated[
    Any, AfterValidator(_network), WithJsonSchema({"type": "string", "pattern": "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$"})
]
WorkspaceId = Annotated[str, _Like(r"ws-[0-9a-z]+", "is no WorkSpace id; write it like ws-8n1k2m3p4")]
AccountId = Annotated[
    str,
    BeforeValidator(_text),
    _Like("[0-9]{12}", "is no AWS account; write its 12 digits in quotes"),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^[0-9]{12}$"}),
]
Region = Annotated[str, _Like(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", "is no AWS region; write it like eu-west-1")]
RoleArn = Annotated[
    str,
    _Like(
        r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}",
        "is no role; write it like arn:aws:iam::210987654321:role/login-bot-lookup",
    ),
]
