"""The function on its table, whole: batches and ticks come in, cards arrive at channels, the table remembers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.handler import handle
from bot.outbox.dynamodb import DynamoOutbox, create_table
from tests.support.aws import LoopbackAws
from tests.support.logins import event
from tests.support.providers import Answer, Provider
from tests.support.stage import set_stage

ROUTES = """
trusted_hosts: ["{slack}", "{teams}"]
destinations:
  ops: {{type: slack, webhook_url: "env:OPS_WEBHOOK", pace: {{messages: 1000, per: 1}}, digest: {{over: 50}}}}
  it: {{type: teams, webhook_url: "env:IT_WEBHOOK", pace: {{messages: 1000, per: 1, gap: 0}}}}
default: [ops, it]
"""
TICK = {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


@pytest.fixture
def teams() -> Iterator[Provider]:
    with Provider.teams() as teams:
        yield teams


@pytest.fixture(autouse=True)
def slack(aws: LoopbackAws, teams: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """The function as it is deployed: a table, two channels, and no file but the routing file and a list of people."""
    create_table(aws.client("dynamodb"), "login-bot")
    with Provider.slack() as slack:
        routes = ROUTES.format(slack=slack.host, teams=teams.host)
        on_lambda = {"AWS_LAMBDA_FUNCTION_NAME": "login-bot", "TABLE_NAME": "login-bot", "LOG_LEVEL": "INFO"}
        set_stage(tmp_path, monkeypatch, routes, **on_lambda, OPS_WEBHOOK=slack.url, IT_WEBHOOK=teams.url)
        yield slack


@pytest.fixture
def table(aws: LoopbackAws) -> DynamoOutbox:
    """The table as an operator sees it."""
    return DynamoOutbox("login-bot", aws.clients, SystemClock())


def batch(*numbers: int) -> dict[str, Any]:
    records = [event("seed") | {"id": f"event-{number}"} for number in numbers]
    return {"Records": [{"messageId": f"m-{raw['id']}", "body": json.dumps(raw)} for raw in records]}


def waiting(table: DynamoOutbox) -> dict[str, tuple[int, int]]:
    """Of each destination, how many logins wait and how many were said."""
    return {place.destination: (place.waiting, place.said) for place in table.status()}


def test_a_batch_becomes_cards_and_a_duplicate_becomes_none_in_any_container(
    slack: Provider, teams: Provider, table: DynamoOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert handle(batch(1, 2, 1), None) == {"batchItemFailures": []}
    assert (len(slack.posts), len(teams.posts)) == (2, 2)
    assert "alice" in json.dumps(slack.posts[0].json)
    assert handle(batch(2), None) == {"batchItemFailures": []}
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")  # another environment, as another container has
    assert handle(batch(1, 2), None) == {"batchItemFailures": []}
    assert handle(event("seed") | {"id": "event-1"}, None) == {}
    assert (len(slack.posts), len(teams.posts)) == (2, 2)
    assert waiting(table) == {"ops": (0, 2), "it": (0, 2)}


@pytest.mark.slow
def test_a_storm_becomes_digests_that_tell_of_every_login(
    slack: Provider, teams: Provider, table: DynamoOutbox
) -> None:
    assert handle(batch(*range(120)), None) == {"batchItemFailures": []}
    assert waiting(table) == {"ops": (0, 120), "it": (0, 120)}
    assert sum(int(post.json["text"].split()[0]) for post in slack.posts) == 120
    assert 1 <= len(teams.posts) <= 3


def test_the_tick_tells_what_waits_and_an_idle_one_tells_nothing(
    slack: Provider, teams: Provider, table: DynamoOutbox
) -> None:
    table.hold("ops", "ops")
    handle(batch(1), None)
    assert (len(slack.posts), len(teams.posts)) == (0, 1)
    assert handle(TICK, None) == {}
    assert len(slack.posts) == 0
    table.release("ops", "ops")
    assert handle(TICK, None) == {}
    assert handle(TICK, None) == {}
    assert (len(slack.posts), len(teams.posts)) == (1, 1)
    assert waiting(table) == {"ops": (0, 1), "it": (0, 1)}


@pytest.mark.slow
def test_a_dead_channel_is_given_up_in_the_table_and_replayed_from_there(
    slack: Provider, teams: Provider, table: DynamoOutbox
) -> None:
    slack.always(Answer(404, "no_service"))
    handle(batch(1), None)
    (letter,) = table.dead_letters()
    assert (letter.destination, letter.event_id) == ("ops", "event-1")
    assert table.replay([letter], to="it", group="it") == 0, "it was said there already"
    assert len(teams.posts) == 1


def test_without_its_table_every_login_goes_back_and_nothing_is_posted(
    slack: Provider, teams: Provider, aws: LoopbackAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.client("dynamodb").delete_table(TableName="login-bot")
    numbers = (1, 2, 3)
    failed = [{"itemIdentifier": f"m-event-{number}"} for number in numbers]
    assert handle(batch(*numbers), None) == {"batchItemFailures": failed}
    assert (slack.posts, teams.posts) == ((), ())
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (wrong,) = [line for line in lines if line["level"] == "ERROR"]
    assert wrong["message"] == "not kept"
    assert "TABLE_NAME" in wrong["reason"]
    create_table(aws.client("dynamodb"), "login-bot")
    assert handle(batch(*numbers), None) == {"batchItemFailures": []}
    assert (len(slack.posts), len(teams.posts)) == (3, 3)
