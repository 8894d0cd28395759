"""The routing file, read: its text → its keys → the Config that everything runs on, or every mistake in it."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import takewhile
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from bot.aws import Aws
from bot.config import MAX_BYTES, Account, Config, ConfigError, Destination, RouteTest, bucket, checks
from bot.config.destinations import Bounds, destination
from bot.config.fence import Fence, beyond
from bot.config.keys import (
    AccountKeys,
    DefaultsKeys,
    DestinationKeys,
    DirectoryKeys,
    FileKeys,
    MatchKeys,
    RouteKeys,
    TestKeys,
    known_beside,
)
from bot.config.mistakes import Mistakes, Path, quoted, unknown
from bot.config.page import read_page
from bot.config.values import DIRECTORY_ID, Names, TrustedHost
from bot.routing import Directory, Match, Route, Routing
from formatters.base import Audience

Group = TypeVar("Group", bound=BaseModel)


def read(path: str) -> Config:
    """The file at `path`. Raises ConfigError with every mistake."""
    if path.startswith(bucket.SCHEME):
        version = bucket.fetch(path, Aws())
        assert version is not None
        return understand(version.content, source=path, fence=Fence.of_package())
    try:
        with FilePath(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(path, (f"there is no file {path!r}; name one with --routes or ROUTES",)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is none"
        raise ConfigError(path, (f"{path!r} can't be read ({reason}); name a file that can",)) from None
    return understand(content, source=path)


def understand(content: bytes, *, source: str, fence: Fence | None = None) -> Config:
    """What `content` says, wherever it came from; inside `fence`, where there is one. Raises ConfigError."""
    mistakes = Mistakes()
    page = read_page(content, mistakes)
    config = _Reader(page.data, mistakes, fence).config(source) if page else None
    if config is None or mistakes:
        raise ConfigError(source, mistakes.in_order())
    return config


class _Reader:
    """Takes what is good of each section, so that one mistake never hides another."""

    def __init__(self, data: Mapping[str, Any], mistakes: Mistakes, fence: Fence | None) -> None:
        self.data = data
        self.mistakes = mistakes
        self.fence = fence
        self.ids_by_name: dict[str, str] = {}
        self.spelled: dict[str, str] = {}

    def config(self, source: str) -> Config:
        self._note_shapes()
        trusted_hosts = self._trusted_hosts()
        directories = self._directories()
        config = Config(
            source=source,
            routing=Routing(
                directories=directories, routes=tuple(self._routes()), default=self._one("default", Names, ())
            ),
            destinations=self._destinations(trusted_hosts),
            defaults=self._defaults(),
            trusted_hosts=trusted_hosts,
            accounts=self._accounts(),
            tests=tuple(self._tests()),
        )
        checks.check(config, self._written("destinations").keys(), self.spelled, self.mistakes)
        return config

    def _note_shapes(self) -> None:
        try:
            FileKeys.model_validate(self.data)
        except ValidationError as error:
            self.mistakes.explain(error, (), _better)

    def _one(self, section: str, kind: Any, otherwise: Any) -> Any:
        try:
            return TypeAdapter(kind).validate_python(self.data.get(section, otherwise))
        except ValidationError:
            return otherwise

    def _written(self, section: str) -> Mapping[str, Any]:
        entries = self.data.get(section)
        return entries if isinstance(entries, dict) else {}

    def _good(self, section: str, group: type[Group]) -> Iterator[tuple[Any, Group]]:
        """What is good of each entry of a section, by name or number; the rest of it is noted by now."""
        entries = self.data.get(section)
        numbered = enumerate(entries) if isinstance(entries, list) else self._written(section).items()
        for name, entry in numbered:
            if (keys := _whats_good(entry, group)) is not None:
                yield name, keys

    def _defaults(self) -> Audience:
        keys = self._one("defaults", DefaultsKeys, {}) or DefaultsKeys()
        return Audience(language=keys.language, timezone=keys.timezone)

    def _trusted_hosts(self) -> tuple[str, ...]:
        hosts: tuple[str, ...] = self._one("trusted_hosts", tuple[TrustedHost, ...], ())
        for number, host in enumerate(hosts):
            if self.fence is not None and host not in self.fence.hosts:
                self.mistakes.note(("trusted_hosts", number), beyond(quoted(host)))
        return hosts

    def _destinations(self, trusted_hosts: tuple[str, ...]) -> dict[str, Destination]:
        bounds = Bounds(self.fence, None if self.mistakes.below(("trusted_hosts",)) else trusted_hosts)
        declared = self._written("destinations")
        places: dict[str, Destination] = {}
        for name, keys in self._good("destinations", DestinationKeys):
            if keys.fallback is not None and keys.fallback not in declared:
                path: Path = ("destinations", name, "fallback")
                self.mistakes.note(path, unknown("destination", keys.fallback, declared))
            if place := destination(name, keys, self.mistakes, bounds):
                places[name] = place
        return places

    def _directories(self) -> dict[str, Directory]:
        directories: dict[str, Directory] = {}
        for written, keys in self._good("directories", DirectoryKeys):
            bare = written.removeprefix("domain/")
            path: Path = ("directories", written)
            if bare in directories:
                self.mistakes.note(
                    path, f"{quoted(bare, bare=True)} stands here twice, with and without domain/; keep one"
                )
            self._learn(keys.name, bare, path)
            self.spelled[bare] = written
            directories[bare] = Directory(id=bare, **(keys.model_dump(exclude_none=True)))
        return directories

    def _learn(self, name: str | None, directory_id: str, path: Path) -> None:
        if name is None:
            return
        if DIRECTORY_ID.fullmatch(name.removeprefix("domain/")):
            self.mistakes.note((*path, "name"), f"{quoted(name)} looks like an id; give it a name that people use")
        elif (other := self.ids_by_name.setdefault(name, directory_id)) != directory_id:
            self.mistakes.note(
                (*path, "name"), f"{quoted(name)} is the name of {quoted(other, bare=True)} too; give each its own"
            )

    def _routes(self) -> Iterator[Route]:
        for number, keys in self._good("routes", RouteKeys):
            path: Path = ("routes", number)
            yield Route(
                label=f"routes[{number}]",
                match=self._match(keys.match, (*path, "match")),
                notify=keys.notify,
                continue_=keys.continue_,
            )

    def _match(self, keys: MatchKeys, path: Path) -> Match:
        asked = {key: getattr(keys, key) or () for key in MatchKeys.model_fields if key != "not_"}
        asked["directory"] = tuple(
            self._directory(text, (*path, "directory", number)) for number, text in enumerate(asked["directory"])
        )
        if not keys.model_fields_set and not self.mistakes.below(path):
            self.mistakes.note(path, "asks nothing, so every login matches it; name a key, or use `default`")
        return Match(**asked, not_=self._match(keys.not_, (*path, "not")) if keys.not_ else None)

    def _directory(self, text: str, path: Path) -> str:
        """A directory's id, from its name or an id with or without `domain/`; an id need not be listed."""
        bare = text.removeprefix("domain/")
        if text in self.ids_by_name:
            return self.ids_by_name[text]
        if not DIRECTORY_ID.fullmatch(bare):
            hint = "" if self.ids_by_name else "; name it under `directories`, or write its id"
            self.mistakes.note(path, unknown("directory", text, self.ids_by_name) + hint)
        return bare

    def _accounts(self) -> dict[str, Account]:
        return {
            account: Account(role_arn=keys.role_arn, external_id=keys.external_id)
            for account, keys in self._good("accounts", AccountKeys)
        }

    def _tests(self) -> Iterator[RouteTest]:
        for number, keys in self._good("tests", TestKeys):
            login = keys.login.model_dump(exclude_none=True)
            if "directory" in login:
                login["directory"] = self._directory(login["directory"], ("tests", number, "login", "directory"))
            yield RouteTest(name=keys.name, login=login, notify=keys.notify)


