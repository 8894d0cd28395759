"""Each sample event, through the function's door to every kind of channel: what is posted is the golden card.

The door, the routing file, the outbox and the senders are real, and so are the providers on loopback. Only the time
and the people's names are those of the golden cards.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import yaml

from bot import wiring
from bot.events import Login
from bot.handler import handle
from tests.support.aws import CREDENTIALS
from tests.support.clock import FakeClock
from tests.support.logins import event
from tests.support.providers import Provider, Request
from tests.support.stage import set_stage
from tests.test_formatters_golden import DIRECTORIES, GOLDEN, PEOPLE, RECEIVED, STEMS, ZONES, login_of

USUAL = next(login_of(stem).person for stem in STEMS if stem not in PEOPLE)
NAMES = {event(stem)["id"]: PEOPLE.get(stem, USUAL) for stem in STEMS}
CHANNEL = "C0123456789"


class GoldenPeople:
    """Everybody bears the name of their golden card."""

    def name(self, logins: Sequence[Login], *, until: float) -> list[Login]:
        return [replace(login, person=NAMES[login.event_id]) for login in logins]


def as_posted(request: Request) -> Any:
    return request.json


def as_a_bot_posted(request: Request) -> Any:
    said = request.json
    assert said.pop("channel") == CHANNEL
    return said


def as_published(request: Request) -> Any:
    forms = json.loads(request.form["Message"])
    return {"subject": request.form["Subject"], "text": forms["email"], "data": json.loads(forms["default"])}


@dataclass(frozen=True)
class Kind:
    """A kind of channel: who plays it, its golden cards, its keys in a routing file, and how to read what it was sent.

    In `keys`, HOOK stands for a reference to the provider's URL, and BASE for the URL.
    """

    played: Callable[[], Provider]
    golden: str
    keys: Mapping[str, str]
    read: Callable[[Request], Any] = as_posted


KINDS = {
    "slack-webhook": Kind(Provider.slack, "slack", {"type": "slack", "webhook_url": "HOOK"}),
    "slack-token": Kind(
        Provider.slack_api,
        "slack",
        {"type": "slack", "token": "env:GOLDEN_TOKEN", "channel": CHANNEL, "base_url": "BASE"},
        as_a_bot_posted,
    ),
    "teams": Kind(Provider.teams, "teams", {"type": "teams", "webhook_url": "HOOK"}),
    "messagecard": Kind(
        Provider.teams, "messagecard", {"type": "teams", "webhook_url": "HOOK", "formatter": "messagecard"}
    ),
    "sns": Kind(
        Provider.sns, "email", {"type": "sns", "topic_arn": "arn:aws:sns:eu-west-1:123456789012:golden"}, as_published
    ),
}
NO_PACE = {"messages": 100, "per": 1, "gap": 0}


@dataclass(frozen=True)
class Golden:
    """One destination of a kind in a language, and its provider."""

    kind: Kind
    language: str
    provider: Provider

    def posted_since(self, before: int) -> list[Any]:
        mine = [request for request in self.provider.posts[before:] if self._is_mine(request)]
        return [self.kind.read(request) for request in mine]

    def _is_mine(self, request: Request) -> bool:
        """Both topics are on one provider: there is one SNS."""
        return self.kind.golden != "email" or request.form["TopicArn"].endswith(f"-{self.language}")

    def card(self, stem: str) -> Any:
        return json.loads((GOLDEN / self.kind.golden / f"{stem}.{self.language}.json").read_text(encoding="utf-8"))


def destination(name: str, golden: Golden, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    variable = f"GOLDEN_{name.upper().replace('-', '_')}"
    patch.setenv(variable, golden.provider.url)
    here = {"HOOK": f"env:{variable}", "BASE": golden.provider.url}
    keys: dict[str, Any] = {key: here.get(value, value) for key, value in golden.kind.keys.items()}
    if "topic_arn" in keys:
        keys["topic_arn"] += f"-{golden.language}"
    return keys | {"language": golden.language, "timezone": ZONES[golden.language], "pace": NO_PACE}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Golden]]:
    """Every kind of channel in every language, by the names of their destinations, and the function set up for them."""
    folder = tmp_path_factory.mktemp("golden")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        sns = stack.enter_context(Provider.sns())
        places = {
            f"{name}-{language}": Golden(kind, language, sns if name == "sns" else stack.enter_context(kind.played()))
            for name, kind in KINDS.items()
            for language in ZONES
        }
        routes = {
            "trusted_hosts": [golden.provider.host for golden in places.values()],
            "destinations": {name: destination(name, golden, patch) for name, golden in places.items()},
            "directories": {id_: {"name": name, "notify": [*places]} for id_, name in DIRECTORIES.items()},
            "default": [*places],
        }
        environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": sns.url, "GOLDEN_TOKEN": "xoxb-made-up"}
        set_stage(folder, patch, yaml.safe_dump(routes, allow_unicode=True), **environment)
        patch.setattr(wiring, "SystemClock", partial(FakeClock, RECEIVED.timestamp()))
        patch.setattr(wiring, "_people", lambda *_: GoldenPeople())
        yield places


@pytest.mark.parametrize("stem", STEMS)
def test_what_is_posted_of_an_event_is_its_golden_card(places: dict[str, Golden], stem: str) -> None:
    before = {name: len(golden.provider.posts) for name, golden in places.items()}
    assert handle(event(stem), None) == {}
    for name, golden in places.items():
        assert golden.posted_since(before[name]) == [golden.card(stem)], name
