"""What may stand in a routing file: its keys, one class for each group of them, with the words that editors show."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

from bot.config.mistakes import Path
from bot.config.values import (
    PLATFORMS,
    AccountId,
    AccountKey,
    Count,
    DestinationName,
    DirectoryKey,
    Duration,
    Language,
    Name,
    Names,
    NetworkText,
    OneOrMore,
    Patience,
    Period,
    Platform,
    Region,
    RoleArn,
    Text,
    Timezone,
    TrustedHost,
    WorkspaceId,
)
from bot.secrets import SecretRef


class Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DefaultsKeys(Keys):
    """Whose language and clock a card takes where neither its destination nor its directory says."""

    language: Language = Field(default="en", description="The language of cards.")
    timezone: Timezone = Field(default="UTC", description="The clock of cards: an IANA time zone such as Europe/Paris.")


class DigestKeys(Keys):
    """One card that tells of many logins."""

    over: Count | None = Field(default=None, description="More waiting logins than this become one card.")
    max_rows: Count | None = Field(
        default=None, description="Cut a digest after this many rows and say how many more there were."
    )


class PaceKeys(Keys):
    """How fast cards may go out, held over all running copies of the bot."""

    messages: Count | None = Field(default=None, description="At most this many messages in `per`.")
    per: Period | None = Field(default=None, description="The time that `messages` is counted in, such as 300 or 5m.")
    gap: Duration | None = Field(default=None, description="The time between two messages.")
    group: Name | None = Field(
        default=None,
        description="Destinations that share a channel or a flow owner share a group, and with it one pace.",
    )


class DestinationKeys(Keys):
    """Where cards go: the keys that every type of destination has."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Name = Field(description="slack, teams, sns, console, or a class of your own as 'package.module:Class'.")
    formatter: Name | None = Field(
        default=None, description="Draws the cards instead of the type's own: a name, or 'package.module:Class'."
    )
    language: Language | None = Field(default=None, description="The language of this destination's cards.")
    timezone: Timezone | None = Field(
        default=None, description="The clock of this destination's cards, an IANA time zone."
    )
    digest: DigestKeys | None = Field(default=None, description="When many logins wait, one card tells of them all.")
    pace: PaceKeys | None = Field(
        default=None, description="How fast cards may go out; each type has its provider's limit."
    )
    give_up_after: Patience | None = Field(
        default=None, description="How long a login is tried, 24h unless said otherwise. Then `fallback` hears of it."
    )
    fallback: Name | None = Field(
        default=None, description="The destination that hears of logins that were given up here."
    )


class DirectoryKeys(Keys):
    """What a directory is called, whose language and clock it keeps, and which team hears of its logins."""

    name: Name | None = Field(default=None, description="What people call it; cards show it and `match` may use it.")
    timezone: Timezone | None = Field(default=None, description="The clock of its cards, an IANA time zone.")
    language: Language | None = Field(default=None, description="The language of its cards.")
    notify: Names | None = Field(
        default=None,
        description="The destinations that hear of its logins. Left out: the default hears. []: nobody does.",
    )


class AccountKeys(Keys):
    """How people are looked up in another AWS account."""

    role_arn: RoleArn = Field(description="The role that the bot takes on there.")
    external_id: SecretRef | None = Field(default=None, description="A reference to the role's external id.")