def _whats_good(entry: Any, group: type[Group]) -> Group | None:
    """`entry`, or what is left of it without its mistakes: the rest may have mistakes of another kind."""
    try:
        return group.model_validate(entry)
    except ValidationError as error:
        broken = [detail["loc"] for detail in error.errors(include_url=False)]
    try:
        return group.model_validate(_without(entry, broken))
    except ValidationError:
        return None


def _without(entry: Any, places: Sequence[Path]) -> Any:
    """A copy of `entry` without the keys at `places`; of a list with a mistake in it, nothing is kept."""
    left = deepcopy(entry)
    for place in places:
        keys = list(takewhile(lambda part: isinstance(part, str), place))
        holder = left
        for key in keys[:-1]:
            holder = holder.get(key, {})
        if keys:
            holder.pop(keys[-1], None)
    return left


def _better(place: Path, kind: str, words: str) -> str:
    """Better words than pydantic's kind of error gives, where the place says more."""
    if kind == "extra_forbidden":
        return unknown("key", str(place[-1]), known_beside(place))
    return _BY_PLACE.get((place[-1], kind), words)


_BY_PLACE: Mapping[tuple[str | int, str], str] = {
    ("default", "missing"): "default is missing; say who hears where a directory names nobody, such as default: [ops]",
    ("default", "too_short"): "names nobody, so logins of directories that are not listed would be lost; name one",
    ("destinations", "missing"): "destinations is missing; say where cards can go",
    ("destinations", "too_short"): "names none; say where cards can go",
    ("notify", "missing"): "notify is missing; name destinations, or write [] for silence on purpose",
    ("type", "missing"): "type is missing; write slack, teams, sns or console",
}
