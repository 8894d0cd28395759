"""What comes in: every published form of the event becomes a Login, and what is none is refused with its reason."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.events import Login, NamedAfter, NameGap, Person, RefusedError, parse
from tests.support.logins import EVENTS, event, make_login

RECEIVED = datetime(2026, 11, 23, 5, 12, 11, tzinfo=UTC)


def login_of(raw: object) -> Login:
    return parse(raw, received_at=RECEIVED)


def changed(top: dict[str, Any] | None = None, **detail: Any) -> dict[str, Any]:
    raw = event("seed")
    raw["detail"] |= detail
    return raw | (top or {})


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("*.json")))
def test_every_published_form_becomes_a_login(name: str) -> None:
    raw = event(name)
    login = login_of(raw)
    assert login.event_id == raw["id"]
    assert login.workspace_id == raw["detail"]["workspaceId"]
    assert login.directory_id == raw["detail"]["directoryId"].removeprefix("domain/")
    assert login.address == raw["detail"]["clientIpAddress"]
    assert login.platform == raw["detail"]["clientPlatform"]
    assert login.client == raw["detail"]["workspacesClientProductName"]
    assert login.client_version == raw["detail"].get("clientVersion", "")
    assert login.logged_in_at == datetime(2026, 11, 23, 5, 12, 0, 250_000, tzinfo=UTC)
    assert login.emitted_at == datetime(2026, 11, 23, 5, 12, 9, tzinfo=UTC)
    assert login.sample == (name == "sample")


REFUSED = {
    "text": ("hello", "not JSON: expecting value at column 1"),
    "half an event as text": ('{"id":\n 1', "not JSON: expecting ',' delimiter at line 2, column 3"),
    "bottomless text": ("[" * 100_000, "not JSON that can be read: nested too deeply, or a number too long"),
    "an endless number": ("9" * 5_000, "not JSON that can be read: nested too deeply, or a number too long"),
    "JSON of text": ('"hello"', "not a JSON object but text"),
    "JSON of an event as text": (json.dumps(json.dumps(event())), "not a JSON object but text"),
    "a list": ([], "not a JSON object but a list"),
    "a number": (1, "not a JSON object but a number"),
    "nothing": (None, "not a JSON object but missing"),
    "an empty object": ({}, "detail-type is missing, not 'WorkSpaces Access'"),
    "another detail-type": (
        changed({"detail-type": "EC2 Instance State-change Notification"}),
        "detail-type is 'EC2 Instance State-change Notification', not 'WorkSpaces Access'",
    ),
    "another source": (changed({"source": "aws.ec2"}), "source is 'aws.ec2', not 'aws.workspaces'"),
    "no detail": (changed({"detail": None}), "detail is missing, not an object"),
    "detail as text": (changed({"detail": "x"}), "detail is text, not an object"),
    "another action": (changed(actionType="failedLogin"), "actionType is 'failedLogin', not 'successfulLogin'"),
    "no workspace": (changed(workspaceId=None), "detail.workspaceId is missing"),
    "workspace as object": (changed(workspaceId={"a": 1}), "detail.workspaceId is missing"),
    "no directory": (changed(directoryId=" "), "detail.directoryId is missing"),
    "endless workspace": (changed(workspaceId="w" * 129), "detail.workspaceId is longer than 128 characters"),
    "1 MB": (
        changed(padding="x" * 1_048_576),
        "1,049,126 bytes, more than the 262,144 that a login event may have",
    ),
    "1 MB of text": ("x" * 1_048_576, "1,048,576 bytes, more than the 262,144 that a login event may have"),
}


@pytest.mark.parametrize(("raw", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_login_is_refused_with_its_reason(raw: object, reason: str) -> None:
    with pytest.raises(RefusedError) as refused:
        login_of(raw)
    assert str(refused.value) == reason


def test_an_event_may_come_as_its_text() -> None:
    assert login_of(json.dumps(event())) == login_of(event())


def test_a_bottomless_event_is_refused() -> None:
    deep: dict[str, Any] = {}
    deep["self"] = deep
    with pytest.raises(RefusedError, match="no JSON"):
        login_of(deep)


LENIENT = {
    "address null": (changed(clientIpAddress=None), "address", ""),
    "address a number": (changed(clientIpAddress=1), "address", "1"),
    "platform missing": (changed(clientPlatform=None), "platform", ""),
    "no action": (changed(actionType=None), "workspace_id", "ws-8n1k2m3p4"),
    "action in capitals": (changed(actionType="SuccessfulLogin"), "workspace_id", "ws-8n1k2m3p4"),
    "account a number": (changed({"account": 123456789012}), "account", "123456789012"),
    "no region": (changed({"region": None}), "region", ""),
    "endless product": (changed(workspacesClientProductName="p" * 9_999), "client", "p" * 512),
    "half an emoji": (changed(clientPlatform="a\ud83d"), "platform", "a?"),
    "login time broken": (
        changed(loginTime="yesterday"),
        "logged_in_at",
        datetime(2026, 11, 23, 5, 12, 9, tzinfo=UTC),
    ),
    "login time in a zone": (
        changed(loginTime="2026-11-23T14:12:00+09:00"),
        "logged_in_at",
        datetime(2026, 11, 23, 5, 12, tzinfo=UTC),
    ),
    "login time without zone": (
        changed(loginTime="2026-11-23T05:12:00"),
        "logged_in_at",
        datetime(2026, 11, 23, 5, 12, tzinfo=UTC),
    ),
    "login time at the end of days": (
        changed(loginTime="9999-12-31T23:59:59-12:00"),
        "logged_in_at",
        datetime(2026, 11, 23, 5, 12, 9, tzinfo=UTC),
    ),
    "no time at all": (changed({"time": None}, loginTime=None), "logged_in_at", RECEIVED),
}


@pytest.mark.parametrize(("raw", "field", "value"), LENIENT.values(), ids=LENIENT.keys())
def test_what_aws_may_leave_out_or_change_costs_no_login(raw: object, field: str, value: object) -> None:
    assert getattr(login_of(raw), field) == value


def test_without_an_id_a_repeat_is_still_seen_as_one() -> None:
    first, again = login_of(changed({"id": None})), login_of(changed({"id": None}))
    other = login_of(changed({"id": None}, workspaceId="ws-other"))
    assert first.event_id == again.event_id
    assert first.event_id != other.event_id


def test_two_endless_ids_are_not_taken_for_one() -> None:
    assert login_of(changed({"id": "i" * 500 + "1"})).event_id != login_of(changed({"id": "i" * 500 + "2"})).event_id


@pytest.mark.parametrize(
    "person",
    [
        None,
        Person(name="alice", display_name="Alice 😀", email="alice@corp.example"),
        Person(name="EC2AMAZ-1", named_after=NamedAfter.COMPUTER, gap=NameGap.SHARED),
    ],
    ids=["nobody", "a user", "a computer"],
)
def test_a_login_comes_back_from_json_as_it_was(person: Person | None) -> None:
    login = make_login(person=person, address="\u202e<b>\n\x00")
    assert Login.from_json(login.to_json()) == login


def test_a_login_that_a_later_version_wrote_is_still_read() -> None:
    data = json.loads(make_login().to_json())
    data["country"] = "NZ"
    data["person"]["badge"] = 7
    assert Login.from_json(json.dumps(data)) == make_login()


def test_a_computers_name_is_nobodys_user_name() -> None:
    assert make_login().user == "alice"
    assert make_login(person=Person(name="EC2AMAZ-1", named_after=NamedAfter.COMPUTER)).user is None
    assert make_login(person=None).user is None