class MatchKeys(Keys):
    """What a route asks of a login: every key must hold; of a list, one value must."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"minProperties": 1})

    directory: OneOrMore[Name] | None = Field(
        default=None, description="A directory's id, with or without domain/, or its name."
    )
    user: OneOrMore[Text] | None = Field(
        default=None, description="User names, as globs: svc-*. Letter case does not count."
    )
    client: OneOrMore[Name] | None = Field(
        default=None, description="Client products, as globs: '*web*'. Letter case does not count."
    )
    platform: OneOrMore[Platform] | None = Field(
        default=None, description=f"Platforms: {', '.join(PLATFORMS)}. Letter case does not count."
    )
    workspace: OneOrMore[WorkspaceId] | None = Field(default=None, description="WorkSpace ids.")
    account: OneOrMore[AccountId] | None = Field(default=None, description="AWS accounts, 12 digits in quotes.")
    region: OneOrMore[Region] | None = Field(default=None, description="AWS regions.")
    network: OneOrMore[NetworkText] | None = Field(
        default=None, description="Networks that the login came from: 203.0.113.0/24, 2001:db8::/32."
    )
    not_: "MatchKeys | None" = Field(
        default=None,
        alias="not",
        description="The same keys, turned round: a login that matches them does not match this.",
    )


class RouteKeys(Keys):
    """An exception, looked at before directories and default. The first that matches decides."""

    match: MatchKeys = Field(description="What it asks of a login.")
    notify: Names = Field(description="The destinations that hear of the login. []: nobody, on purpose.")
    continue_: Annotated[bool, Strict()] = Field(
        default=False,
        alias="continue",
        description="true: only add these destinations to what is decided further down.",
    )


class LoginKeys(Keys):
    """The login of a test: what is left out is unknown."""

    directory: Name | None = Field(default=None, description="A directory's id, with or without domain/, or its name.")
    user: Text | None = Field(default=None, description="The user's name; left out, it is unknown.")
    client: Name | None = Field(default=None, description="The client product, such as 'WorkSpaces Desktop client'.")
    platform: Platform | None = Field(default=None, description="The platform.")
    workspace: WorkspaceId | None = Field(default=None, description="The WorkSpace id.")
    account: AccountId | None = Field(default=None, description="The AWS account.")
    region: Region | None = Field(default=None, description="The AWS region.")
    address: Name | None = Field(default=None, description="The address that the login came from.")


class TestKeys(Keys):
    """A login, and exactly who must hear of it. `check` runs it on the engine that the function runs."""

    name: Name = Field(description="What it shows.")
    login: LoginKeys = Field(description="The login.")
    notify: Names = Field(description="Every destination that must hear of it, in any order. []: nobody.")


class FileKeys(Keys):
    """Who hears of which WorkSpaces login."""

    defaults: DefaultsKeys = Field(
        default=DefaultsKeys(), description="Language and time zone where nothing else says."
    )
    trusted_hosts: tuple[TrustedHost, ...] = Field(
        default=(),
        description="Hosts, with port where it is not the usual one, that may be posted to besides the providers'.",
    )
    destinations: Annotated[dict[DestinationName, DestinationKeys], Field(min_length=1)] = Field(
        description="Where cards can go, by names of your own."
    )
    directories: dict[DirectoryKey, DirectoryKeys] = Field(
        default={}, description="WorkSpaces directories by id: their names, their clocks, who hears of them."
    )
    default: Annotated[Names, Field(min_length=1)] = Field(
        description="Who hears of logins in every directory that names nobody itself."
    )
    accounts: dict[AccountKey, AccountKeys] = Field(
        default={}, description="Other AWS accounts that people are looked up in."
    )
    routes: tuple[RouteKeys, ...] = Field(default=(), description="Exceptions, looked at first, top to bottom.")
    tests: tuple[TestKeys, ...] = Field(default=(), description="Logins and who must hear of them.")


_GROUPS: dict[str | int, type[Keys]] = {
    "defaults": DefaultsKeys,
    "pace": PaceKeys,
    "digest": DigestKeys,
    "directories": DirectoryKeys,
    "accounts": AccountKeys,
    "routes": RouteKeys,
    "match": MatchKeys,
    "not": MatchKeys,
    "tests": TestKeys,
    "login": LoginKeys,
}


def known_beside(path: Path) -> list[str]:
    """The keys that may stand where `path` stands."""
    group = next((_GROUPS[part] for part in reversed(path[:-1]) if part in _GROUPS), FileKeys)
    return [field.alias or name for name, field in group.model_fields.items()]
