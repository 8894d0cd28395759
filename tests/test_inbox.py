"""The inbox: what its page and programs on this machine can do, and what nobody else can."""

import json
import re
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.cli.inbox.guard import MAX_BODY_BYTES
from bot.cli.inbox.local import shelf_beside
from bot.cli.inbox.serving import listening
from bot.cli.inbox.shelf import KEPT_CARDS, Shelf, Shelved
from bot.cli.show import Mistake
from tests.support.bots import event_of
from tests.support.cli import invoke
from tests.support.clock import FakeClock
from tests.support.inbox import JSON, ROUTES, RunningInbox, inbox
from tests.support.logins import event

ALICE = {
    "directory": "d-9067000001",
    "user": "alice",
    "platform": "Windows",
    "product": "WorkSpaces Desktop client",
    "address": "203.0.113.7",
}
FINANCE = ALICE | {"directory": "d-9067000002", "user": "bob"}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningInbox]:
    with inbox(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningInbox]:
    """One for all tests that leave nothing behind."""
    with inbox(tmp_path_factory.mktemp("inbox")) as started:
        yield started


def send(running: RunningInbox, login: Any, count: int = 1) -> Any:
    said = running.page_posts("/send", {"login": login, "count": count})
    assert said.status == 200, said.text
    return said.json


def columns(running: RunningInbox) -> dict[str, Any]:
    return {column["name"]: column for column in running.get("/state")["columns"]}


# A login


def test_a_login_that_is_sent_becomes_a_card_in_its_column_with_all_that_is_known_of_it(running: RunningInbox) -> None:
    assert send(running, ALICE)["said"] == "1 login, heard by eng-slack"
    running.bot.tell()
    (card,) = running.cards("eng-slack")
    assert "alice logged in – Engineering" in json.dumps(card["payload"], ensure_ascii=False)
    assert card["kind"] == "slack"
    assert (card["outcome"], card["until"]) == ("sent", None)
    assert (card["room"], card["unit"]) == (13_000, "characters")
    assert 0 < card["used"] < 13_000
    why = {"why": "directories.d-9067000001", "because": "Engineering → eng-slack", "logins": 1}
    assert card["why"] == [why]
    assert card["who"] == ["alice · Engineering · Windows"]
    assert running.cards("ops-slack") == []


def test_every_destination_draws_in_its_own_form_and_language(running: RunningInbox) -> None:
    send(running, FINANCE)
    running.bot.tell()
    teams, mail = running.cards("it-teams")[0], running.cards("audit-mail")[0]
    assert (teams["kind"], mail["kind"]) == ("teams", "mail")
    assert "ログイン" in json.dumps(teams["payload"], ensure_ascii=False)
    assert "bob" in mail["payload"]["subject"]


def test_a_login_that_nobody_hears_of_says_so(running: RunningInbox) -> None:
    assert send(running, ALICE | {"user": "svc-backup"})["said"] == "1 login, heard by nobody"


def test_hundreds_at_once_become_a_few_digests_under_the_channels_pace(running: RunningInbox) -> None:
    send(running, ALICE, 500)
    assert columns(running)["eng-slack"]["waiting"] == 500
    while columns(running)["eng-slack"]["waiting"]:
        running.bot.tell()
    cards = running.cards("eng-slack")
    assert sum(card["logins"] for card in cards) == 500
    assert len(cards) < 20
    assert max(card["used"] for card in cards) <= 13_000
    assert cards[-1]["who"][:2] == ["alice · Engineering · Windows", "alice-2 · Engineering · Windows"]


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        ("busy", "again", "429: asks to wait 20 s"),
        ("silent", "unsure", "no answer came in time"),
        ("gone", "dead", "404: no such channel"),
    ],
)
def test_a_channel_can_be_made_to_refuse_and_what_follows_is_shown(
    running: RunningInbox, answer: str, outcome: str, reason: str
) -> None:
    assert running.page_posts("/answer", {"destination": "it-teams", "answer": answer}).status == 200
    send(running, FINANCE)
    running.bot.tell()
    (card,) = running.cards("it-teams")
    assert (card["outcome"], card["reason"]) == (outcome, reason)
    following = {"again": 20.0, "unsure": 3.0, "dead": None}[outcome]
    assert card["until"] == (following and card["told_at"] + following)
    assert columns(running)["it-teams"]["next"] == card["until"]


