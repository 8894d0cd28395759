"""The configuration that everything runs on: plain frozen data, read from the routing file by `load`.

`page.py` finds every value on its line, `keys.py` says what may stand in the file and `values.py` what each value may
be, `file.py` makes a Config of it, `destinations.py` with the senders' own settings, `checks.py` and `overlap.py` see
what must fit together, `mistakes.py` words what does not, and `schema.py` tells editors. They, and with them pydantic
and YAML, are imported only when a file is read. `compiled.py` spares the function that: it keeps what was read once.
`bucket.py` gets files from S3, and `fence.py` says what those may name.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.pace import Pace
from bot.routing import Routing
from bot.secrets import SecretRef
from formatters.base import Audience

GIVE_UP_AFTER = 24 * 3600.0
"""Seconds that a login is tried for, where the file does not say."""

MAX_BYTES = 1_000_000
"""Of a routing file: ten thousand directories, each with its own notify, are 700 KB."""


class ConfigError(Exception):
    """What `source` says can't be used: the routing file, or another that an operator wrote.

    `mistakes` holds one line for each mistake, all of them at once; the message names the source on each.
    """

    def __init__(self, source: str, mistakes: tuple[str, ...]) -> None:
        self.source = source
        self.mistakes = mistakes
        super().__init__("\n".join(f"{source}: {mistake}" for mistake in mistakes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """More than `over` waiting logins become one card; `max_rows` cuts its rows, None never does."""

    over: int
    max_rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where cards go. `type` and `formatter` are names in their registries or dotted paths `package.module:Class`.

    `settings` are what the sender's own `Settings` is made of, by keyword; `give_up_after` is in seconds.
    """

    name: str
    type: str
    settings: Mapping[str, Any]
    formatter: str
    pace: Pace
    digest: Digest
    give_up_after: float = GIVE_UP_AFTER
    fallback: str | None = None
    language: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How people of another AWS account are looked up."""

    role_arn: str
    external_id: SecretRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTest:
    """A test that the file's author wrote: this login must reach exactly these destinations, in any order."""

    name: str
    login: Mapping[str, str]
    notify: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    source: str
    routing: Routing
    destinations: Mapping[str, Destination]
    defaults: Audience = field(default_factory=Audience)
    trusted_hosts: tuple[str, ...] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)
    tests: tuple[RouteTest, ...] = ()

    def audience(self, destination: str, directory_ids: Collection[str]) -> Audience:
        """Whose language and clock: the destination's own, else its logins' directory's, else the defaults.

        Logins of several directories that don't agree are told in the defaults' language, on the defaults' clock.
        """
        place = self.destinations[destination]
        directories = [self.routing.directories.get(directory_id) for directory_id in directory_ids]
        languages = {directory.language if directory else None for directory in directories}
        timezones = {directory.timezone if directory else None for directory in directories}
        return Audience(
            language=place.language or _agreed(languages) or self.defaults.language,
            timezone=place.timezone or _agreed(timezones) or self.defaults.timezone,
            max_rows=place.digest.max_rows,
        )


def _agreed(wishes: set[str | None]) -> str | None:
    return wishes.pop() if len(wishes) == 1 else None


def load(path: str) -> Config:
    """Read and check a routing file, on this machine or `s3://bucket/key`.

    Raises ConfigError with every mistake in it, also for a missing file. One from S3 may name only the classes and
    hosts that the `routes.yml` beside the function names.
    """
    from bot.config.file import read  # noqa: PLC0415 - pydantic and YAML cost a cold start 70 ms

    return read(path)


def load_packaged(path: str) -> Config:
    """The same, out of its compiled form where one stands beside it that was made of the very same bytes."""
    from bot.config import compiled  # noqa: PLC0415 - it builds on this file

    try:
        text = Path(compiled_beside(path)).read_text("utf-8")
        return compiled.load(text, Path(path).read_bytes(), source=path)
    except (OSError, ValueError, compiled.StaleError):
        return load(path)


def compiled_beside(path: str) -> str:
    """Where the compiled form of a packaged file stands: `routes.compiled.json` for `routes.yml`."""
    return str(Path(path).with_suffix(".compiled.json"))
