"""The operator's side: the routing file and the state asked, cards looked at, with an honest exit code."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from bot.cli import app
from bot.clock import SystemClock
from bot.outbox.base import Row
from bot.outbox.sqlite import SqliteOutbox
from bot.senders.base import Verdict
from tests.support.cli import CONSOLE_ROUTES, ROOT, USERS, command, invoke, shell, spawn, write
from tests.support.logins import event, make_login
from tests.support.outbox_stores import FREE
from tests.support.providers import Answer, How, Provider, refused_address


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    return write(tmp_path, "routes.yml", CONSOLE_ROUTES)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return write(tmp_path, "users.csv", USERS)


def an_event(folder: Path, name: str = "seed", **detail: Any) -> Path:
    raw = event(name)
    raw["detail"] |= detail
    return write(folder, f"{name}.json", raw)


# help and exit codes


def commands() -> Iterator[tuple[str, ...]]:
    """Every command there is, by the words that call it."""

    def below(group: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, found in group.commands.items():
            if hasattr(found, "commands"):
                yield from below(found, (*words, name))
            else:
                yield (*words, name)

    yield from below(typer.main.get_command(app), ())


COMMANDS = sorted(commands())


def test_there_are_the_commands_that_are_documented() -> None:
    assert [" ".join(words) for words in COMMANDS] == [
        "check",
        "compile",
        "dead-letters list",
        "dead-letters replay",
        "demo",
        "deploy",
        "explain",
        "hold",
        "inbox",
        "matrix",
        "preview",
        "release",
        "remove",
        "run",
        "schema",
        "send-test",
        "status",
    ]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_commands_help_opens_with_its_purpose_and_ends_with_an_example(words: tuple[str, ...]) -> None:
    result = invoke(*words, "--help")
    shown = " ".join(result.stdout.split())
    purpose = shown.partition(f"python -m bot {' '.join(words)}")[2]
    assert result.exit_code == 0
    assert re.search(r"[A-Z][^.]{20,}\.", purpose), "no sentence says what it is for"
    assert f"Example: {'SLACK' if words == ('demo',) else 'python -m bot ' + ' '.join(words)}" in shown


@pytest.mark.parametrize("words", [(), *COMMANDS, ("dead-letters",)], ids=" ".join)
def test_no_help_shows_a_value_beside_a_flag(words: tuple[str, ...]) -> None:
    assert "bool" not in invoke(*words, "--help").stdout


def test_the_help_lists_the_exit_codes() -> None:
    shown = " ".join(invoke("--help").stdout.split())
    assert "Exit codes: 0 done, 1 something is wrong and was said, 2 the command was typed wrong, 130 stopped" in shown


TYPED_WRONG = {
    "no such command": ("chek",),
    "no such option": ("check", "--rout", "x"),
    "a missing option": ("explain",),
    "a missing argument": ("send-test",),
    "nothing at all": (),
}


@pytest.mark.parametrize("arguments", TYPED_WRONG.values(), ids=TYPED_WRONG.keys())
def test_a_command_typed_wrong_ends_with_2(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "no routing file": (("matrix", "--routes", "nowhere.yml"), "nowhere.yml: there is no file 'nowhere.yml'"),
    "no event file": (("explain", "--event", "nowhere.json"), "nowhere.json can't be read: no such file"),
    "an event file that is a folder": (("explain", "--event", "."), ". can't be read: is a directory"),
    "an event that is no JSON": (("explain", "--event", "broken.json"), "broken.json: not JSON: expecting value at"),
    "no login": (("explain", "--event", "foreign.json"), "foreign.json: no WorkSpaces login: detail-type is missing"),
    "two events": (("explain", "--event", "two.json"), "two.json holds 2 events, and this command wants one"),
    "no list of users": (("explain", "--event", "seed.json", "--users", "nowhere.csv"), "nowhere.csv: can't be read"),
    "a destination misspelt": (("send-test", "opps"), "no destination 'opps' in routes.yml; did you mean 'ops'?"),
    "a destination made up": (("send-test", "zzz"), "no destination 'zzz' in routes.yml; there are eng, ops, it"),
    "no state": (("status", "--state", "nowhere.sqlite"), "there is no state at nowhere.sqlite"),
    "no dead letters' state": (("dead-letters", "list", "--state", "no.sqlite"), "there is no state at no.sqlite"),
    "a hold misspelt": (("hold", "opps"), "no destination 'opps' in routes.yml; did you mean 'ops'?"),
    "a release without a state": (("release", "ops", "--state", "no.sqlite"), "there is no state at no.sqlite"),
    "a replay to nowhere": (("dead-letters", "replay", "--to", "zz"), "no destination 'zz' in routes.yml; there are"),
    "a replay without a state": (("dead-letters", "replay", "--state", "no.sqlite"), "there is no state at no.sqlite"),
    "a state that is none": (("status", "--state", "routes.yml"), "routes.yml"),
}


@pytest.mark.parametrize(("arguments", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
@pytest.mark.usefixtures("routes")
def test_an_operators_mistake_is_one_sentence_on_standard_error(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    an_event(tmp_path)
    write(tmp_path, "broken.json", '{"detail": ')
    write(tmp_path, "foreign.json", {"a": 1})
    write(tmp_path, "two.json", [event(), event()])
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert sentence in result.stderr


def test_looking_at_a_state_that_is_not_there_makes_none(tmp_path: Path) -> None:
    assert invoke("status", "--state", tmp_path / "state.sqlite").exit_code == 1
    assert list(tmp_path.iterdir()) == []


# check, schema


def test_check_says_what_a_good_file_holds(routes: Path) -> None:
    result = invoke("check", routes)
    assert result.exit_code == 0
    assert result.stdout == f"ok {routes}: 3 destinations, 3 directories, 3 routes, no tests of its own\n"


def test_check_names_the_file_by_argument_option_or_environment(routes: Path, tmp_path: Path) -> None:
    told = {
        invoke("check", routes, "--routes", tmp_path / "other.yml").stdout,
        invoke("check", "--routes", routes).stdout,
        invoke("check", ROUTES=str(routes)).stdout,
    }
    assert len(told) == 1


def test_check_passes_the_example_that_is_shipped() -> None:
    result = invoke("check", ROOT / "routes.example.yml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "4 tests passed" in result.stdout


BROKEN = "destinations: {ops: {type: consol}}\ndefault: [opps]\nsurprise: 1\n"


def test_check_lists_every_mistake_on_its_own_line_and_ends_with_1(tmp_path: Path) -> None:
    path = write(tmp_path, "broken.yml", BROKEN)
    result = invoke("check", path)
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["line 1", "line 2", "line 3"]
    assert result.stderr == f"error: {path}: 3 mistakes\n"


@pytest.mark.parametrize(
    "words", [("matrix",), ("explain", "--event", "E"), ("send-test", "ops"), ("run", "E")], ids=str
)
def test_every_other_command_lists_every_mistake_too_and_does_nothing(words: tuple[str, ...], tmp_path: Path) -> None:
    path = write(tmp_path, "broken.yml", BROKEN)
    result = invoke(*words, "--routes", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count(f"error: {path}: line ") == 3


def test_whoever_has_no_routing_file_yet_is_told_how_to_come_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = "there is no file 'routes.yml'; name one with --routes or ROUTES"
    bare = invoke("check")
    write(tmp_path, "routes.example.yml", CONSOLE_ROUTES)
    cure = f"{missing}; to start with the example: cp routes.example.yml routes.yml\n"
    checked, other = invoke("check"), invoke("matrix")
    assert (bare.exit_code, bare.stdout, bare.stderr) == (1, f"{missing}\n", "")
    assert (checked.exit_code, checked.stdout, checked.stderr) == (1, cure, "")
    assert (other.exit_code, other.stdout, other.stderr) == (1, "", f"error: routes.yml: {cure}")
    assert "cp " not in invoke("check", write(tmp_path, "broken.yml", BROKEN)).output


def test_schema_prints_json_schema_alone() -> None:
    printed = json.loads(invoke("schema").stdout)
    assert printed["$schema"].startswith("https://json-schema.org/")
    assert "destinations" in printed["properties"]


# explain


def explained(folder: Path, routes: Path, *more: object, **detail: Any) -> Any:
    raw = an_event(folder, **detail)
    return json.loads(invoke("explain", "--event", raw, "--routes", routes, "--json", *more).stdout)


STEPS: dict[str, tuple[dict[str, Any], tuple[str, ...], list[tuple[str, str]], dict[str, str]]] = {
    "a directory decides": (
        {},
        ("--user", "alice"),
        [
            ("no routes[0]", "wants user svc-*; user is alice"),
            ("no routes[1]", "wants platform Web; platform is Windows"),
            ("no routes[2]", "wants region us-west-2; region is eu-west-1"),
            ("yes directories.d-9067000001", "Engineering → eng"),
        ],
        {"eng": "directories.d-9067000001"},
    ),
    "silence on purpose": (
        {},
        ("--user", "SVC-backup"),
        [("yes routes[0]", "user svc-* → nobody, on purpose")],
        {},
    ),
    "a route adds": (
        {"clientPlatform": "Web", "clientIpAddress": "198.51.100.9", "directoryId": "d-9067000002"},
        ("--user", "bob"),
        [
            ("no routes[0]", "wants user svc-*; user is bob"),
            ("yes routes[1]", "platform Web; network 198.51.100.0/24 → adds ops"),
            ("no routes[2]", "wants region us-west-2; region is eu-west-1"),
            ("yes directories.d-9067000002", "Finance → it, ops"),
        ],
        {"ops": "routes[1]", "it": "directories.d-9067000002"},
    ),
    "an address is missing": (
        {"clientPlatform": "Web", "clientIpAddress": ""},
        ("--user", "bob"),
        [
            ("no routes[0]", "wants user svc-*; user is bob"),
            ("no routes[1]", "wants network 198.51.100.0/24; network is not known"),
            ("no routes[2]", "wants region us-west-2; region is eu-west-1"),
            ("yes directories.d-9067000001", "Engineering → eng"),
        ],
        {"eng": "directories.d-9067000001"},
    ),
    "nobody knows the user": (
        {"directoryId": "d-9067000099"},
        (),
        [
            ("no routes[0]", "wants user svc-*; user is not known"),
            ("no routes[1]", "wants platform Web; platform is Windows"),
            ("no routes[2]", "wants region us-west-2; region is eu-west-1"),
            ("yes default", "d-9067000099 is not listed under directories → ops"),
        ],
        {"ops": "default"},
    ),
    "a directory without notify": (
        {"directoryId": "d-9067000003"},
        ("--user", "bob"),
        [
            ("no routes[0]", "wants user svc-*; user is bob"),
            ("no routes[1]", "wants platform Web; platform is Windows"),
            ("no routes[2]", "wants region us-west-2; region is eu-west-1"),
            ("no directories.d-9067000003", "Attic has no notify of its own"),
            ("yes default", "everything else → ops"),
        ],
        {"ops": "default"},
    ),
}


@pytest.mark.parametrize("case", STEPS.values(), ids=STEPS.keys())
def test_explain_says_what_each_step_wanted_and_what_the_login_was(case: Any, tmp_path: Path, routes: Path) -> None:
    detail, more, steps, notify = case
    told = explained(tmp_path, routes, *more, **detail)
    seen = [(f"{'yes' if step['matched'] else 'no'} {step['step']}", step["because"]) for step in told["steps"]]
    assert seen == steps
    assert told["notify"] == notify


NOTS = {
    "not user, and the user is that one": (("--user", "bob"), "wants user other than bob; user is bob"),
    "not user, and nobody knows the user": (
        (),
        "wants to know the user's name; nobody's name is known, and nothing is decided by a guess",
    ),
    "not user, and it is another": (("--user", "eve"), "region us-west-2; not (user bob) → eng"),
}


@pytest.mark.parametrize(("more", "because"), NOTS.values(), ids=NOTS.keys())
def test_explain_words_what_a_not_asks(more: tuple[str, ...], because: str, tmp_path: Path, routes: Path) -> None:
    raw = write(tmp_path, "west.json", event() | {"region": "us-west-2"})
    told = json.loads(invoke("explain", "--event", raw, "--routes", routes, "--json", *more).stdout)
    assert told["steps"][2]["because"] == because


def test_explain_words_a_not_of_several_keys(tmp_path: Path) -> None:
    text = CONSOLE_ROUTES.replace("not: {user: bob}", "not: {user: bob, platform: Windows}").replace(
        "us-west-2", "eu-west-1"
    )
    told = explained(tmp_path, write(tmp_path, "routes.yml", text), "--user", "bob")
    assert told["steps"][2]["because"] == "wants none with user bob; platform Windows; this is one"


def test_explain_takes_the_name_from_the_list_and_the_option_beats_it(
    tmp_path: Path, routes: Path, users: Path
) -> None:
    assert explained(tmp_path, routes, "--users", users)["user"] == "alice"
    assert explained(tmp_path, routes, "--users", users, "--user", "carol")["user"] == "carol"


def test_explain_reads_the_event_from_standard_input(routes: Path) -> None:
    result = invoke(
        "explain", "--event", "-", "--routes", routes, "--user", "alice", stdin=json.dumps(event(), indent=2)
    )
    assert result.exit_code == 0
    assert re.search(r"^eng +directories.d-9067000001", result.stdout, re.MULTILINE)


def test_explain_says_that_a_name_is_missing_on_standard_error(tmp_path: Path, routes: Path) -> None:
    result = invoke("explain", "--event", an_event(tmp_path), "--routes", routes)
    assert result.exit_code == 0
    assert "give --user or --users" in result.stderr


def test_explain_says_nobody_where_a_route_is_silent(tmp_path: Path, routes: Path) -> None:
    shown = invoke("explain", "--event", an_event(tmp_path), "--routes", routes, "--user", "svc-x").stdout
    assert re.search(r"^nobody +silent on purpose", shown, re.MULTILINE)


# matrix


def test_matrix_marks_who_hears_of_which_directory(routes: Path) -> None:
    shown = invoke("matrix", "--routes", routes).stdout
    rows = {line.split()[0]: re.findall("[●·]", line) for line in shown.splitlines() if "·" in line}
    assert rows == {
        "d-9067000001": ["●", "·", "·"],
        "d-9067000002": ["·", "●", "●"],
        "d-9067000003": ["·", "●", "·"],
        "default": ["·", "●", "·"],
    }
    assert re.search(r"^routes\[0\] +user svc-\* +nobody, on purpose", shown, re.MULTILINE)
    assert re.search(r"^routes\[1\] .* adds ops", shown, re.MULTILINE)


def test_matrix_lists_the_names_where_the_columns_do_not_fit(routes: Path) -> None:
    shown = invoke("matrix", "--routes", routes, COLUMNS="44").stdout
    assert "●" not in shown
    assert "it, ops" in " ".join(shown.split())


def test_matrix_as_json_holds_the_same(routes: Path) -> None:
    printed = json.loads(invoke("matrix", "--routes", routes, "--json").stdout)
    assert printed["directories"][1] == {"directory": "d-9067000002", "name": "Finance", "notify": ["it", "ops"]}
    assert printed["directories"][-1]["directory"] == "default"
    assert [route["continue"] for route in printed["routes"]] == [False, True, False]


# preview, send-test


def test_preview_draws_the_card_of_that_destination(tmp_path: Path, routes: Path) -> None:
    shown = invoke("preview", "--event", an_event(tmp_path), "--to", "it", "--user", "alice", "--routes", routes)
    assert shown.exit_code == 0
    assert "╭─ it · Teams ─" in shown.stdout
    assert "ディレクトリ  Engineering" in shown.stdout
    assert re.search(r"^size +[\d,]+ of 20,000 bytes$", shown.stdout, re.MULTILINE)
    assert shown.stderr == "note: it would not hear of this login; `explain` says why\n"


def test_preview_shows_the_line_on_the_phone_where_the_channel_has_one(tmp_path: Path, routes: Path) -> None:
    shown = invoke("preview", "--event", an_event(tmp_path), "--to", "eng", "--user", "alice", "--routes", routes)
    assert re.search(r"^notification +alice logged in", shown.stdout, re.MULTILINE)
    assert shown.stderr == ""


def test_preview_of_an_old_file_says_nothing_of_its_age(tmp_path: Path, routes: Path) -> None:
    old = write(tmp_path, "old.json", event() | {"time": "2020-01-01T00:00:00Z"})
    shown = invoke("preview", "--event", old, "--to", "eng", "--user", "alice", "--routes", routes)
    assert shown.exit_code == 0
    assert "report" not in shown.stdout


def test_preview_as_json_is_the_payload_alone(tmp_path: Path, routes: Path) -> None:
    shown = invoke(
        "preview", "--event", an_event(tmp_path), "--to", "it", "--user", "alice", "--routes", routes, "--json"
    )
    assert json.loads(shown.stdout)["type"] == "message"


HOSTILE = "\x1b[31mevil\x07\x9b\u202e\u2066\u200b<!channel>"


def test_hostile_names_never_steer_the_terminal(tmp_path: Path, routes: Path) -> None:
    raw = an_event(tmp_path, clientPlatform=HOSTILE, workspacesClientProductName=HOSTILE, clientIpAddress=HOSTILE)
    write(tmp_path, "users.csv", f"workspace_id,user_name\nws-8n1k2m3p4,{HOSTILE}\n")
    state = ("--state", tmp_path / "state.sqlite")
    named = ("--users", tmp_path / "users.csv", "--routes", routes)
    for words in (
        ("explain", "--event", raw, *named),
        ("explain", "--event", raw, "--json", *named),
        ("preview", "--event", raw, "--to", "eng", *named),
        ("preview", "--event", raw, "--to", "eng", "--json", *named),
        ("run", raw, *named, *state),
        ("run", raw, "--json", *named, *state),
    ):
        result = invoke(*words)
        assert result.exit_code == 0, result.output
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066]", result.output), words


def slack_routes(folder: Path, provider: Provider) -> Path:
    return write(
        folder,
        "slack.yml",
        f'trusted_hosts: ["{provider.host}"]\n'
        "destinations: {eng: {type: slack, webhook_url: env:HOOK}}\n"
        "directories: {d-9067000001: {name: Engineering, notify: [eng]}}\n"
        "default: [eng]\n",
    )


def test_send_test_posts_one_login_marked_as_a_sample(tmp_path: Path) -> None:
    with Provider.slack() as slack:
        result = invoke("send-test", "eng", "--routes", slack_routes(tmp_path, slack), HOOK=slack.url)
        assert (result.exit_code, result.stderr) == (0, "")
        assert re.fullmatch(r"sent · eng \([\d,]+ ms\)\n", result.stdout)
        assert len(slack.posts) == 1
        assert "SAMPLE" in slack.posts[0].text
        assert "Engineering" in slack.posts[0].text


ANSWERS = {
    "taken later": (Answer(429, headers={"Retry-After": "7"}), "again", "not taken, but may be taken later · eng: "),
    "never": (Answer(400, "invalid_payload"), "dead", "not taken, and never will be · eng: "),
    "to be mended": (Answer(404, "no_service"), "dead", "not taken until this is mended · eng: "),
    "nobody knows": (
        Answer(how=How.CLOSE),
        "unsure",
        "nobody knows whether it was taken; look into the channel · eng: ",
    ),
}


@pytest.mark.parametrize(("answer", "outcome", "line"), ANSWERS.values(), ids=ANSWERS.keys())
def test_send_test_that_was_not_taken_says_so_and_ends_with_1(
    answer: Answer, outcome: str, line: str, tmp_path: Path
) -> None:
    with Provider.slack() as slack:
        slack.always(answer)
        routes = slack_routes(tmp_path, slack)
        spoken = invoke("send-test", "eng", "--routes", routes, HOOK=slack.url)
        printed = invoke("send-test", "eng", "--routes", routes, "--json", HOOK=slack.url)
    assert (spoken.exit_code, printed.exit_code) == (1, 1)
    assert spoken.stdout.startswith(line)
    assert json.loads(printed.stdout)["outcome"] == outcome
    assert "hook-secret" not in spoken.output + printed.output


def test_send_test_to_a_secret_that_is_missing_says_which(tmp_path: Path) -> None:
    with Provider.slack() as slack:
        result = invoke("send-test", "eng", "--routes", slack_routes(tmp_path, slack))
    assert result.exit_code == 1
    assert "HOOK" in result.stdout


def test_send_test_to_a_host_that_nobody_trusts_posts_nothing(tmp_path: Path) -> None:
    with Provider.slack() as slack:
        routes = slack_routes(tmp_path, slack)
        routes.write_text(routes.read_text().replace(slack.host, refused_address()))
        result = invoke("send-test", "eng", "--routes", routes, HOOK=slack.url)
        assert (result.exit_code, slack.connections) == (1, 0)


class SulkError(Exception):
    """What a plugin raises; its text is a secret."""


def boom() -> Any:
    raise SulkError("hook-secret")


class Sulking:
    """Somebody's formatter and sender that fail wherever they are called."""

    @dataclass(frozen=True, kw_only=True)
    class Settings:
        pass

    makes, takes, formatter = "slack", frozenset({"slack"}), "slack"

    def __init__(self, *_: object) -> None:
        pass

    def draw(self, *_: object) -> Any:
        boom()

    weigh = refresh = draw

    def send(self, *_: object, **__: object) -> Any:
        boom()