def test_a_card_that_was_not_taken_gives_way_to_the_one_that_was(running: RunningInbox) -> None:
    running.page_posts("/answer", {"destination": "it-teams", "answer": "busy"})
    send(running, FINANCE)
    running.bot.tell()
    rev = running.get("/state")["rev"]
    running.page_posts("/answer", {"destination": "it-teams", "answer": "takes"})
    clock = running.bot.clock
    assert isinstance(clock, FakeClock)
    clock.advance(20)
    running.bot.tell()
    (card,) = running.cards("it-teams")
    assert card["outcome"] == "sent"
    changes = running.get(f"/changes?since={rev}")["cards"]
    assert [(each["outcome"], each["overtaken"]) for each in changes if each["destination"] == "it-teams"] == [
        ("again", True),
        ("sent", False),
    ]


def test_a_fallback_shows_whose_it_is_and_who_it_is_about(running: RunningInbox) -> None:
    running.page_posts("/answer", {"destination": "it-teams", "answer": "gone"})
    send(running, FINANCE)
    running.bot.tell()
    running.bot.tell()
    (card,) = running.cards("ops-slack")
    assert card["why"] == [{"why": "fallback of it-teams", "because": "it-teams gave it up", "logins": 1}]
    assert card["who"] == ["bob · Finance · Windows"]


def test_a_restart_finds_every_card_again(tmp_path: Path) -> None:
    with inbox(tmp_path) as first:
        send(first, ALICE)
        first.bot.tell()
        before = first.cards("eng-slack")
    with inbox(tmp_path) as second:
        assert second.cards("eng-slack") == before
        assert columns(second)["eng-slack"]["cards"] == 1


# A look at a login


def test_a_look_tells_who_would_hear_why_and_the_card_in_each_language_and_sends_nothing(
    standing: RunningInbox,
) -> None:
    found = standing.page_posts("/look", {"login": FINANCE}).json
    assert found["hears"] == {"it-teams": "directories.d-9067000002", "audit-mail": "directories.d-9067000002"}
    assert [step["matched"] for step in found["steps"]] == [False, True]
    assert found["steps"][0]["because"] == "wants user svc-*; user is bob"
    teams = found["cards"][0]
    assert [each["language"] for each in teams["languages"]] == ["ja", "en"]
    assert "bob logged in" in json.dumps(teams["languages"][1]["payload"])
    assert columns(standing)["it-teams"]["waiting"] == 0


def test_a_look_at_another_routing_text_changes_nothing(standing: RunningInbox) -> None:
    elsewhere = ROUTES.replace("notify: [eng-slack]", "notify: [ops-slack]")
    assert standing.page_posts("/look", {"login": ALICE, "routes": elsewhere}).json["hears"] == {
        "ops-slack": "directories.d-9067000001"
    }
    assert standing.page_posts("/look", {"login": ALICE}).json["hears"] == {"eng-slack": "directories.d-9067000001"}
    assert standing.routes.read_text() == ROUTES


def test_the_mistakes_of_another_routing_text_are_at_their_lines(standing: RunningInbox) -> None:
    broken = ROUTES.replace("default: [ops-slack]", "default: [ops-slak]")
    (fault,) = standing.page_posts("/look", {"login": ALICE, "routes": broken}).json["faults"]
    assert fault["line"] == 9
    assert "did you mean 'ops-slack'?" in fault["text"]


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        ("alice", "login is not an object"),
        ({"user": 7}, "login.user is not text"),
        (ALICE | {"time": "tomorrow"}, "time 'tomorrow' is none; write it as 2026-11-23T05:12:00Z"),
        (
            ALICE | {"time": "9999-12-31T23:59:59Z"},
            "time '9999-12-31T23:59:59Z' is none; write it as 2026-11-23T05:12:00Z",
        ),
        (ALICE | {"directory": ""}, "detail.directoryId is missing"),
        ({"event": {"detail-type": "Other"}}, "detail-type is 'Other', not 'WorkSpaces Access'"),
    ],
    ids=["no object", "no text", "no time", "the end of time", "no directory", "another event"],
)
def test_a_form_that_is_no_login_is_refused_with_its_reason(standing: RunningInbox, login: Any, reason: str) -> None:
    said = standing.page_posts("/look", {"login": login})
    assert (said.status, said.json) == (400, {"error": reason})


def test_half_a_character_that_no_channel_can_encode_is_replaced(standing: RunningInbox) -> None:
    said = standing.page_posts("/look", {"login": ALICE | {"user": "al\ud83d"}})
    assert said.json["summary"].startswith("al? · Engineering")


def test_a_pasted_event_goes_as_it_is_and_is_said_once(running: RunningInbox) -> None:
    pasted = {"event": event_of(1)}
    assert send(running, pasted)["said"] == "1 login, heard by eng-slack"
    assert "1 known already" in send(running, pasted)["said"]
    running.bot.tell()
    assert [card["who"] for card in running.cards("eng-slack")] == [["alice · Engineering · Windows"]]


