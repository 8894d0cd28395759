"""Who is behind a WorkSpace: from Amazon WorkSpaces, busy, denying, silent or well."""

import json
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

import bot.aws
import bot.users
from bot.aws import Aws
from bot.events import MAX_TEXT, Login, NamedAfter, NameGap, Person
from bot.users import WorkSpacesPeople
from tests.support.clock import FakeClock
from tests.support.fleet import Fleet, at_leisure, hire, own_account, reach, refusal
from tests.support.logins import make_login
from tests.support.providers import Answer, How, refused_address

ALICE = "ws-alice0001"
THROTTLED = refusal("ThrottlingException")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def one_fleet() -> Iterator[Fleet]:
    with Fleet() as fleet:
        yield fleet


@pytest.fixture(scope="module")
def aws(one_fleet: Fleet) -> Iterator[Aws]:
    """The real clients, made once: each costs more than all that a test does with it."""
    with pytest.MonkeyPatch.context() as patch:
        yield reach(patch, one_fleet.url)


@pytest.fixture
def fleet(one_fleet: Fleet) -> Fleet:
    one_fleet.begin_anew(ws_alice0001="alice", ws_bob000001="bob")
    return one_fleet


@pytest.fixture
def people(fleet: Fleet, aws: Aws, clock: FakeClock) -> WorkSpacesPeople:
    return WorkSpacesPeople(own_account(aws, clock), clock, within=at_leisure)


def at(workspace_id: str = ALICE, **different: Any) -> Login:
    return make_login(**{"workspace_id": workspace_id, "person": None} | different)


def person(people: WorkSpacesPeople, login: Login, *, until: float = 0.0) -> Person:
    (named,) = people.name([login], until=until)
    assert named.person is not None
    return named.person


# Amazon WorkSpaces that answers


def test_a_login_gets_its_users_name_and_nothing_else_of_it_changes(people: WorkSpacesPeople) -> None:
    bob, alice = at("ws-bob000001"), at(ALICE)
    named = people.name([bob, alice], until=0.0)
    assert named == [
        at("ws-bob000001", person=Person(name="bob")),
        at(ALICE, person=Person(name="alice")),
    ]


def test_no_logins_ask_nothing(people: WorkSpacesPeople, fleet: Fleet) -> None:
    assert people.name([], until=0.0) == []
    assert fleet.calls == []


@pytest.mark.parametrize(
    ("desk", "expected"),
    [
        ({"UserName": "alice"}, Person(name="alice")),
        (
            {"UserName": "[UNDEFINED]", "WorkspaceName": "kiosk-1", "ComputerName": "WSAMZN-1"},
            Person(name="kiosk-1", named_after=NamedAfter.WORKSPACE, gap=NameGap.SHARED),
        ),
        (
            {"UserName": "[UNDEFINED]", "WorkspaceName": "", "ComputerName": "WSAMZN-1"},
            Person(name="WSAMZN-1", named_after=NamedAfter.COMPUTER, gap=NameGap.SHARED),
        ),
        (
            {"UserName": "  ", "ComputerName": "WSAMZN-1"},
            Person(name="WSAMZN-1", named_after=NamedAfter.COMPUTER, gap=NameGap.SHARED),
        ),
        ({"UserName": "[UNDEFINED]"}, Person(name=ALICE, named_after=NamedAfter.ID, gap=NameGap.SHARED)),
        ({}, Person(name=ALICE, named_after=NamedAfter.ID, gap=NameGap.SHARED)),
        ({"UserName": "x" * 10_000}, Person(name="x" * MAX_TEXT)),
        ({"UserName": "<!channel>\u202e"}, Person(name="<!channel>\u202e")),
        ({"UserName": "half\ud800"}, Person(name="half?")),
    ],
    ids=["user", "workspace", "computer", "blank user", "id", "nothing", "long", "untrusted", "lone surrogate"],
)
def test_the_best_name_that_aws_knows_is_used_and_says_what_it_is(
    people: WorkSpacesPeople, fleet: Fleet, desk: dict[str, str], expected: Person
) -> None:
    fleet.desks[ALICE] = desk
    assert person(people, at()) == expected


def test_an_unknown_workspace_bears_its_id(people: WorkSpacesPeople) -> None:
    assert person(people, at("ws-nobody001")) == Person(
        name="ws-nobody001", named_after=NamedAfter.ID, gap=NameGap.UNKNOWN
    )


def test_an_answer_without_workspaces_knows_none(people: WorkSpacesPeople, fleet: Fleet) -> None:
    fleet.script(Answer(200, "{}"))
    assert person(people, at()).gap is NameGap.UNKNOWN