class Silent(Sulking):
    """Somebody's sender that answers with no verdict."""

    def send(self, *_: object, **__: object) -> Any:
        return "ok"


FAILING = {
    "a formatter that is previewed": (("preview", "--to", "cards", "--event"), "Sulking failed with SulkError"),
    "a formatter that is tested": (("send-test", "cards"), "Sulking failed with SulkError"),
    "a sender": (("send-test", "sulking"), "Sulking failed with SulkError"),
    "a sender without a verdict": (("send-test", "silent"), "Silent answered with no verdict"),
}


@pytest.mark.parametrize(("words", "sentence"), FAILING.values(), ids=FAILING.keys())
def test_a_plugin_that_fails_is_named_without_what_it_said(
    words: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    text = "destinations:\n"
    text += f'  cards: {{type: console, formatter: "{__name__}:Sulking"}}\n'
    text += f'  sulking: {{type: "{__name__}:Sulking"}}\n  silent: {{type: "{__name__}:Silent"}}\ndefault: [cards]\n'
    event_file = [an_event(tmp_path)] if words[-1] == "--event" else []
    result = invoke(*words, *event_file, "--routes", write(tmp_path, "routes.yml", text))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"error: {sentence}; look into that class\n"


# status, dead letters


def kept(path: Path, *, wait: float = 90.0) -> None:
    """Three logins: one said, one given up, one that waits for the channel."""
    outbox = SqliteOutbox(path, SystemClock())
    now = SystemClock().now()
    verdicts = (Verdict.sent(), Verdict.dead("no_\x1b[31mteam", "payload"), Verdict.again("429", wait))
    for number, verdict in enumerate(verdicts):
        login = make_login(event_id=f"event-{number}").to_json()
        outbox.keep([Row(destination="eng", event_id=f"event-{number}", group="eng", login=login, kept_at=now - 7200)])
        turn = outbox.waiting("eng", 1)
        card = outbox.begin(turn, turn.rows, 60.0, FREE)
        assert card is not None
        outbox.settle(card, verdict, now + (verdict.after or -1.0))


def test_status_says_what_waits_since_when_and_until_when(tmp_path: Path) -> None:
    kept(tmp_path / "state.sqlite")
    shown = invoke("status", "--state", tmp_path / "state.sqlite", COLUMNS="120")
    assert shown.exit_code == 0
    assert re.search(r"^eng +1 +2 h ago +in (90|89) s +1 +1 +0 +again: 429 *$", shown.stdout, re.MULTILINE)


def test_status_says_when_a_login_that_rests_is_tried_again(tmp_path: Path) -> None:
    outbox, now = SqliteOutbox(tmp_path / "state.sqlite", SystemClock()), SystemClock().now()
    outbox.keep([Row(destination="eng", event_id="e", group="eng", login="{}", kept_at=now, ready_at=now + 90)])
    shown = invoke("status", "--state", tmp_path / "state.sqlite", COLUMNS="120")
    assert re.search(r"^eng +1 +\d+ s ago +in (90|89) s ", shown.stdout, re.MULTILINE)


def test_status_as_json_holds_every_figure(tmp_path: Path) -> None:
    kept(tmp_path / "state.sqlite")
    (row,) = json.loads(invoke("status", "--json", STATE_FILE=str(tmp_path / "state.sqlite")).stdout)
    assert (row["destination"], row["waiting"], row["said"], row["given_up"], row["held"]) == ("eng", 1, 1, 1, False)
    assert {"oldest", "not_before", "doubts", "last_verdict", "last_reason"} <= row.keys()


def test_dead_letters_say_who_where_why_and_when(tmp_path: Path) -> None:
    kept(tmp_path / "state.sqlite")
    shown = invoke("dead-letters", "list", "--state", tmp_path / "state.sqlite", COLUMNS="200")
    assert re.search(r"eng +alice · Engineering +no_\[31mteam .* event-1$", shown.stdout, re.MULTILINE)
    assert shown.stdout.endswith("1 login given up\n")
    (letter,) = json.loads(invoke("dead-letters", "list", "--json", "--state", tmp_path / "state.sqlite").stdout)
    assert (letter["event_id"], letter["destination"], letter["reason"]) == ("event-1", "eng", "no_\x1b[31mteam")


NARROW = ("status", "dead-letters list")


@pytest.mark.parametrize("words", NARROW)
def test_a_narrow_terminal_cuts_nothing_off(words: str, tmp_path: Path) -> None:
    kept(tmp_path / "state.sqlite", wait=9_000.0)  # told in hours: a slow machine sees no second pass
    wide = invoke(*words.split(), "--state", tmp_path / "state.sqlite").stdout
    narrow = invoke(*words.split(), "--state", tmp_path / "state.sqlite", COLUMNS="40").stdout
    assert max(map(len, narrow.splitlines())) <= 40
    assert "…" not in wide + narrow
    assert set(narrow.split()) >= set(wide.split("\n")[1].split()), "every value of the wide row is there"


def test_a_given_up_login_on_80_columns_is_a_block_of_lines(tmp_path: Path) -> None:
    kept(tmp_path / "state.sqlite")
    shown = invoke("dead-letters", "list", "--state", tmp_path / "state.sqlite", COLUMNS="80").stdout
    assert re.fullmatch(
        r"given up     (\S+ \S+Z)\ndestination  eng\nlogin        alice · Engineering\nreason       no_\[31mteam\n"
        r"tries        1\nfirst try    \1\nlast try     \1\nevent        event-1\n\n1 login given up\n",
        "".join(line.rstrip() + "\n" for line in shown.splitlines()),
    )


def test_a_pipe_has_no_edge(tmp_path: Path) -> None:
    kept(tmp_path / "state.sqlite")
    shown = invoke("dead-letters", "list", "--state", tmp_path / "state.sqlite").stdout
    assert re.search(r"eng +alice · Engineering +no_\[31mteam .* event-1$", shown, re.MULTILINE)


ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_json_has_times_as_iso_8601_and_a_login_as_an_object(tmp_path: Path) -> None:
    kept(tmp_path / "state.sqlite")
    state = ("--json", "--state", tmp_path / "state.sqlite")
    (row,) = json.loads(invoke("status", *state).stdout)
    (letter,) = json.loads(invoke("dead-letters", "list", *state).stdout)
    times = [row["oldest"], row["not_before"]]
    times += [letter[name] for name in ("kept_at", "first_try", "last_try", "given_up_at")]
    assert [bool(re.fullmatch(ISO, time)) for time in times] == [True] * 6
    assert (letter["login"]["event_id"], letter["login"]["person"]["name"]) == ("event-1", "alice")


def test_a_destination_that_may_be_told_at_once_has_no_time_before_which_it_may_not(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "state.sqlite", SystemClock())
    outbox.keep([Row(destination="eng", event_id="event-1", group="eng", login="{}", kept_at=1.0)])
    turn = outbox.waiting("eng", 1)
    card = outbox.begin(turn, turn.rows, 60.0, FREE)
    assert card is not None
    outbox.settle(card, Verdict.sent(), 7.0)
    (row,) = json.loads(invoke("status", "--json", "--state", tmp_path / "state.sqlite").stdout)
    assert (row["not_before"], row["oldest"]) == (None, None)


@pytest.mark.parametrize("words", NARROW)
def test_scripts_of_a_fresh_machine_get_an_empty_list(words: str, tmp_path: Path) -> None:
    result = invoke(*words.split(), "--json", "--state", tmp_path / "state.sqlite")
    assert (result.exit_code, result.stdout) == (0, "[]\n")
    assert result.stderr == f"note: there is no state at {tmp_path / 'state.sqlite'}: nothing was kept there yet\n"
    assert list(tmp_path.iterdir()) == []


def test_an_empty_state_has_nothing_to_say(tmp_path: Path) -> None:
    SqliteOutbox(tmp_path / "state.sqlite", SystemClock()).status()
    state = ("--state", tmp_path / "state.sqlite")
    assert invoke("status", *state).stdout == f"nothing was kept in {tmp_path / 'state.sqlite'} yet\n"
    assert invoke("dead-letters", "list", *state).stdout == "no login was given up\n"
    assert [invoke(*words, *state, "--json").stdout for words in (("status",), ("dead-letters", "list"))] == [
        "[]\n"
    ] * 2


# the process


@pytest.mark.slow
def test_a_terminal_that_knows_ascii_alone_is_no_mistake(routes: Path) -> None:
    done = spawn("matrix", "--routes", routes, PYTHONIOENCODING="ascii", TERM="xterm-256color")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout, "a pipe gets no colour"
    assert re.search(r"^default .* \?", done.stdout, re.MULTILINE)


def test_without_its_packages_it_says_how_to_come_by_them() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "bot"], cwd=ROOT, env=shell(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("error: typer is not installed here; run `make run` first, then .venv/bin/python -m bot\n")


@pytest.mark.slow
def test_a_pipe_that_closes_early_leaves_no_traceback(routes: Path) -> None:
    process = subprocess.Popen(
        command("matrix", "--routes", routes), cwd=ROOT, env=shell(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(30) == 1


CARD = ("preview", "--event", str(ROOT / "tests/events/seed.json"), "--to", "eng")
WHERE_OUTPUT_ENDS = {
    "help onto a full disk": (("--help",), ">/dev/full", "can't be written: no space left on device"),
    "a card onto a full disk": (CARD, ">/dev/full", "can't be written: no space left on device"),
    "a card nowhere": (CARD, ">&-", "is closed"),
    "a card nowhere, and no word of it": (CARD, ">&- 2>&-", ""),
}


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "where", "why"), WHERE_OUTPUT_ENDS.values(), ids=WHERE_OUTPUT_ENDS.keys())
def test_output_that_cannot_be_written_is_one_sentence(
    routes: Path, typed: tuple[str, ...], where: str, why: str
) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {where}', "sh", *command(*typed)],
        cwd=ROOT,
        env=shell(ROUTES=str(routes)),
        capture_output=True,
        text=True,
        check=False,
    )
    sentence = f"error: standard output {why}; send it to a terminal, a pipe or a file with room\n"
    assert (done.returncode, done.stderr) == (1, sentence if why else "")
