"""AWS's door: events, queue batches and the clock come in as AWS brings them, against real channels on loopback."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bot.config import ConfigError
from bot.environment import Environment
from bot.handler import NotKeptError, handle
from tests.support.aws import CREDENTIALS
from tests.support.cli import invoke
from tests.support.logins import event
from tests.support.providers import Answer, Provider
from tests.support.stage import set_stage

ROUTES = """
trusted_hosts: ["{host}"]
destinations:
  ops: {{type: slack, webhook_url: "env:OPS_WEBHOOK"}}
directories:
  d-9067000001: {{name: Engineering, notify: [ops]}}
default: [ops]
"""
CLOCK = {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


class Context:
    """Lambda's context, as far as the bot looks at it."""

    def __init__(self, seconds: float = 30.0) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@pytest.fixture
def slack() -> Iterator[Provider]:
    with Provider.slack() as slack:
        yield slack


@pytest.fixture(autouse=True)
def stage(tmp_path: Path, slack: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A laptop's stage: a routing file, a user list and an outbox in `tmp_path`, and one channel."""
    routes = ROUTES.format(host=slack.host)
    set_stage(tmp_path, monkeypatch, routes, OPS_WEBHOOK=slack.url, LOG_LEVEL="DEBUG")
    return tmp_path


def record(message_id: str, body: Any) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "body": body if isinstance(body, str) else json.dumps(body),
        "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1523232000000"},
    }


def lines(captured: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.splitlines()]


def test_an_event_becomes_one_card_with_the_persons_name(slack: Provider) -> None:
    handle(event("seed"), Context())
    handle(event("seed"), Context())
    (post,) = slack.posts
    assert "alice" in post.json["text"]
    assert "Engineering" in json.dumps(post.json)


def test_a_call_without_context_works_as_well(slack: Provider) -> None:
    handle(event("seed"), None)
    assert len(slack.posts) == 1


@pytest.mark.parametrize("context", [object(), {"aws": 1}, "Context", Context], ids=["none", "dict", "text", "raises"])
def test_a_context_that_cannot_tell_the_time_costs_no_login(slack: Provider, context: object) -> None:
    assert handle(event("seed"), context) == {}
    assert len(slack.posts) == 1


OUTSIDE_ROUTES = """
trusted_hosts: ["{slack}", "{pager}"]
destinations:
  on-call: {{type: "mycompany.pager:PagerSender", url: "env:PAGER_URL", urgency: high}}
  terse: {{type: slack, webhook_url: "env:OPS_WEBHOOK", formatter: "mycompany.cards:Terse"}}
default: [on-call, terse]
"""


