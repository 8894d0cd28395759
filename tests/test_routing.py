"""Who hears of a login: every key of a match, the order of routes, and what becomes of a login that nobody named."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.overlap import implies, never
from bot.events import Login, NamedAfter, NameGap, Person
from bot.routing import Decision, Directory, Match, Route, Routing, Step
from tests.support.examples import examples
from tests.support.logins import make_login

NAMELESS = Person(name="DESKTOP-7", named_after=NamedAfter.COMPUTER, gap=NameGap.SHARED)


def matches(match: Match, **different: Any) -> bool:
    return match.fails_on(make_login(**different)) is None


NETWORKS = (ip_network("203.0.113.0/24"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("match", "login", "expected"),
    [
        pytest.param(Match(), {}, True, id="nothing asked"),
        pytest.param(Match(directory=("d-9067000001",)), {}, True, id="directory"),
        pytest.param(Match(directory=("d-9067000002",)), {}, False, id="another directory"),
        pytest.param(Match(user=("alice",)), {}, True, id="user"),
        pytest.param(Match(user=("ALICE",)), {}, True, id="user in capitals"),
        pytest.param(Match(user=("al*",)), {"person": Person(name="ALICE")}, True, id="user glob, whatever the case"),
        pytest.param(Match(user=("al*",)), {"person": Person(name="bob")}, False, id="another user"),
        pytest.param(Match(user=("ali?e",)), {}, True, id="question mark"),
        pytest.param(Match(user=("[a-c]lice",)), {}, True, id="one of some letters"),
        pytest.param(Match(user=("alice",)), {"person": Person(name="malice")}, False, id="no part of a name"),
        pytest.param(Match(user=("straSSe",)), {"person": Person(name="straße")}, True, id="folded as Unicode folds"),
        pytest.param(Match(user=("a*b",)), {"person": Person(name="a\nb")}, True, id="across a line break"),
        pytest.param(Match(user=("bob", "alice")), {}, True, id="one of two users"),
        pytest.param(Match(client=("*desktop*",)), {}, True, id="client"),
        pytest.param(Match(client=("*web*",)), {}, False, id="another client"),
        pytest.param(Match(platform=("windows",)), {}, True, id="platform, whatever the case"),
        pytest.param(Match(platform=("Win*",)), {}, False, id="platform is no glob"),
        pytest.param(Match(workspace=("ws-8n1k2m3p4",)), {}, True, id="workspace"),
        pytest.param(Match(workspace=("ws-other",)), {}, False, id="another workspace"),
        pytest.param(Match(account=("123456789012",)), {}, True, id="account"),
        pytest.param(Match(account=("210987654321",)), {}, False, id="another account"),
        pytest.param(Match(region=("eu-west-1",)), {}, True, id="region"),
        pytest.param(Match(region=("us-east-1",)), {}, False, id="another region"),
        pytest.param(Match(network=NETWORKS), {}, True, id="network"),
        pytest.param(Match(network=NETWORKS), {"address": "198.51.100.1"}, False, id="outside the networks"),
        pytest.param(Match(network=NETWORKS), {"address": "2001:db8::7"}, True, id="network of IPv6"),
        pytest.param(Match(network=NETWORKS), {"address": "2001:db9::7"}, False, id="outside, of IPv6"),
        pytest.param(Match(network=NETWORKS), {"address": "::ffff:203.0.113.7"}, True, id="IPv4 in IPv6 clothes"),
        pytest.param(Match(network=NETWORKS), {"address": ""}, False, id="no address is inside no network"),
        pytest.param(Match(network=NETWORKS), {"address": "office"}, False, id="what is no address is inside none"),
        pytest.param(Match(not_=Match(network=NETWORKS)), {"address": ""}, True, id="no address is outside of all"),
        pytest.param(Match(not_=Match(network=NETWORKS)), {}, False, id="inside is not outside"),
        pytest.param(Match(user=("alice",), platform=("Web",)), {}, False, id="keys are ANDed"),
        pytest.param(Match(not_=Match(user=("bob",))), {}, True, id="not another user"),
        pytest.param(Match(not_=Match(user=("alice",))), {}, False, id="not this user"),
        pytest.param(Match(not_=Match(user=("alice",), platform=("Web",))), {}, True, id="not both"),
        pytest.param(Match(not_=Match(not_=Match(user=("alice",)))), {}, True, id="not not"),
    ],
)
def test_a_match_holds_when_every_key_does(match: Match, login: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    assert matches(match, **login) is expected


@pytest.mark.parametrize("person", [None, NAMELESS], ids=["not looked up", "a computer's name"])
@pytest.mark.parametrize(
    "match",
    [
        Match(user=("*",)),
        Match(user=("desktop-7",)),
        Match(not_=Match(user=("bob",))),
        Match(not_=Match(user=("bob",), platform=("Web",))),
        Match(not_=Match(not_=Match(user=("bob",)))),
        Match(platform=("Windows",), not_=Match(not_=Match(user=("*",)))),
    ],
    ids=["user", "user as the computer", "not user", "not user and more", "not not user", "deep inside"],
)
def test_without_a_users_name_nothing_that_asks_for_one_matches(match: Match, person: Person | None) -> None:
    assert match.fails_on(make_login(person=person)) is not None


@pytest.mark.parametrize(
    ("match", "key"),
    [
        (Match(directory=("d-1",), user=("bob",)), "directory"),
        (Match(platform=("Web",)), "platform"),
        (Match(user=("alice",), not_=Match(platform=("Windows",))), "not.platform"),
        (Match(not_=Match(platform=("Windows",), user=("alice",))), "not"),
        (Match(not_=Match(not_=Match(platform=("Web",)))), "not"),
    ],
    ids=["the first that fails", "the only one", "inside not", "not of several keys", "not not"],
)
def test_a_match_says_which_key_it_failed_on(match: Match, key: str) -> None:
    assert match.fails_on(make_login()) == key


def test_a_login_without_a_user_says_that_the_user_was_asked_for() -> None:
    nameless = make_login(person=None)
    assert Match(user=("*",)).fails_on(nameless) == "user"
    assert Match(not_=Match(user=("bob",))).fails_on(nameless) == "not.user"


def route(number: int, match: Match, *notify: str, continue_: bool = False) -> Route:
    return Route(label=f"routes[{number}]", match=match, notify=notify, continue_=continue_)


ALICE, BOB, WINDOWS = Match(user=("alice",)), Match(user=("bob",)), Match(platform=("Windows",))
HERE, ELSEWHERE = "d-9067000001", "d-9067000009"


def decide(*routes: Route, directory_id: str = HERE, notify: tuple[str, ...] | None = ("team",)) -> Decision:
    routing = Routing(
        directories={HERE: Directory(id=HERE, name="Engineering", notify=notify)}, routes=routes, default=("ops",)
    )
    return routing.decide(make_login(directory_id=directory_id))


@pytest.mark.parametrize(
    ("decision", "why"),
    [
        pytest.param(decide(), {"team": f"directories.{HERE}"}, id="the directory's own team"),
        pytest.param(decide(directory_id=ELSEWHERE), {"ops": "default"}, id="a directory that is not listed"),
        pytest.param(decide(notify=None), {"ops": "default"}, id="a directory that names nobody"),
        pytest.param(decide(notify=()), {}, id="a directory that is silent on purpose"),
        pytest.param(decide(route(0, ALICE, "sec")), {"sec": "routes[0]"}, id="a route instead of the directory"),
        pytest.param(
            decide(route(0, BOB, "sec"), route(1, ALICE, "desk"), route(2, WINDOWS, "late")),
            {"desk": "routes[1]"},
            id="the first route that matches",
        ),
        pytest.param(decide(route(0, ALICE)), {}, id="silence on purpose"),
        pytest.param(
            decide(route(0, ALICE, "sec", continue_=True)),
            {"sec": "routes[0]", "team": f"directories.{HERE}"},
            id="continue adds to the directory",
        ),
        pytest.param(
            decide(route(0, ALICE, "sec", continue_=True), directory_id=ELSEWHERE),
            {"sec": "routes[0]", "ops": "default"},
            id="continue adds to the default",
        ),
        pytest.param(
            decide(route(0, ALICE, "sec", continue_=True), route(1, WINDOWS, "desk", "sec")),
            {"sec": "routes[0]", "desk": "routes[1]"},
            id="continue adds to a later route, each destination once",
        ),
        pytest.param(
            decide(route(0, ALICE, "sec", continue_=True), route(1, WINDOWS)),
            {"sec": "routes[0]"},
            id="silence does not take back what was added",
        ),
        pytest.param(
            decide(route(0, ALICE), route(1, WINDOWS, "sec", continue_=True)), {}, id="silence ends the search"
        ),
        pytest.param(
            decide(route(0, BOB, "sec", continue_=True)), {"team": f"directories.{HERE}"}, id="continue that fails"
        ),
    ],
)
def test_who_hears_and_what_named_them(decision: Decision, why: dict[str, str]) -> None:
    assert list(decision.why.items()) == list(why.items())
    assert decision.destinations == tuple(why)


def test_the_steps_tell_what_was_looked_at_and_why_it_did_not_apply() -> None:
    looked_at = decide(route(0, BOB, "sec"), route(1, ALICE, "desk", continue_=True), notify=None).steps
    assert looked_at == (
        Step("routes[0]", "user"),
        Step("routes[1]", None),
        Step(f"directories.{HERE}", "notify"),
        Step("default", None),
    )


def test_no_step_is_taken_after_the_decision() -> None:
    assert decide(route(0, ALICE, "desk"), route(1, BOB, "sec")).steps == (Step("routes[0]", None),)


TEXTS = st.sampled_from(["a", "ab", "abc", "b", "svc-a", "SVC-B", ""])
GLOBS = st.sampled_from(["*", "a", "a*", "*b", "?", "a?", "[ab]", "*[ab]*", "[!a]", "svc-*", "SVC-*", "svc-a", "**"])
PLATFORMS = st.sampled_from(["Web", "web", "Linux", "iOS"])
IDS = st.sampled_from(["d-1", "d-2", "d-3"])
SOME_NETWORKS = st.sampled_from(
    [ip_network(text) for text in ("203.0.113.0/24", "203.0.113.0/28", "0.0.0.0/0", "2001:db8::/32", "::/0")]
)


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=2).map(tuple)


SIMPLE = st.builds(
    Match,
    directory=some(IDS),
    user=some(GLOBS),
    client=some(GLOBS),
    platform=some(PLATFORMS),
    network=some(SOME_NETWORKS),
)
MATCHES = st.recursive(
    SIMPLE, lambda inner: st.builds(lambda match, not_: replace(match, not_=not_), SIMPLE, inner), max_leaves=3
)
LOGINS = st.builds(
    make_login,
    directory_id=IDS,
    person=st.none() | TEXTS.map(lambda name: Person(name=name)),
    client=TEXTS,
    platform=PLATFORMS,
    address=st.sampled_from(["203.0.113.7", "203.0.113.77", "198.51.100.1", "2001:db8::7", "", "office"]),
)


@examples(200)
@given(wide=MATCHES, more=SIMPLE, logins=st.lists(LOGINS, min_size=10, max_size=10))
def test_what_one_match_is_said_to_imply_holds_for_every_login(wide: Match, more: Match, logins: list[Login]) -> None:
    narrower = replace(more, user=more.user or wide.user, client=more.client or wide.client)
    turned_round = replace(narrower, not_=wide)
    for narrow in (more, narrower, turned_round, replace(more, not_=wide.not_)):
        for other in (wide, wide.not_ or wide, Match(not_=more)):
            if implies(narrow, other):
                assert all(other.fails_on(login) is None for login in logins if narrow.fails_on(login) is None)
        if never(narrow):
            assert all(narrow.fails_on(login) is not None for login in logins)


@pytest.mark.parametrize(
    ("narrow", "wide", "expected"),
    [
        (ALICE, ALICE, True),
        (Match(user=("alice",), platform=("Web",)), ALICE, True),
        (ALICE, Match(user=("alice",), platform=("Web",)), False),
        (Match(user=("svc-db-*",)), Match(user=("SVC-*",)), True),
        (Match(user=("svc-*",)), Match(user=("svc-?",)), False),
        (Match(user=("[ab]x",)), Match(user=("*ab*",)), False),
        (Match(platform=("web",)), Match(platform=("WEB", "Linux")), True),
        (Match(platform=("Web", "iOS")), Match(platform=("Web",)), False),
        (Match(), Match(client=("*",)), True),
        (Match(), Match(user=("*",)), False),
        (Match(network=(ip_network("203.0.113.8/29"),)), Match(network=NETWORKS), True),
        (Match(network=(ip_network("0.0.0.0/0"),)), Match(network=NETWORKS), False),
        (Match(directory=("d-2",)), Match(not_=Match(directory=("d-1",))), True),
        (Match(directory=("d-2",)), Match(not_=Match(directory=("d-1",), user=("bob",))), False),
        (Match(directory=("d-2",), user=("*",)), Match(not_=Match(directory=("d-1",), user=("bob",))), True),
        (Match(not_=Match(user=("b*",))), Match(not_=Match(user=("bob",))), True),
        (Match(not_=Match(user=("bob",))), Match(not_=Match(user=("b*",))), False),
    ],
)
def test_what_is_known_of_two_matches(narrow: Match, wide: Match, expected: bool) -> None:  # noqa: FBT001
    assert implies(narrow, wide) is expected