# The routing file


def test_a_change_of_the_routing_file_is_followed_and_a_mistake_leaves_the_last_good_one_in_force(
    running: RunningInbox,
) -> None:
    running.routes.write_text(ROUTES.replace("notify: [eng-slack]", "notify: [eng-slak]"))
    running.bot.look()
    (fault,) = running.get("/state")["routing"]["faults"]
    assert fault["line"] == 7
    assert "did you mean 'eng-slack'?" in fault["text"]
    assert send(running, ALICE)["said"] == "1 login, heard by eng-slack"
    running.routes.write_text(ROUTES.replace("notify: [eng-slack]", "notify: [ops-slack]"))
    running.bot.look()
    assert running.get("/state")["routing"]["faults"] == []
    assert send(running, ALICE)["said"] == "1 login, heard by ops-slack"


def test_a_routing_file_that_is_gone_is_said_and_the_last_good_one_stays(running: RunningInbox) -> None:
    running.routes.unlink()
    running.bot.look()
    (fault,) = running.get("/state")["routing"]["faults"]
    assert (fault["line"], "there is no file" in fault["text"]) == (None, True)
    assert send(running, ALICE)["said"] == "1 login, heard by eng-slack"


def test_no_page_shows_the_text_of_a_routing_file_with_a_secret_in_plain(running: RunningInbox) -> None:
    secret = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
    running.routes.write_text(ROUTES.replace("ssm:/hook/eng", secret))
    running.bot.look()
    said = running.ask("GET", "/state")
    assert said.json["routing"]["faults"][0]["line"] == 2
    assert "XXXX" not in said.text


# Programs


def test_a_program_posts_an_array_and_hears_what_became_of_each(running: RunningInbox) -> None:
    known, nobody = event_of(1), event_of(2, workspaceId="ws-nobody0001")
    running.program_posts(known)
    said = running.program_posts([known, nobody, {"detail-type": "Other"}])
    assert said.status == 200
    assert [each["became"] for each in said.json["events"]] == ["known already", "kept", "refused"]
    assert said.json["events"][1]["hears"] == {"eng-slack": "directories.d-9067000001"}
    assert said.json["events"][2]["reason"] == "detail-type is 'Other', not 'WorkSpaces Access'"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"7", "not a JSON object but a number"),
        (json.dumps(event() | {"source": "aws.ec2"}).encode(), "source is 'aws.ec2'"),
    ],
    ids=["cut off", "no UTF-8", "too deep", "no object", "another source"],
)
def test_garbage_is_refused_with_its_reason_and_only_the_refusal_is_kept(
    running: RunningInbox, body: bytes, reason: str
) -> None:
    said = running.program_posts(body)
    assert said.status == 400
    assert reason in said.text
    state = running.get("/state")
    assert [reason in each["reason"] for each in state["refusals"]] == [True]
    assert all(column["waiting"] == 0 and column["cards"] == 0 for column in state["columns"])


def test_a_body_that_is_too_large_is_read_no_further(standing: RunningInbox) -> None:
    said = standing.program_posts(b" " * (MAX_BODY_BYTES + 1))
    assert said.status == 413
    assert "send fewer events at once" in said.text


# Everybody else


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8080"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": ""}, 415),
    ],
    ids=lambda value: " ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else "",
)
def test_nobody_else_posts_here(standing: RunningInbox, headers: dict[str, str], status: int) -> None:
    said = standing.program_posts(event(), **headers)
    assert (said.status, list(said.json)) == (status, ["error"])
    assert columns(standing)["eng-slack"]["waiting"] == 0


@pytest.mark.parametrize("path", ["/events", "/send", "/look", "/answer"])
def test_a_page_without_the_token_posts_nothing_even_from_our_own_origin(standing: RunningInbox, path: str) -> None:
    said = standing.ask("POST", path, event(), Origin=standing.url, **JSON)
    assert said.status == 403
    assert "token" in said.json["error"]


@pytest.mark.parametrize(
    ("path", "dest", "status"),
    [("/", "document", 200), ("/", "iframe", 403), ("/", "empty", 403), ("/state", "document", 403)],
    ids=["a link", "a frame", "a fetch", "a link to more than the page"],
)
def test_a_link_on_another_site_opens_the_page_and_nothing_else_of_it_does(
    standing: RunningInbox, path: str, dest: str, status: int
) -> None:
    assert standing.ask("GET", path, Sec_Fetch_Site="cross-site", Sec_Fetch_Dest=dest).status == status