def test_classes_from_outside_the_project_are_checked_and_each_posts_its_card(
    slack: Provider, stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Provider(lambda _: Answer(200, "paged")) as pager:
        monkeypatch.setenv("PAGER_URL", pager.url)
        routes = stage / "routes.yml"
        routes.write_text(OUTSIDE_ROUTES.format(slack=slack.host, pager=pager.host))
        checked = invoke("check", routes)
        assert (checked.exit_code, checked.stderr) == (0, "")
        handle(event("seed"), Context())
        (page,), (line,) = pager.posts, slack.posts
    assert (page.path, page.json["urgency"]) == (pager.path, "high")
    assert page.json["title"].startswith("WorkSpaces login: alice")
    (block,) = line.json["blocks"]
    assert block["elements"][0]["text"] == line.json["text"]
    assert line.json["text"].startswith("alice logged in")


def test_a_batch_fails_no_record_that_was_kept_or_refused(slack: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    batch = [
        record("m-1", event("seed")),
        record("m-2", "no JSON at all"),
        record("m-3", {"detail-type": "EC2 Instance State-change Notification"}),
        record("m-4", "x" * 1_048_576),
        record("m-5", "[" * 100_000),
        {"messageId": "m-6"},
        "no record at all",
        record("m-7", event("ipv6")),
        record("m-8", event("seed")),
        record("m-9", '{"id": 1,\n "time" "half of it"'),
        record("m-10", json.dumps(json.dumps(event("seed")))),
    ]
    assert handle({"Records": batch}, Context()) == {"batchItemFailures": []}
    assert len(slack.posts) == 2
    refused = {line["record_id"]: line["reason"] for line in lines(capsys.readouterr().err) if "record_id" in line}
    assert refused == {
        "m-2": "not JSON: expecting value at column 1",
        "m-3": "detail-type is 'EC2 Instance State-change Notification', not 'WorkSpaces Access'",
        "m-4": "1,048,576 bytes, more than the 262,144 that a login event may have",
        "m-5": "not JSON that can be read: nested too deeply, or a number too long",
        "m-6": "not a JSON object but missing",
        "m-9": "not JSON: expecting ':' delimiter at line 2, column 9",
        "m-10": "not a JSON object but text",
        "": "not JSON: expecting value at column 1",
    }


def test_an_empty_batch_is_answered() -> None:
    assert handle({"Records": []}, Context()) == {"batchItemFailures": []}


def test_a_retry_after_of_a_second_is_waited_for(slack: Provider) -> None:
    slack.script(Answer(429, headers={"Retry-After": "1"}))
    handle(event("seed"), Context())
    assert len(slack.requests) == 2


def test_a_long_retry_after_is_left_to_the_clock(slack: Provider, stage: Path) -> None:
    slack.script(Answer(429, headers={"Retry-After": "3"}))
    handle(event("seed"), Context())
    posts = []
    for seconds in (0.0, 3.0, 0.0):
        _let_pass(stage, seconds)
        handle(CLOCK, Context())
        posts.append(len(slack.requests))
    assert posts == [1, 2, 2]


def _let_pass(stage: Path, seconds: float) -> None:
    """What the outbox holds back until later is due `seconds` earlier."""
    with closing(sqlite3.connect(stage / "state.sqlite")) as db, db:
        db.execute("UPDATE pace_groups SET not_before = not_before - ?", (seconds,))


def test_what_is_no_login_is_refused_and_does_not_raise(slack: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    foreign: list[Any] = [{"detail-type": "X"}, {}, [], None, "text"]
    for each in foreign:
        handle(each, Context())
    assert not slack.requests
    assert [line["message"] for line in lines(capsys.readouterr().err)] == ["refused"] * 5


def test_a_direct_event_that_cannot_be_kept_raises(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (stage / "no-database").write_text("this is no database, and far longer than a header of one " * 20)
    monkeypatch.setenv("STATE_FILE", str(stage / "no-database"))
    with pytest.raises(NotKeptError):
        handle(event("seed"), Context())


def test_a_batch_that_cannot_be_kept_goes_back_but_for_what_was_refused(
    stage: Path, monkeypatch: pytest.MonkeyPatch, slack: Provider
) -> None:
    (stage / "no-database").write_text("this is no database, and far longer than a header of one " * 20)
    monkeypatch.setenv("STATE_FILE", str(stage / "no-database"))
    batch = [record("m-1", event("seed")), record("m-2", "garbage"), record("m-3", event("ipv6"))]
    assert handle({"Records": batch}, Context()) == {
        "batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-3"}]
    }
    assert not slack.requests


def test_the_clock_does_not_raise_when_the_outbox_is_down(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (stage / "no-database").write_text("this is no database, and far longer than a header of one " * 20)
    monkeypatch.setenv("STATE_FILE", str(stage / "no-database"))
    assert handle(CLOCK, Context()) == {}


def test_a_broken_routing_file_fails_at_start_with_every_mistake(
    stage: Path, slack: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    (stage / "routes.yml").write_text("destinations: {ops: {type: slak}}\ndefaults: {language: xx}\n")
    environment = Environment.read()
    with pytest.raises(ConfigError) as failed:
        handle(event("seed"), Context())
    assert len(failed.value.mistakes) >= 3
    logged = [line["mistake"] for line in lines(capsys.readouterr().err)]
    assert logged == list(failed.value.mistakes)
    assert environment.routes.endswith("routes.yml")
    assert not slack.requests


def test_a_missing_routing_file_fails_at_start(stage: Path, slack: Provider) -> None:
    (stage / "routes.yml").unlink()
    with pytest.raises(ConfigError, match=r"routes\.yml"):
        handle(event("seed"), Context())
    assert not slack.requests


def test_on_lambda_an_outbox_in_the_container_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "login-bot-notify")
    with pytest.raises(ConfigError, match="TABLE_NAME is not set"):
        handle(event("seed"), Context())


def test_no_line_and_no_answer_holds_the_webhook(slack: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    slack.script(*[Answer(404, body=f"no_service {slack.url}")] * 2)
    handle(event("seed"), Context())
    captured = capsys.readouterr()
    assert "told" in captured.err
    assert slack.url not in captured.err + captured.out
    assert slack.url.rpartition("/")[2] not in captured.err + captured.out


def test_without_any_variable_the_routing_file_is_the_one_beside_the_function(
    stage: Path, slack: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROUTES")
    monkeypatch.delenv("STATE_FILE")
    monkeypatch.chdir(stage)
    handle(event("seed"), Context())
    assert len(slack.posts) == 1
    assert (stage / ".local" / "state.sqlite").is_file()


def test_a_routing_file_that_was_mended_is_read_again(stage: Path, slack: Provider) -> None:
    good = (stage / "routes.yml").read_text()
    (stage / "routes.yml").write_text("destinations: {}\n")
    with pytest.raises(ConfigError):
        handle(event("seed"), Context())
    (stage / "routes.yml").write_text(good)
    handle(event("seed"), Context())
    (stage / "routes.yml").write_text(good.replace("notify: [ops]", "notify: []"))
    handle(event("ipv6"), Context())
    assert len(slack.posts) == 1


def test_the_same_words_in_another_folder_are_another_bot(
    stage: Path, slack: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTES", "routes.yml")
    monkeypatch.setenv("STATE_FILE", "state.sqlite")
    for name in ("one", "two"):
        (stage / name).mkdir()
        (stage / name / "routes.yml").write_text((stage / "routes.yml").read_text())
        monkeypatch.chdir(stage / name)
        handle(event("seed"), Context())
    assert len(slack.posts) == 2


def test_a_list_of_people_that_is_not_there_is_named_in_the_log(
    stage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("USERS_FILE", str(stage / "nobody.csv"))
    with pytest.raises(ConfigError):
        handle(event("seed"), Context())
    (line,) = lines(capsys.readouterr().err)
    assert line["source"].endswith("nobody.csv")


def test_an_outbox_that_was_deleted_meanwhile_is_made_anew(stage: Path, slack: Provider) -> None:
    handle(event("seed"), Context())
    for file in stage.glob("state.sqlite*"):
        file.unlink()
    handle(event("ipv6"), Context())
    assert (stage / "state.sqlite").is_file()
    handle(event("ipv6"), Context())
    assert len(slack.posts) == 2


# the canary

CANARY = {
    "detail-type": "Login Bot Canary",
    "source": "login-bot",
    "id": "6f1a1c52-0d7a-4d0e-8a55-0f8f1f0c2b11",
    "time": "2026-11-23T06:00:00Z",
    "account": "123456789012",
    "region": "eu-west-1",
}
EVERYWHERE = """
trusted_hosts: ["{host}"]
destinations:
  ops: {{type: slack, webhook_url: "env:OPS_WEBHOOK"}}
  spare: {{type: slack, webhook_url: "env:OPS_WEBHOOK"}}
directories:
  d-9067000001: {{name: Engineering, notify: [ops]}}
default: [ops]
"""


def test_the_canary_says_one_marked_sample_at_every_destination_whatever_the_routes_say(
    slack: Provider, stage: Path
) -> None:
    (stage / "routes.yml").write_text(EVERYWHERE.format(host=slack.host))
    assert handle(CANARY, Context()) == {}
    assert len(slack.posts) == 2
    for post in slack.posts:
        assert post.json["text"].startswith("[SAMPLE] sample.user logged in")
        assert "Nobody logged in." in json.dumps(post.json)
    assert "Engineering" in json.dumps([post.json for post in slack.posts])


def test_a_canary_that_comes_twice_is_said_once_and_the_next_one_again(slack: Provider, stage: Path) -> None:
    unpaced = '"env:OPS_WEBHOOK", pace: {messages: 100, per: 1, gap: 0}}'
    routes = ROUTES.format(host=slack.host).replace('"env:OPS_WEBHOOK"}', unpaced)
    (stage / "routes.yml").write_text(routes)
    for canary in (CANARY, CANARY, CANARY | {"id": "the-next-week"}):
        handle(canary, Context())
    assert len(slack.posts) == 2


def test_a_canary_is_kept_like_a_login(slack: Provider, stage: Path) -> None:
    slack.script(Answer(429, headers={"Retry-After": "3"}))
    handle(CANARY, Context())
    _let_pass(stage, 3.0)
    handle(CLOCK, Context())
    assert len(slack.requests) == 2


def test_a_canary_that_cannot_be_kept_raises(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (stage / "no-database").write_text("this is no database, and far longer than a header of one " * 20)
    monkeypatch.setenv("STATE_FILE", str(stage / "no-database"))
    with pytest.raises(NotKeptError):
        handle(CANARY, Context())


def test_somebody_elses_canary_is_refused(slack: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    handle(CANARY | {"source": "example.birds"}, Context())
    assert not slack.requests
    assert [line["message"] for line in lines(capsys.readouterr().err)] == ["refused"]


# the log


def test_what_happened_is_told_with_event_destination_outcome_reason_and_time_and_no_name(
    slack: Provider, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "INFO")
    slack.always(Answer(404, "no_service"))
    raw = event("seed")
    handle(raw, Context())
    routed, told = lines(capsys.readouterr().err)
    assert (routed["message"], routed["event_id"], routed["destinations"]) == ("routed", raw["id"], ["ops"])
    assert routed["reasons"] == ["directories.d-9067000001"]
    assert (told["message"], told["level"], told["destination"]) == ("told", "ERROR", "ops")
    assert (told["event_ids"], told["outcome"], told["settled"]) == ([raw["id"]], "dead", True)
    assert "404" in told["reason"]
    assert told["ms"] > 0
    assert "alice" not in json.dumps([routed, told])


def test_a_line_has_the_keys_that_lambda_filters_by(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a level and an RFC 3339 timestamp Lambda takes a line for INFO (Lambda guide, "Log-level filtering")."""
    handle({"detail-type": "X"}, Context())
    (line,) = lines(capsys.readouterr().err)
    assert line["level"] == "ERROR"
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


ROOT = Path(__file__).parent.parent


def started_on_lambda(stage: Path, routes: str, code: str) -> "subprocess.CompletedProcess[str]":
    """A fresh process as Lambda starts it, up to `code`."""
    (stage / "routes.yml").write_text(routes)
    environment = {**CREDENTIALS, "AWS_LAMBDA_FUNCTION_NAME": "bot", "TABLE_NAME": "bot", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"import bot.handler; {code}"]
    return subprocess.run(command, cwd=stage, env=environment, capture_output=True, text=True, check=False)


def test_the_bot_is_made_while_lambda_starts_it(stage: Path) -> None:
    routes = "destinations: {eng: {type: slack, webhook_url: 'env:HOOK'}}\ndefault: [eng]\n"
    done = started_on_lambda(stage, routes, "print(bot.wiring.wired.cache_info().currsize)")
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr


def test_a_routing_file_that_is_no_good_fails_the_call_and_not_the_start(stage: Path) -> None:
    done = started_on_lambda(stage, "default: [nowhere]\n", "print('started'); bot.handler.handle({}, None)")
    assert done.stdout == "started\n"
    assert "ConfigError" in done.stderr
