"""What every formatter owes: those of the registry, one from outside the project, and those named by `--formatter`."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.events import Login, NamedAfter, NameGap, Person, parse
from bot.plugins import PluginError
from formatters import REGISTRY, formatter_class
from formatters.base import Audience, Formatter
from formatters.languages import LANGUAGES
from tests.support import limits
from tests.support.logins import EVENTS, event, make_login
from tests.support.untrusted import CORPUS, everywhere

RECEIVED = datetime(2026, 11, 23, 5, 12, 11, tzinfo=UTC)
AUDIENCES = [Audience(name, "UTC" if name == "en" else "Asia/Kathmandu") for name in LANGUAGES]
AUDIENCE_IDS = [f"{audience.language}-{audience.timezone}" for audience in AUDIENCES]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "path" in metafunc.fixturenames:
        handed_in: list[str] = metafunc.config.getoption("--formatter")
        metafunc.parametrize("path", [*REGISTRY, "mycompany.cards:Terse", *handed_in])


@pytest.fixture
def formatter(path: str) -> Formatter:
    return formatter_class(path)()


def cases() -> Iterator[tuple[str, list[Login]]]:
    """(id, logins): each event, each way of having no name, what is untrusted, and several at once."""
    parsed = {path.stem: parse(event(path.stem), received_at=RECEIVED) for path in sorted(EVENTS.glob("*.json"))}
    for stem, login in parsed.items():
        yield stem, [replace(login, person=Person(name="alice"), directory_name="Engineering")]
        yield f"{stem}, nobody asked", [login]
    for gap in (*NameGap, None):
        for named_after in NamedAfter:
            person = Person(name="EC2AMAZ-1A2B3C4", named_after=named_after, gap=gap)
            yield f"{named_after} shown, {gap}", [make_login(person=person)]
    for title, value in CORPUS.items():
        yield title, [everywhere(value)]
    yield "long sample", [replace(everywhere(CORPUS["long word"]), sample=True)]
    yield "several untrusted", [everywhere(value) for value in list(CORPUS.values())[:9]]
    yield "several", [replace(login, person=Person(name="alice")) for login in parsed.values()]
    yield "display name", [make_login(person=Person(name="alice", display_name="Alice Example"))]
    yield "end of time", [make_login(logged_in_at=datetime.max.replace(tzinfo=UTC))]
    yield "start of time", [make_login(logged_in_at=datetime.min.replace(tzinfo=UTC)), make_login()]


CASES = dict(cases())


@pytest.mark.parametrize("logins", CASES.values(), ids=CASES.keys())
def test_every_card_is_one_that_its_channel_takes(formatter: Formatter, logins: list[Login]) -> None:
    for audience in AUDIENCES:
        payload = formatter.draw(logins, audience)
        limits.check(formatter.makes, payload)
        used, allowed = limits.size(formatter.makes, payload)
        assert used <= allowed
        assert formatter.weigh(payload).fits


def test_the_same_logins_make_the_same_card_and_stay_as_they_were(formatter: Formatter) -> None:
    for logins in CASES.values():
        before = deepcopy(logins)
        first = json.dumps(formatter.draw(logins, AUDIENCES[0]))
        assert json.dumps(formatter.draw(tuple(logins), AUDIENCES[0])) == first
        assert logins == before


@pytest.mark.parametrize("audience", AUDIENCES, ids=AUDIENCE_IDS)
@pytest.mark.parametrize(
    ("person", "name"),
    [
        pytest.param(Person(name="svc_alice-2"), "svc_alice-2", id="user"),
        pytest.param(Person(name="alice", display_name="Alice Example"), "Alice Example", id="display name"),
        pytest.param(Person(name="山田太郎"), "山田太郎", id="Japanese"),
        pytest.param(Person(name="desk-7", named_after=NamedAfter.WORKSPACE), "desk-7", id="WorkSpace"),
        pytest.param(Person(name="EC2AMAZ-1", named_after=NamedAfter.COMPUTER), "EC2AMAZ-1", id="computer"),
        pytest.param(None, "ws-8n1k2m3p4", id="nobody"),
        pytest.param(Person(name="\u200b"), "ws-8n1k2m3p4", id="invisible"),
    ],
)
def test_a_card_shows_the_name(formatter: Formatter, audience: Audience, person: Person | None, name: str) -> None:
    payload = formatter.draw([make_login(person=person)], audience)
    assert any(name in text for text in limits.strings(payload))


def test_a_card_of_several_names_each(formatter: Formatter) -> None:
    people = [f"user{number}" for number in range(3)]
    payload = formatter.draw([make_login(person=Person(name=each)) for each in people], AUDIENCES[0])
    said = "\n".join(limits.strings(payload))
    assert [each for each in people if each not in said] == []


@pytest.mark.parametrize("name", REGISTRY)
def test_weight_grows_with_the_logins_and_says_when_there_are_too_many(name: str) -> None:
    formatter = formatter_class(name)()
    login = make_login(person=Person(name="x" * 200), address="2001:db8:85a3:8d3:1319:8a2e:370:7348")
    logins = [replace(login, logged_in_at=login.logged_in_at + timedelta(days=day)) for day in range(1_000)]
    weights = [formatter.weigh(formatter.draw(logins[:count], AUDIENCES[0])) for count in (1, 10, 100, 1_000)]
    assert [weight.used for weight in weights] == sorted({weight.used for weight in weights})
    assert [weight.fits for weight in weights[:2]] == [True, True]
    assert not weights[-1].fits


def test_a_name_that_is_no_formatter_is_refused_with_the_nearest() -> None:
    with pytest.raises(PluginError, match="no formatter 'slak'; did you mean 'slack'"):
        formatter_class("slak")