@pytest.mark.parametrize("body", ["<html>welcome to the hotel</html>", ""])
def test_a_page_that_is_no_answer_of_aws_says_nothing_of_anybody(
    people: WorkSpacesPeople, fleet: Fleet, body: str
) -> None:
    fleet.script(Answer(200, body))
    assert person(people, at()).gap is NameGap.UNREACHABLE


def test_an_aws_that_nobody_here_wrote_names_a_hundred_logins(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - takes a second, for this test alone

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        aws = reach(monkeypatch, "http://{}:{}".format(*server.get_host_and_port()))
        ids = hire([f"user{number}" for number in range(60)], "eu-central-1")
        logins = [at(workspace_id, region="") for workspace_id in [*ids, *ids[:40], "ws-nobody001"]]
        named = WorkSpacesPeople(own_account(aws, clock), clock, within=at_leisure).name(logins, until=clock.now() + 20)
    finally:
        server.stop()
    assert [login.user for login in named] == [f"user{number % 60}" for number in range(100)] + [None]
    assert len(clock.slept) == 2


# asking as little as possible


def test_a_hundred_logins_of_sixty_desks_are_three_calls_and_the_next_batch_none(
    people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock
) -> None:
    ids = [f"ws-desk{number:05}" for number in range(60)]
    fleet.desks = {id_: {"UserName": f"user of {id_}"} for id_ in ids}
    logins = [at(ids[number % 60]) for number in range(100)]

    named = people.name(logins, until=clock.now() + 20)
    assert [login.user for login in named] == [f"user of {login.workspace_id}" for login in logins]
    assert [len(call) for call in fleet.calls] == [25, 25, 10]
    assert sorted(id_ for call in fleet.calls for id_ in call) == ids

    assert people.name(logins, until=clock.now() + 20) == named
    assert len(fleet.calls) == 3


def test_calls_are_half_a_second_apart_and_the_first_waits_for_nothing(
    people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock
) -> None:
    people.name([at(f"ws-desk{number:05}") for number in range(60)], until=clock.now() + 20)
    assert clock.slept == [0.5, 0.5]
    clock.advance(0.2)
    people.name([at("ws-desk99999")], until=clock.now() + 20)
    assert clock.slept[2:] == [pytest.approx(0.3)]


def test_a_clock_that_was_put_back_delays_nobody_longer_than_one_gap(
    people: WorkSpacesPeople, clock: FakeClock
) -> None:
    person(people, at("ws-bob000001"))
    clock.advance(-3600)
    person(people, at(ALICE))
    assert clock.slept == [0.5]


@pytest.mark.parametrize(
    ("workspace_id", "seconds"), [(ALICE, 24 * 3600), ("ws-nobody001", 60)], ids=["known", "unknown"]
)
def test_an_answer_is_remembered_and_then_asked_for_again(
    people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock, workspace_id: str, seconds: int
) -> None:
    first = person(people, at(workspace_id))
    clock.advance(seconds - 1)
    assert person(people, at(workspace_id)) == first
    assert len(fleet.calls) == 1
    clock.advance(1)
    person(people, at(workspace_id))
    assert len(fleet.calls) == 2


def test_a_new_desk_gets_its_name_once_aws_knows_it(people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock) -> None:
    assert person(people, at("ws-new000001")).gap is NameGap.UNKNOWN
    fleet.desks["ws-new000001"] = {"UserName": "carol"}
    clock.advance(60)
    assert person(people, at("ws-new000001")) == Person(name="carol")


def test_the_desks_that_were_not_seen_for_longest_are_forgotten_first(
    people: WorkSpacesPeople, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.users, "KNOWN_PEOPLE", 2)
    for workspace_id in (ALICE, "ws-bob000001", ALICE, "ws-third0001", ALICE, "ws-bob000001"):
        person(people, at(workspace_id))
    assert fleet.calls == [[ALICE], ["ws-bob000001"], ["ws-third0001"], ["ws-bob000001"]]


def test_a_region_is_asked_for_its_own_desks_only(people: WorkSpacesPeople, fleet: Fleet) -> None:
    logins = [at(ALICE, region="eu-west-1"), at("ws-bob000001", region="us-east-1"), at(ALICE, region="")]
    named = people.name(logins, until=0.0)
    assert [login.user for login in named] == ["alice", "bob", "alice"]
    assert list(zip(fleet.regions, fleet.calls, strict=True)) == [
        ("eu-west-1", [ALICE]),
        ("us-east-1", ["ws-bob000001"]),
        ("eu-central-1", [ALICE]),
    ]


def test_desks_of_another_account_are_asked_for_apart(people: WorkSpacesPeople, fleet: Fleet) -> None:
    people.name([at(ALICE), at(ALICE, account="210987654321")], until=0.0)
    assert fleet.calls == [[ALICE], [ALICE]]


@pytest.mark.parametrize(
    "odd", ["ws-xyskdga", "WS-ALICE0001", "ws-alice0001\n", "wsx", "ws-" + "a" * 64, "ws-ünïcode1", "*"]
)
def test_an_odd_id_is_unknown_and_costs_its_neighbours_nothing(
    people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock, odd: str
) -> None:
    for _ in range(2):
        strange, alice = people.name([at(odd), at(ALICE)], until=clock.now() + 20)
        assert strange.person == Person(name=odd, named_after=NamedAfter.ID, gap=NameGap.UNKNOWN)
        assert alice.user == "alice"
    assert fleet.calls == [[ALICE], [odd]]


def test_the_id_of_awss_own_sample_event_is_asked_for(people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock) -> None:
    fleet.desks["ws-xyskdga"] = {"UserName": "sample"}
    fleet.rule = lambda request: Answer(
        200,
        json.dumps({"Workspaces": [{"WorkspaceId": id_} | fleet.desks[id_] for id_ in request.json["WorkspaceIds"]]}),
    )
    named = people.name([at("ws-xyskdga"), at(ALICE)], until=clock.now() + 20)
    assert [login.user for login in named] == ["sample", "alice"]
    assert fleet.calls == [[ALICE], ["ws-xyskdga"]]


# Amazon WorkSpaces in trouble


def test_a_busy_aws_is_asked_again_until_it_answers(people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock) -> None:
    fleet.script(THROTTLED, THROTTLED, refusal("InternalServerError", 500))
    assert person(people, at(), until=clock.now() + 20) == Person(name="alice")
    assert clock.slept == [1.0, 2.0, 4.0]


def test_a_busy_aws_is_waited_for_no_longer_than_allowed(
    people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock
) -> None:
    fleet.always(THROTTLED)
    until = clock.now() + 20
    named = people.name([at(f"ws-desk{number:05}") for number in range(60)], until=until)
    assert {login.person and login.person.gap for login in named} == {NameGap.THROTTLED}
    assert clock.now() <= until
    assert clock.slept == [1.0, 2.0, 4.0, 8.0]
    assert [len(call) for call in fleet.calls] == [25] * 5


def test_aws_is_asked_once_even_when_the_time_is_over(people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock) -> None:
    logins = [at(f"ws-desk{number:05}") for number in range(60)] + [at(ALICE, region="us-east-1")]
    named = people.name(logins, until=clock.now() - 100)
    assert [len(call) for call in fleet.calls] == [25, 1]
    gaps = [login.person and login.person.gap for login in named]
    assert gaps == [NameGap.UNKNOWN] * 25 + [NameGap.THROTTLED] * 35 + [None]


def test_who_was_throttled_is_asked_for_with_the_next_batch(people: WorkSpacesPeople, fleet: Fleet) -> None:
    fleet.script(THROTTLED)
    assert person(people, at()).gap is NameGap.THROTTLED
    assert person(people, at()) == Person(name="alice")


@pytest.mark.parametrize(
    "answer",
    [
        refusal("AccessDeniedException"),
        refusal("UnrecognizedClientException"),
        refusal("ExpiredTokenException"),
        Answer(403, "<html>proxy says no</html>"),
    ],
    ids=["denied", "bad key", "expired", "plain 403"],
)
def test_a_role_that_may_not_ask_costs_one_call_a_minute_and_region(
    people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock, answer: Answer
) -> None:
    fleet.script(answer)
    assert person(people, at()).gap is NameGap.DENIED
    clock.advance(59)
    assert person(people, at("ws-bob000001")).gap is NameGap.DENIED
    assert person(people, at(region="us-east-1")) == Person(name="alice")
    assert len(fleet.calls) == 2
    clock.advance(1)
    assert person(people, at("ws-bob000001")) == Person(name="bob")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(how=How.CLOSE),
        Answer(how=How.RESET),
        Answer(how=How.GARBAGE),
        Answer(200, "[]"),
        Answer(200, '{"Workspaces": 7}'),
        Answer(200, '{"Workspaces": [{"UserName": "alice"}]}'),
        Answer(200, '{"Workspaces": [7, null]}'),
        Answer(302, "", {"Location": "http://198.51.100.1/"}),
        refusal("InternalServerError", 500),
        refusal("ServiceUnavailable", 503),
        refusal("ValidationException"),
    ],
    ids=[
        "close", "reset", "no HTTP", "a list", "no list", "no id", "no desks", "redirect",
        "500", "503", "validation",
    ],
)  # fmt: skip
def test_an_aws_that_does_not_answer_costs_one_call_and_no_login(
    people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock, answer: Answer
) -> None:
    fleet.script(answer)
    expected = Person(name=ALICE, named_after=NamedAfter.ID, gap=NameGap.UNREACHABLE)
    assert person(people, at()) == expected
    clock.advance(29)
    assert person(people, at()) == expected
    assert len(fleet.calls) == 1
    clock.advance(1)
    assert person(people, at()) == Person(name="alice")


