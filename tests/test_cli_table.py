"""The operator's commands on the table of a deployed bot, through real boto3: the same words as on a file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.outbox.dynamodb import DynamoOutbox
from tests.support.aws import REGION, LoopbackAws
from tests.support.bots import event_of
from tests.support.cli import USERS, invoke, write
from tests.support.outbox_stores import open_table
from tests.support.providers import Answer, Provider

TABLE = "login-bot-dev"

ROUTES = """
trusted_hosts: ["{eng}", "{ops}"]
destinations:
  eng: {{type: slack, webhook_url: env:ENG_HOOK, pace: {{messages: 100, per: 1}}, digest: {{over: 100}}}}
  ops: {{type: slack, webhook_url: env:OPS_HOOK, pace: {{messages: 100, per: 1}}, digest: {{over: 100}}}}
default: [eng]
"""


class Desk:
    """An operator's folder beside a bot's table: logins go to `eng`, and `ops` is another channel."""

    def __init__(self, folder: Path, aws: LoopbackAws, eng: Provider, ops: Provider) -> None:
        self.folder, self.eng, self.ops = folder, eng, ops
        self.outbox: DynamoOutbox = open_table(aws.clients, SystemClock(), TABLE)
        routes = write(folder, "routes.yml", ROUTES.format(eng=eng.host, ops=ops.host))
        users = write(folder, "users.csv", USERS)
        self.environment = {
            "AWS_ENDPOINT_URL": aws.url,
            "ROUTES": str(routes),
            "USERS_FILE": str(users),
            "ENG_HOOK": eng.url,
            "OPS_HOOK": ops.url,
            "COLUMNS": "250",
        }

    def __call__(self, *words: object, **environment: str) -> Any:
        return invoke(*words, **(self.environment | environment))

    def run(self, *numbers: int) -> Any:
        path = write(self.folder, "events.jsonl", [event_of(number) for number in numbers])
        return self("run", *([path] if numbers else []), "--table", TABLE)

    def status(self) -> dict[str, Any]:
        return {row["destination"]: row for row in json.loads(self("status", "--table", TABLE, "--json").stdout)}


@pytest.fixture
def desk(tmp_path: Path, aws: LoopbackAws) -> Iterator[Desk]:
    with Provider.slack() as eng, Provider.slack() as ops:
        yield Desk(tmp_path, aws, eng, ops)


def test_an_operators_day_on_the_table(desk: Desk) -> None:
    desk.eng.always(Answer(404, "no_service"))
    assert desk.run(1, 2).stdout.endswith("2 logins: 0 sent, 0 already said, 0 waiting, 2 given up, 0 refused\n")
    desk.eng.always(Answer(200, "ok"))

    held = desk("hold", "eng", "--table", TABLE)
    assert held.stdout == f"eng is held. To go on: python -m bot release eng --table {TABLE}\n"
    assert held.stderr == ""
    desk.run(3)
    status = desk.status()["eng"]
    assert (status["waiting"], status["given_up"], status["held"]) == (1, 2, True)

    letters = json.loads(desk("dead-letters", "list", "--table", TABLE, "--json").stdout)
    assert sorted(letter["event_id"] for letter in letters) == ["event-1", "event-2"]
    replayed = desk("dead-letters", "replay", "--dest", "eng", "--to", "ops", "--table", TABLE)
    assert replayed.stdout == "2 logins of eng wait for ops again\n"
    assert "is released; 1 login waits" in desk("release", "eng", "--table", TABLE).stdout

    assert desk.run().stdout.endswith("0 logins: 3 sent, 0 already known, 0 waiting, 0 given up, 0 refused\n")
    assert [len(each.posts) for each in (desk.eng, desk.ops)] == [5, 2]  # two logins were tried twice before
    assert [row.waiting for row in desk.outbox.status()] == [0, 0]


def test_what_was_said_by_one_copy_is_not_said_again_by_a_run(desk: Desk) -> None:
    desk.run(1)
    assert "0 sent, 1 already said" in desk.run(1).stdout
    assert len(desk.eng.posts) == 1


def test_a_table_in_which_nothing_was_kept_yet_is_said_so(desk: Desk) -> None:
    assert desk("status", "--table", TABLE).stdout == f"nothing was kept in table {TABLE} yet\n"
    assert desk("status", "--table", TABLE, "--json").stdout == "[]\n"
    assert desk("dead-letters", "list", "--table", TABLE).stdout == "no login was given up\n"


# a table or a file


def test_the_environment_names_the_table_as_the_functions_does(desk: Desk) -> None:
    assert "in table" in desk("status", TABLE_NAME=TABLE, STATE_FILE="nowhere.sqlite").stdout


def test_a_file_that_was_typed_beats_the_environments_table(desk: Desk) -> None:
    result = desk("status", "--state", "nowhere.sqlite", TABLE_NAME=TABLE)
    assert "there is no state at nowhere.sqlite" in result.stderr


@pytest.mark.parametrize(
    "words", ["status", "hold eng", "release eng", "dead-letters list", "dead-letters replay", "run"]
)
def test_a_file_and_a_table_exclude_each_other(desk: Desk, words: str) -> None:
    result = desk(*words.split(), "--state", "state.sqlite", "--table", TABLE)
    assert result.exit_code == 2
    assert "--state names a file and --table a table" in result.stderr


# what AWS may say


COMMANDS = ["status --json", "hold eng", "dead-letters list", "dead-letters replay", "run"]


def complaint(result: Any) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    return str(result.stderr)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_table_that_is_not_there_is_one_sentence(desk: Desk, words: str) -> None:
    result = desk(*words.split(), "--table", "login-bot-dve")
    if words == "run":  # its summary is on standard output
        assert result.exit_code == 1
        result.stdout_bytes = b""
    assert complaint(result) == (
        f"error: there is no table 'login-bot-dve' in {REGION}: mend its name, or name its region with"
        " AWS_DEFAULT_REGION\n"
    )


def test_another_region_has_no_such_table(desk: Desk) -> None:
    result = desk("status", "--table", TABLE, AWS_DEFAULT_REGION="us-east-1")
    assert f"there is no table '{TABLE}' in us-east-1: mend its name" in complaint(result)


def test_no_region_at_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert complaint(desk("status", "--table", TABLE)) == (
        f"error: no AWS region: set AWS_DEFAULT_REGION to that of table '{TABLE}'\n"
    )


def test_nobody_logged_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    assert complaint(desk("status", "--table", TABLE)) == (
        "error: no AWS credentials: log in (aws sso login), or name a profile with AWS_PROFILE\n"
    )


def test_a_profile_that_is_not_there(desk: Desk) -> None:
    assert "AWS_PROFILE names a profile that is not in" in complaint(desk("status", "--table", TABLE, AWS_PROFILE="x"))


ANSWERS: dict[str, tuple[str, str]] = {
    "no permission": (
        "com.amazon.coral.service#AccessDeniedException",
        f"not allowed: these AWS credentials need dynamodb:Query on table '{TABLE}'",
    ),
    "an old session": (
        "com.amazon.coral.service#ExpiredTokenException",
        "AWS takes these credentials no more (ExpiredTokenException): log in again",
    ),
    "made-up credentials": (
        "com.amazon.coral.service#UnrecognizedClientException",
        "AWS takes these credentials no more (UnrecognizedClientException): log in again",
    ),
    "something new": (
        "com.amazonaws.dynamodb.v20120810#Strange<Exception>",
        f"AWS said StrangeException of table '{TABLE}'; try again, or look it up",
    ),
}


@pytest.mark.parametrize(("code", "sentence"), ANSWERS.values(), ids=ANSWERS.keys())
def test_what_dynamodb_answers_is_one_sentence_without_its_own_words(desk: Desk, code: str, sentence: str) -> None:
    desk.eng.always(Answer(400, json.dumps({"__type": code, "message": "arn:aws:iam::123456789012:user/somebody"})))
    result = desk("status", "--table", TABLE, AWS_ENDPOINT_URL=f"http://{desk.eng.host}")
    assert complaint(result) == f"error: {sentence}\n"


def test_a_table_of_somebody_else(desk: Desk, aws: LoopbackAws) -> None:
    aws.client("dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert "table 'orders' is none of the bot's" in complaint(desk("status", "--table", "orders"))