@pytest.mark.parametrize("path", ["/", "/state", "/cards?destination=eng-slack", "/stream"])
def test_a_name_that_was_made_to_lead_here_reads_nothing(standing: RunningInbox, path: str) -> None:
    assert standing.ask("GET", path, Host="evil.example").status == 421


def test_every_answer_forbids_what_a_page_should_not_do(standing: RunningInbox) -> None:
    for said in (
        standing.ask("GET", "/"),
        standing.ask("GET", "/nothing"),
        standing.ask("GET", "/", Host="evil.example"),
    ):
        policy = said.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert said.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in said.headers


def test_the_page_bears_the_token_and_no_script_of_its_own(standing: RunningInbox) -> None:
    page = standing.ask("GET", "/")
    assert standing.token in page.text
    assert page.text.count("<script") == page.text.count('<script type="module" src="/built/inbox.js">') == 1
    assert "style=" not in page.text


def test_a_fault_of_the_inbox_itself_is_said_as_every_other_reason_is(running: RunningInbox) -> None:
    del running.bot.answers
    said = running.ask("GET", "/state")
    assert (said.status, list(said.json)) == (500, ["error"])
    assert "AttributeError" in said.json["error"]


def test_an_open_page_hears_that_something_is_new(running: RunningInbox) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as line:
        line.sendall(f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n\r\n".encode())
        heard = b""
        while b"data: hello" not in heard:
            heard += line.recv(4096)
        assert b"text/event-stream" in heard
        send(running, ALICE)
        while b"data: new" not in heard:
            heard += line.recv(4096)


# The shelf


def card(number: int) -> Shelved:
    return Shelved(
        destination="eng",
        kind="slack",
        told_at=float(number),
        outcome="sent",
        reason="",
        until=None,
        event_ids=(f"event-{number}",),
        payload={"number": number},
    )


def test_the_shelf_hands_its_cards_out_newest_first_page_by_page(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    for number in range(7):
        shelf.add(card(number))
    first = shelf.page("eng", before=None, limit=3)
    second = shelf.page("eng", before=first[-1]["id"], limit=3)
    assert [each["payload"]["number"] for each in first + second] == [6, 5, 4, 3, 2, 1]
    shelf.close()


def test_the_shelf_forgets_the_oldest_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KEPT_CARDS >= 1000
    monkeypatch.setattr("bot.cli.inbox.shelf.KEPT_CARDS", 2)
    shelf = Shelf(tmp_path / "shelf")
    for number in range(4):
        shelf.add(card(number))
    assert [each["payload"]["number"] for each in shelf.page("eng", before=None, limit=9)] == [3, 2]
    shelf.close()


def test_somebody_elses_file_is_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "shelf")
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(Mistake, match="an SQLite file of something else"):
        Shelf(tmp_path / "shelf").rev()


# The command


def test_the_server_listens_on_loopback_alone() -> None:
    with listening(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_demo_that_nobody_watches_ends_and_says_how_to_see_the_inbox(tmp_path: Path) -> None:
    result = invoke("demo", "--state", tmp_path / "demo.sqlite")
    assert result.exit_code == 0
    assert re.search(r"^In the browser, with logins of your own: \S+ -m bot demo --serve$", result.stdout, re.MULTILINE)


def test_what_a_demo_showed_is_in_the_inbox_with_its_reasons(tmp_path: Path) -> None:
    invoke("demo", "--state", tmp_path / "demo.sqlite")
    shelf = Shelf(shelf_beside(str(tmp_path / "demo.sqlite")))
    assert shelf.counts() == {"eng-slack": 2, "ops-slack": 2, "it-teams": 2, "audit-mail": 2}
    assert {each["why"] for card in shelf.page("ops-slack", before=None, limit=9) for each in card["why"]} == {
        "routes[1]",
        "default",
    }
    shelf.close()


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path, page_is_built: None) -> None:
    (tmp_path / "routes.yml").write_text(ROUTES)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = invoke(
            "inbox", "--routes", tmp_path / "routes.yml", "--state", tmp_path / "s.sqlite", "--port", str(port)
        )
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: port {port} on 127.0.0.1 can't be had (Address already in use); name another with --port\n"
    )


def test_a_page_that_is_not_built_is_said_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cli.inbox.serving.BUILT", tmp_path / "built")
    result = invoke("inbox", "--routes", tmp_path / "routes.yml")
    assert result.exit_code == 1
    assert "run `make web` once" in result.stderr


@pytest.fixture
def page_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cli.inbox.serving.BUILT", tmp_path)