def test_a_silent_aws_is_not_waited_for(fleet: Fleet, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.aws, "READ_SECONDS", 0.2)
    fleet.always(Answer(how=How.SILENCE))
    people = WorkSpacesPeople(own_account(reach(monkeypatch, fleet.url), clock), clock, within=at_leisure)
    named = people.name([at(f"ws-desk{number:05}") for number in range(60)], until=clock.now() + 20)
    assert {login.person and login.person.gap for login in named} == {NameGap.UNREACHABLE}
    assert len(fleet.calls) == 1


def test_a_call_that_never_ends_costs_its_time_and_no_more(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a look-up of AWS's address does that nobody answers: no timeout of the client's ends it."""
    monkeypatch.setattr(bot.users, "SHORTEST_CALL", 0.05)
    hangs = Event()

    class Hanging(Aws):
        def client(self, service: str, *, region: str | None = None) -> Any:
            hangs.wait()

    assert person(WorkSpacesPeople(own_account(Hanging(), clock), clock), at()).gap is NameGap.UNREACHABLE
    hangs.set()


@pytest.mark.slow
def test_an_aws_that_is_not_there_is_unreachable(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = reach(monkeypatch, f"http://{refused_address()}")
    people = WorkSpacesPeople(own_account(nobody, clock), clock, within=at_leisure)
    assert person(people, at()).gap is NameGap.UNREACHABLE


def test_without_a_region_the_login_goes_on(fleet: Fleet, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    people = WorkSpacesPeople(own_account(reach(monkeypatch, fleet.url), clock), clock, within=at_leisure)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert person(people, at(region="")).gap is NameGap.UNREACHABLE
    assert person(people, at(region="eu-west-1.evil.example/#")).gap is NameGap.UNREACHABLE
    assert fleet.calls == []


def test_without_credentials_the_bot_may_not_ask(
    fleet: Fleet, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = WorkSpacesPeople(own_account(reach(monkeypatch, fleet.url), clock), clock, within=at_leisure)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert person(people, at()).gap is NameGap.DENIED
    assert fleet.calls == []


def test_a_name_of_yesterday_is_better_than_none(people: WorkSpacesPeople, fleet: Fleet, clock: FakeClock) -> None:
    person(people, at())
    clock.advance(48 * 3600)
    fleet.script(refusal("AccessDeniedException"))
    assert person(people, at()) == Person(name="alice")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            refusal("AccessDeniedException"),
            ("denied", "AccessDeniedException: the bot's role needs workspaces:DescribeWorkspaces there"),
        ),
        (refusal("ValidationException"), ("unreachable", "ValidationException")),
        (THROTTLED, ("throttled", "ThrottlingException")),
        (Answer(how=How.CLOSE), ("unreachable", "ConnectionClosedError")),
    ],
    ids=["denied", "refused", "throttled", "closed"],
)
def test_a_failed_look_up_is_one_log_line_without_names_or_the_providers_words(
    people: WorkSpacesPeople, fleet: Fleet, log: pytest.LogCaptureFixture, answer: Answer, told: tuple[str, str]
) -> None:
    fleet.script(answer)
    people.name([at(f"ws-desk{number:05}") for number in range(60)], until=0.0)
    (record,) = log.records
    assert (record.levelname, record.name) == ("WARNING", "bot.users")
    assert record.__dict__["fields"] == {
        "account": "123456789012",
        "region": "eu-west-1",
        "workspaces": 60,
        "gap": told[0],
        "reason": told[1],
    }


def test_every_person_survives_the_way_through_the_outbox(people: WorkSpacesPeople, fleet: Fleet) -> None:
    fleet.desks[ALICE] = json.loads(r'{"UserName": "\ud83d"}')
    (login,) = people.name([at()], until=0.0)
    assert Login.from_json(login.to_json()) == login
