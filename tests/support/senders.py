"""A sender on loopback, made from one of its own examples as the routing file would make it.

Nothing here knows a sender: each reference in an example becomes a variable that holds the provider's secret URL, each
https URL becomes the provider's, and AWS is played by the same provider.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import TypeAdapter

from bot.aws import Aws
from bot.secrets import SCHEMES, Secrets
from bot.senders import sender_class
from bot.senders.base import Sender, Tools, Verdict
from formatters import formatter_class
from formatters.base import Audience
from tests.support.aws import CREDENTIALS
from tests.support.clock import FakeClock
from tests.support.logins import make_login
from tests.support.providers import HOOK, Provider

SECRETS = (*re.findall(r"[\w-]*SECRET|hook-secret-\w+", HOOK), *list(CREDENTIALS.values())[1:3])
"""What no reason, repr, exception or log may hold. An AWS key's id is no secret, its key and its token are."""


@dataclass(frozen=True)
class Case:
    """One way of one sender to post."""

    type: str
    number: int

    @property
    def example(self) -> Mapping[str, Any]:
        return examples(self.type)[self.number]

    def __str__(self) -> str:
        return f"{self.type.rpartition(':')[2]}-{self.number}"

    @property
    def is_local(self) -> bool:
        """Whether it names nothing outside: such a sender posts nowhere."""
        return not re.search(r"://|arn:|\b(?:env|ssm|secretsmanager):", json.dumps(self.example))

    @property
    def speaks_aws(self) -> bool:
        return "arn:aws" in json.dumps(self.example)


def examples(type_: str) -> tuple[Mapping[str, Any], ...]:
    """A sender that needs no settings needs no example."""
    found: tuple[Mapping[str, Any], ...] = getattr(sender_class(type_), "examples", ({},))
    return found


def cases(*types: str) -> list[Case]:
    return [Case(type_, number) for type_ in types for number in range(len(examples(type_)))]


@dataclass(frozen=True)
class Stage:
    """A sender, and what it is made of. `send` posts what its own formatter draws."""

    case: Case
    sender: Sender
    settings: Any
    tools: Tools

    def send(self, timeout: float) -> Verdict:
        return self.sender.send(self.payload(), timeout=timeout)

    def payload(self) -> Mapping[str, Any]:
        formatter = formatter_class(self.sender.formatter)()
        assert formatter.makes in self.sender.takes
        return formatter.draw([make_login()], Audience())


@contextmanager
def staged(case: Case, host: str, *, scheme: str = "http") -> Iterator[Stage]:
    """The sender of `case` in front of `host`, with the environment that it needs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.upper().startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("CONTRACT_SECRET", f"{scheme}://{host}{HOOK}")
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": f"{scheme}://{host}"}.items():
            patch.setenv(name, value)
        kind = sender_class(case.type)
        settings = TypeAdapter(kind.Settings).validate_python(_here(case.example, f"{scheme}://{host}/open/"))
        aws = Aws()
        tools = Tools(secrets=Secrets(aws, FakeClock()), aws=aws, trusted_hosts=(host,))
        yield Stage(case, kind(settings, tools), settings, tools)


def _here(value: Any, url: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _here(item, url) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("https://"):
        return url
    if isinstance(value, str) and value.partition(":")[0] in SCHEMES:
        return "env:CONTRACT_SECRET"
    return value


__all__ = ["SECRETS", "Case", "Provider", "Stage", "cases", "staged"]
