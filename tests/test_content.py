"""What a card says of a login, whatever channel draws it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.events import Login, NamedAfter, NameGap, Person
from formatters.base import Audience
from formatters.content import Content, console_url, tell
from formatters.languages import LANGUAGES
from tests.support.logins import make_login

LOGIN = make_login()


def told(*logins: Login, language: str = "en", timezone: str = "UTC") -> Content:
    return tell(logins, Audience(language, timezone))


def facts(content: Content) -> dict[str, str]:
    return {fact.label: fact.text for fact in content.facts}


def test_one_login_says_who_where_from_where_with_what_and_when() -> None:
    content = told(LOGIN, timezone="Asia/Tokyo")
    assert content.headline == "alice logged in – Engineering"
    assert content.summary == "alice logged in – Engineering · 203.0.113.7 · Windows"
    assert facts(content) == {
        "Directory": "Engineering · d-9067000001",
        "From": "203.0.113.7",
        "With": "WorkSpaces Desktop client 5.23.0.1234 · Windows",
        "When": "Mon 23 Nov 2026, 14:12:00 JST · 05:12:00 UTC",
        "WorkSpace": "ws-8n1k2m3p4",
        "Account": "123456789012 · eu-west-1",
    }
    assert content.instant == datetime(2026, 11, 23, 5, 12, tzinfo=UTC)
    assert content.notes == ()
    assert content.groups == ()


def test_the_same_in_japanese() -> None:
    content = told(LOGIN, language="ja", timezone="Asia/Tokyo")
    assert content.headline == "alice がログインしました（Engineering）"
    assert facts(content) == {
        "ディレクトリ": "Engineering · d-9067000001",
        "接続元": "203.0.113.7",
        "クライアント": "WorkSpaces Desktop client 5.23.0.1234 · Windows",
        "日時": "2026年11月23日(月) 14:12:00 JST · 05:12:00 UTC",
        "WorkSpace": "ws-8n1k2m3p4",
        "アカウント": "123456789012 · eu-west-1",
    }


@pytest.mark.parametrize(
    ("different", "label", "text"),
    [
        pytest.param({"address": ""}, "From", "not given", id="no address"),
        pytest.param({"address": "no address"}, "From", "no address", id="address that is none"),
        pytest.param({"address": "2001:db8::7"}, "From", "2001:db8::7", id="IPv6"),
        pytest.param({"directory_name": ""}, "Directory", "d-9067000001", id="directory not listed"),
        pytest.param({"client_version": ""}, "With", "WorkSpaces Desktop client · Windows", id="no version"),
        pytest.param({"client": ""}, "With", "5.23.0.1234 · Windows", id="no product"),
        pytest.param({"client": "", "client_version": "", "platform": ""}, "With", "not given", id="no client"),
        pytest.param({"platform": "OSX"}, "With", "WorkSpaces Desktop client 5.23.0.1234 · macOS", id="macOS"),
        pytest.param({"platform": "VisionOS"}, "With", "WorkSpaces Desktop client 5.23.0.1234 · VisionOS", id="new"),
        pytest.param(
            {
                "client": "Teradici PCoIP Zero Client",
                "platform": "Teradici PCoIP Zero Client and Tera2",
                "client_version": "",
            },
            "With",
            "PCoIP zero client",
            id="zero client, not said twice",
        ),
        pytest.param({"account": ""}, "Account", "eu-west-1", id="no account"),
        pytest.param({"person": Person(name="al", display_name="Al Example")}, "User", "al", id="display name"),
    ],
)
def test_a_fact_is_told_as_it_came_or_said_to_be_missing(different: dict[str, Any], label: str, text: str) -> None:
    assert facts(told(make_login(**different)))[label] == text


def test_what_is_not_known_at_all_takes_no_line() -> None:
    content = told(make_login(account="", region=""))
    assert "Account" not in facts(content)
    assert "User" not in facts(content)
    assert content.link is None


@pytest.mark.parametrize(
    ("person", "headline", "note"),
    [
        pytest.param(
            Person(name="PC-1", named_after=NamedAfter.COMPUTER, gap=NameGap.SHARED),
            "Login to computer PC-1 – Engineering",
            "No user name: the WorkSpace is not assigned to one user. Shown is the computer's name.",
            id="computer",
        ),
        pytest.param(
            Person(name="kiosk", named_after=NamedAfter.WORKSPACE, gap=NameGap.SHARED),
            "Login to WorkSpace kiosk – Engineering",
            "No user name: the WorkSpace is not assigned to one user. Shown is the WorkSpace's name.",
            id="WorkSpace",
        ),
        pytest.param(
            Person(name="ws-8n1k2m3p4", named_after=NamedAfter.ID, gap=NameGap.THROTTLED),
            "Login to ws-8n1k2m3p4 – Engineering",
            "No user name: AWS was too busy to look it up. Shown is the WorkSpace's id.",
            id="id",
        ),
        pytest.param(
            None,
            "Login to ws-8n1k2m3p4 – Engineering",
            "No user name: it was not looked up. Shown is the WorkSpace's id.",
            id="nobody",
        ),
    ],
)
def test_a_name_that_is_no_user_s_is_never_passed_off_as_one(person: Person | None, headline: str, note: str) -> None:
    content = told(make_login(person=person))
    assert content.headline == headline
    assert content.notes == (note,)
    assert "User" not in facts(content)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_reason_for_a_missing_name_is_told_apart(language: str) -> None:
    people = [Person(name="x", named_after=NamedAfter.ID, gap=gap) for gap in (*NameGap, None)]
    notes = [told(make_login(person=person), language=language).notes for person in people]
    assert len(set(notes)) == len(notes)


@pytest.mark.parametrize(
    ("language", "mark", "note"),
    [
        ("en", "[SAMPLE] ", "This is a sample to try the channel out. Nobody logged in."),
        ("ja", "【サンプル】", "通知先の動作確認用サンプルです。実際のログインではありません。"),
    ],
)
def test_a_sample_says_so_in_headline_notification_and_card(language: str, mark: str, note: str) -> None:
    content = told(replace(LOGIN, sample=True), language=language)
    assert content.headline.startswith(mark)
    assert content.summary.startswith(mark)
    assert content.notes == (note,)


def test_among_others_each_sample_is_marked() -> None:
    content = told(LOGIN, replace(LOGIN, sample=True))
    assert content.headline == "2 logins – Engineering"
    assert [row.who for row in content.groups[0].rows] == ["alice", "[SAMPLE] alice"]


@pytest.mark.parametrize(
    ("emitted", "received", "notes"),
    [
        (21, 2, ()),
        (60, 0, ("AWS reported this login 1 min after it happened.",)),
        (3 * 3600, 0, ("AWS reported this login 3 h after it happened.",)),
        (0, 49 * 3600, ("AWS's report took 2 d to reach the bot.",)),
        (-500, -500, ()),
    ],
)
def test_a_login_heard_of_late_says_by_whose_delay(emitted: int, received: int, notes: tuple[str, ...]) -> None:
    emitted_at = LOGIN.logged_in_at + timedelta(seconds=emitted)
    login = replace(LOGIN, emitted_at=emitted_at, received_at=emitted_at + timedelta(seconds=received))
    assert told(login).notes == notes


@pytest.mark.parametrize(
    ("region", "workspace", "url"),
    [
        (
            "eu-west-1",
            "ws-8n1k2m3p4",
            "https://eu-west-1.console.aws.amazon.com/workspaces/v2/workspaces/ws-8n1k2m3p4?region=eu-west-1",
        ),
        (
            "us-gov-west-1",
            "ws-x",
            "https://us-gov-west-1.console.amazonaws-us-gov.com/workspaces/v2/workspaces/ws-x?region=us-gov-west-1",
        ),
        (
            "cn-northwest-1",
            "ws-x",
            "https://cn-northwest-1.console.amazonaws.cn/workspaces/v2/workspaces/ws-x?region=cn-northwest-1",
        ),
        (
            "eu-west-1",
            "ws-a/../b",
            "https://eu-west-1.console.aws.amazon.com/workspaces/v2/workspaces?region=eu-west-1",
        ),
        (
            "eu-west-1",
            "ws-8n1k2m3p4\n",
            "https://eu-west-1.console.aws.amazon.com/workspaces/v2/workspaces?region=eu-west-1",
        ),
        ("evil.example/eu-west-1", "ws-x", ""),
        ("eu-west-1.evil", "ws-x", ""),
        ("eu-west-1\n", "ws-x", ""),
        ("eu-west-１", "ws-x", ""),
        ("", "ws-x", ""),
    ],
)
def test_a_link_is_made_of_nothing_but_a_plain_region_and_id(region: str, workspace: str, url: str) -> None:
    assert console_url(make_login(region=region, workspace_id=workspace)) == url


def test_a_link_says_what_it_opens() -> None:
    labels = [told(make_login(workspace_id=each)).link for each in ("ws-x", "no-workspace")]
    assert [link and link.label for link in labels] == [
        "Open in the AWS console",
        "Open WorkSpaces in the AWS console",
    ]


def test_a_long_name_leaves_room_for_what_happened() -> None:
    content = told(make_login(person=Person(name="x" * 500, display_name="y" * 500), directory_name="z" * 500))
    assert "logged in" in content.headline
    assert len(content.headline) <= 150
    assert facts(content)["User"] == "x" * 79 + "…"


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_time_far_off_is_written_but_left_to_no_macro(year: int) -> None:
    content = told(replace(LOGIN, logged_in_at=datetime(year, 1, 1, tzinfo=UTC)), timezone="Pacific/Chatham")
    assert str(year) in facts(content)["When"] or str(year - 1) in facts(content)["When"]
    assert content.instant is None


# Several logins


def test_several_logins_are_a_row_each_grouped_by_directory() -> None:
    content = told(
        LOGIN,
        make_login(directory_id="d-9067000002", directory_name="", address="", platform="Web"),
        make_login(person=Person(name="bob", display_name="Bob Example"), platform="OSX"),
    )
    assert content.headline == "3 logins"
    assert content.summary == "3 logins · alice, bob"
    assert [(group.title, [(row.who, row.text) for row in group.rows]) for group in content.groups] == [
        ("Engineering", [("alice", "203.0.113.7 · Windows · 05:12:00"), ("bob", "203.0.113.7 · macOS · 05:12:00")]),
        ("d-9067000002", [("alice", "not given · Web · 05:12:00")]),
    ]


def test_the_notification_names_a_few_and_counts_the_rest() -> None:
    logins = [make_login(person=Person(name=name)) for name in ("a", "b", "c", "d", "e", "a")]
    assert told(*logins).summary == "6 logins – Engineering · a, b, c and 2 more"
    assert told(*logins, language="ja").summary == "ログイン 6 件（Engineering） · a、b、c ほか 2 名"


def test_rows_without_a_user_s_name_are_counted_by_their_reason() -> None:
    shared = Person(name="PC-1", named_after=NamedAfter.COMPUTER, gap=NameGap.SHARED)
    content = told(LOGIN, *[make_login(person=shared)] * 2, make_login(person=None))
    assert content.notes == (
        "2 without a user name: the WorkSpace is not assigned to one user.",
        "1 without a user name: it was not looked up.",
    )


def test_no_login_is_ever_left_out() -> None:
    logins = [make_login(person=Person(name=f"user{number}")) for number in range(2_000)]
    content = told(*logins)
    assert sum(len(group.rows) for group in content.groups) == 2_000


def test_the_link_of_several_logins_is_their_region_s_list_where_they_share_one() -> None:
    link = told(LOGIN, LOGIN).link
    assert link is not None
    assert link.url == "https://eu-west-1.console.aws.amazon.com/workspaces/v2/workspaces?region=eu-west-1"
    assert told(LOGIN, make_login(region="us-east-1")).link is None
    assert told(make_login(region="x/y"), make_login(region="x/y")).link is None


def test_a_display_name_that_says_no_more_than_the_users_name_is_not_said_twice() -> None:
    login = make_login(person=Person(name="alice", display_name="alice"))
    assert tell([login], Audience()).facts[0].label == "Directory"


MANY = [make_login(event_id=f"e-{number}", platform="Windows" if number < 7 else "Web") for number in range(10)]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_digest_cut_short_says_how_many_more_and_with_what(language: str) -> None:
    content = tell(MANY, Audience(language=language, max_rows=4))
    assert sum(len(group.rows) for group in content.groups) == 4
    expected = {"en": "And 6 more: Windows 3, Web 3.", "ja": "ほか 6 件: Windows 3 件、Web 3 件。"}
    assert content.notes[0] == expected[language]
    assert "10" in content.headline


def test_rows_of_one_directory_are_under_its_name_where_those_of_another_were_cut() -> None:
    finance = make_login(directory_id="d-9067000002", directory_name="Finance")
    content = tell([*MANY, finance], Audience(max_rows=4))
    assert [group.title for group in content.groups] == ["Engineering"]
    assert "Engineering" not in content.headline


def test_a_digest_that_is_not_cut_says_nothing_of_more() -> None:
    assert tell(MANY, Audience(max_rows=10)).notes == ()


def test_a_fallback_hears_which_destination_could_not_be_told_and_why() -> None:
    lost = [make_login(given_up_by="audit-mail", given_up_why="SNS answered 403: Denied") for _ in range(2)]
    assert tell(lost[:1], Audience()).notes == ("audit-mail could not be told of this login: SNS answered 403: Denied",)
    assert tell(lost, Audience()).notes == (
        "audit-mail could not be told of 2 of these logins: SNS answered 403: Denied",
    )
