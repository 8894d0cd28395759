"""A sample login on the bus of a deployed stage, through real boto3, as the stage's rule hands it to its queue."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.events import parse
from tests.support.aws import REGION, LoopbackAws
from tests.support.cli import CONSOLE_ROUTES, invoke, write
from tests.support.providers import Answer, Provider, refused_address


class Stage:
    """A stage's rule and its queue on a bus, and an operator's folder."""

    def __init__(self, folder: Path, aws: LoopbackAws) -> None:
        self._sqs, self._events = aws.client("sqs"), aws.client("events")
        self._queue = self._sqs.create_queue(QueueName="login-bot-dev-intake")["QueueUrl"]
        self.listen_on("default")
        self.environment = {
            "ROUTES": str(write(folder, "routes.yml", CONSOLE_ROUTES)),
            "AWS_ENDPOINT_URL": aws.url,
            "COLUMNS": "250",
        }

    def listen_on(self, bus: str) -> None:
        pattern = {"source": ["aws.workspaces", "login-bot.sample"], "detail-type": ["WorkSpaces Access"]}
        self._events.put_rule(Name="logins", EventBusName=bus, EventPattern=json.dumps(pattern))
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self._events.put_targets(Rule="logins", EventBusName=bus, Targets=[{"Id": "intake", "Arn": arn}])

    def add_bus(self, name: str) -> None:
        self._events.create_event_bus(Name=name)
        self.listen_on(name)

    def __call__(self, *words: str, **environment: str) -> Any:
        return invoke("send-test", *words, **(self.environment | environment))

    def arrived(self) -> list[dict[str, Any]]:
        found = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]


@pytest.fixture
def stage(tmp_path: Path, aws: LoopbackAws) -> Stage:
    return Stage(tmp_path, aws)


def test_the_functions_queue_gets_a_sample_of_a_directory_that_the_destination_hears_of(stage: Stage) -> None:
    result = stage("it", "--deployed", "--stage", "dev")
    assert result.exit_code == 0
    (raw,) = stage.arrived()
    login = parse(raw, received_at=datetime.now(UTC))
    assert (login.sample, login.directory_id, login.workspace_id) == (True, "d-9067000002", "ws-sample000")
    assert abs((login.logged_in_at - login.emitted_at).total_seconds()) < 1
    assert result.stdout.splitlines()[0] == f"on the bus · default in {REGION} · event {login.event_id}"
    assert "it, ops will hear of d-9067000002 in a few seconds;" in result.stdout


def test_without_a_destination_it_is_a_login_of_the_first_directory(stage: Stage) -> None:
    shown = json.loads(stage("--deployed", "--stage", "dev", "--json").stdout)
    (raw,) = stage.arrived()
    assert shown == {"event_id": raw["id"], "bus": "default", "directory": "d-9067000001", "notify": ["eng"]}


def test_another_bus_is_taken_where_it_is_named(stage: Stage) -> None:
    stage.add_bus("logins")
    assert stage("--deployed", "--stage", "dev", "--bus", "logins").exit_code == 0
    assert len(stage.arrived()) == 1


def test_a_destination_that_no_directory_tells_is_said(stage: Stage, tmp_path: Path) -> None:
    write(tmp_path, "routes.yml", CONSOLE_ROUTES.replace("default: [ops]", "default: [eng]"))
    write(tmp_path, "routes.yml", (tmp_path / "routes.yml").read_text().replace("notify: [it, ops]", "notify: [it]"))
    result = stage("ops", "--deployed", "--stage", "dev")
    assert "note: no directory tells ops of its logins by itself" in result.stderr


@pytest.mark.parametrize("name", ["prod", "Prod", "production"])
def test_production_takes_no_samples(stage: Stage, name: str) -> None:
    result = stage("--deployed", "--stage", name)
    assert (result.exit_code, result.stdout, stage.arrived()) == (1, "", [])
    assert result.stderr.startswith(
        f"error: stage {name} takes no samples: its rule listens to Amazon WorkSpaces alone"
    )


TYPED_WRONG = {"no stage": "--deployed", "a stage and nothing deployed": "ops --stage dev", "nothing": ""}


@pytest.mark.parametrize("words", TYPED_WRONG.values(), ids=TYPED_WRONG.keys())
def test_half_of_what_must_be_said_is_typed_wrong(stage: Stage, words: str) -> None:
    result = stage(*words.split())
    assert result.exit_code == 2
    assert "name the destination, or a deployed stage with --deployed --stage STAGE" in result.stderr
    assert stage.arrived() == []


FAILED = json.dumps({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "sorry"}]})
DENIED = json.dumps({"__type": "AccessDeniedException", "message": "arn:aws:iam::123456789012:user/somebody"})
MISSING = json.dumps({"__type": "ResourceNotFoundException", "message": "Event bus default does not exist."})
ANSWERS: dict[str, tuple[Answer, str]] = {
    "an entry that failed": (Answer(200, FAILED), "event bus 'default' did not take it: InternalFailure: sorry"),
    "no permission": (
        Answer(400, DENIED),
        "not allowed: these AWS credentials need events:PutEvents on event bus 'default'",
    ),
    "no such bus": (Answer(400, MISSING), f"there is no event bus 'default' in {REGION}: mend its name, or name its"),
}


@pytest.mark.parametrize(("answer", "sentence"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_bus_that_does_not_take_it_is_one_sentence(stage: Stage, answer: Answer, sentence: str) -> None:
    with Provider.slack() as aws:
        aws.always(answer)
        result = stage("--deployed", "--stage", "dev", AWS_ENDPOINT_URL=f"http://{aws.host}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {sentence}")
    assert len(aws.requests) == 1


def test_no_way_to_aws(stage: Stage) -> None:
    result = stage("--deployed", "--stage", "dev", AWS_ENDPOINT_URL=f"http://{refused_address()}")
    assert result.exit_code == 1
    assert f"AWS did not answer in {REGION} (EndpointConnectionError): look at the network" in result.stderr


def test_nobody_logged_in(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    assert "error: no AWS credentials: log in (aws sso login)" in stage("--deployed", "--stage", "dev").stderr
