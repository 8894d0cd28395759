"""The stage `local` of the bot, deployed into the emulated account, and everything around it that a test looks at.

The template, the zip but for its processor's wheels, the role and the operator's commands are those of AWS. Slack and
Teams are played on loopback, WorkSpaces by moto behind a door that notes who asked.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bot.events import DETAIL_TYPE, SAMPLE_SOURCE
from tests.e2e.emulator import ACCOUNT, OTHER_ACCOUNT, REGION, Emulator
from tests.support.fleet import hire
from tests.support.providers import Answer, Provider, Request

ROOT = Path(__file__).parent.parent.parent

ENGINEERING, FINANCE, UNLISTED = "d-9067000001", "d-9067000002", "d-9067000003"

STACK = "login-bot-local"
FUNCTION = "login-bot-local-notify"
TABLE = "login-bot-local"
BUCKET, KEY = "login-bot-routes-123456789012", "local/routes.yml"
LOOKUP_ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/login-bot-lookup"
EXTERNAL_ID = "made-up-external-id"

PATIENCE_SECONDS = 90.0
"""How long a test waits for what must come: a busy machine is no failure."""

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str) -> T:
    """What `look` finds, as soon as it finds something."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < until, f"waited {PATIENCE_SECONDS:g} s for {what}"
        time.sleep(0.1)
    return found


def at_least(number: int, found: Sequence[T]) -> Sequence[T]:
    """`found`, or nothing yet."""
    return found if len(found) >= number else ()


@dataclass(kw_only=True)
class Stage:
    emulator: Emulator
    eng: Provider
    ops: Provider
    teams: Provider
    workspaces: Provider
    topic: str
    desk: Path
    """The operator's folder: the routing file that is packaged lies there."""
    ticks: int = 0
    outputs: dict[str, str] = field(default_factory=dict)

    # what the operator sets up

    def routing(self, **different: Any) -> dict[str, Any]:
        """The routing file, which is JSON here: JSON is YAML, too."""
        usual = {
            "trusted_hosts": [self.eng.host, self.ops.host, self.teams.host],
            "destinations": {
                "eng-slack": {"type": "slack", "webhook_url": "ssm:/login-bot/slack/eng", "fallback": "ops-slack"},
                "ops-slack": {"type": "slack", "webhook_url": "secretsmanager:login-bot/slack#ops"},
                "it-teams": {"type": "teams", "webhook_url": "ssm:/login-bot/teams/it", "timezone": "Asia/Tokyo"},
                "audit-mail": {"type": "sns", "topic_arn": self.topic},
            },
            "directories": {
                ENGINEERING: {"name": "Engineering", "notify": ["eng-slack"]},
                FINANCE: {"name": "Finance", "notify": ["it-teams", "audit-mail"]},
            },
            "default": ["ops-slack"],
            "accounts": {
                OTHER_ACCOUNT: {"role_arn": LOOKUP_ROLE, "external_id": "secretsmanager:login-bot/external#id"}
            },
        }
        return usual | different

    def put_routes(self, **different: Any) -> None:
        body = json.dumps(self.routing(**different)).encode()
        self.emulator.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=body)

    @contextmanager
    def routes(self, **different: Any) -> Iterator[None]:
        """Another routing file is in S3 for a while; afterwards the usual one is in force again."""
        self.put_routes(**different)
        try:
            yield
        finally:
            self.put_routes()
            eventually(self.intake_is_empty, "the end of every call: the tick finds the copy that the next login finds")
            self.tick()

    def put_parameter(self, name: str, value: str) -> None:
        self.emulator.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)

    def prepare(self) -> None:
        """What must be in an account before the bot is: its secrets and its routing file."""
        self.put_parameter("/login-bot/slack/eng", self.eng.url)
        self.put_parameter("/login-bot/teams/it", self.teams.url)
        secrets = self.emulator.client("secretsmanager")
        secrets.create_secret(Name="login-bot/slack", SecretString=json.dumps({"ops": self.ops.url}))
        secrets.create_secret(Name="login-bot/external", SecretString=json.dumps({"id": EXTERNAL_ID}))
        place = {"LocationConstraint": REGION}
        self.emulator.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        self.put_routes()

    def make_lookup_role(self) -> None:
        """In the other account, by its own owner: the bot's role may take it on with the external id."""
        iam = self.emulator.client("iam", OTHER_ACCOUNT)
        trust = statement("sts:AssumeRole", Principal={"AWS": self.role_arn})
        trust["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
        iam.create_role(RoleName="login-bot-lookup", AssumeRolePolicyDocument=json.dumps(trust))
        document = json.dumps(statement("workspaces:DescribeWorkspaces", Resource="*"))
        iam.put_role_policy(RoleName="login-bot-lookup", PolicyName="look-up", PolicyDocument=document)

    def deploy(self, python: str) -> None:
        """As `make deploy STAGE=local` does it, with this machine's wheels."""
        routes, made = self.desk / "routes.yml", self.desk / "login-bot.zip"
        routes.write_text(json.dumps(self.routing()))
        target = ["--arch", native(), "--python", python]
        run([sys.executable, "-m", "deploy.package", *target, "--routes", str(routes), "--out", str(made)], os.environ)
        parameters = {
            "routesObject": f"{BUCKET}/{KEY}",
            "topics": self.topic,
            "lookupRoles": LOOKUP_ROLE,
            "workspacesEndpoint": f"http://{self.workspaces.host}",
        }
        words = [f"--param={name}={value}" for name, value in parameters.items()]
        environment = self.emulator.environment() | {
            "LOGIN_BOT_ZIP": str(made),
            "SLS_AWS_MONITORING_FREQUENCY": "300",
            "SLS_NOTIFICATIONS_MODE": "off",
        }
        run([str(ROOT / "node_modules/.bin/osls"), "deploy", "--stage", "local", *words], environment)
        (stack,) = self.emulator.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def let_batches_through(self) -> None:
        """On AWS `sqs:SendMessage` allows SendMessageBatch; the emulator asks for an action that AWS has not got."""
        queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-dead-letters"
        document = json.dumps(statement("sqs:SendMessageBatch", Resource=queue))
        role = self.role_arn.rpartition("/")[2]
        self.emulator.client("iam").put_role_policy(RoleName=role, PolicyName="emulator", PolicyDocument=document)

    # what happens

    def log_in(self, user: str, directory: str = ENGINEERING) -> str:
        """Somebody logs in to a WorkSpace of their own; the event's id.

        EventBridge takes no event of the source `aws.workspaces` from anybody but AWS, so this one is of the stage's
        second source.
        """
        (workspace,) = hire([user], REGION)
        detail = {
            "clientIpAddress": "203.0.113.7",
            "actionType": "successfulLogin",
            "workspacesClientProductName": "WorkSpaces Desktop client",
            "loginTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 5)),
            "clientPlatform": "Windows",
            "directoryId": f"domain/{directory}",
            "workspaceId": workspace,
        }
        entry = {"Source": SAMPLE_SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}
        (put,) = self.emulator.client("events").put_events(Entries=[entry])["Entries"]
        return str(put["EventId"])

    def event(self, user: str, *, id_: str, directory: str = ENGINEERING, account: str = ACCOUNT) -> str:
        """What EventBridge would put on the intake queue for a login."""
        (workspace,) = hire([user], REGION)
        seed = json.loads((ROOT / "tests/events/seed.json").read_text())
        seed["detail"] |= {"workspaceId": workspace, "directoryId": f"domain/{directory}"}
        return json.dumps(seed | {"id": id_, "account": account})

    def queue(self, *bodies: str) -> None:
        """Put these on the intake queue at once, as the bus does with one that it delivers twice."""
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies)]
        answer = self.emulator.client("sqs").send_message_batch(QueueUrl=self.outputs["IntakeUrl"], Entries=entries)
        assert not answer.get("Failed")

    def tick(self) -> None:
        """The one-minute clock, a little early."""
        event = {"detail-type": "Scheduled Event", "source": "aws.events", "id": "tick", "time": "2026-11-23T05:12:00Z"}
        answer = self.emulator.client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()
        self.ticks += 1

    def operator(self, *words: str, table: bool = True, code: int = 0) -> str:
        """What `python -m bot …` prints to the account's owner."""
        command = [sys.executable, "-m", "bot", *words, *(["--table", TABLE] if table else [])]
        environment = self.emulator.environment() | {"PYTHONPATH": str(ROOT), "ROUTES": f"s3://{BUCKET}/{KEY}"}
        return run(command, environment, folder=self.desk, code=code)

    @contextmanager
    def impatient_queue(self) -> Iterator[None]:
        """A record that was not kept comes again after two seconds, not after seven minutes."""
        queue, sqs = self.outputs["IntakeUrl"], self.emulator.client("sqs")
        asked = {"QueueUrl": queue, "AttributeNames": ["VisibilityTimeout"]}
        usual = sqs.get_queue_attributes(**asked)["Attributes"]
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "2"})
        try:
            yield
        finally:
            sqs.set_queue_attributes(QueueUrl=queue, Attributes=usual)

    # what can be seen of it

    def lines(self) -> list[dict[str, Any]]:
        """The function's own lines in its log group, oldest first: what happened, and metrics."""
        logs = self.emulator.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{FUNCTION}")
        texts = [event["message"] for page in pages for event in page["events"]]
        return [json.loads(text) for text in texts if text.startswith("{")]

    def told(self, event_id: str) -> list[dict[str, Any]]:
        """The log's lines about cards of this event."""
        return [line for line in self.lines() if line.get("message") == "told" and event_id in line["event_ids"]]

    def metrics(self, name: str) -> list[dict[str, Any]]:
        """The log's lines that hold values of a metric."""
        return [line for line in self.lines() if "_aws" in line and name in line]

    def publish_metrics(self, name: str) -> None:
        """Do what CloudWatch does with such lines and the emulator does not: read them out of the log."""
        for line in self.metrics(name):
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            for names in directive["Dimensions"]:
                dimensions = [{"Name": each, "Value": line[each]} for each in names]
                data = {"MetricName": name, "Dimensions": dimensions, "Value": line[name]}
                self.emulator.client("cloudwatch").put_metric_data(Namespace=directive["Namespace"], MetricData=[data])

    def alarm(self, name: str) -> dict[str, Any]:
        found = self.emulator.client("cloudwatch").describe_alarms(AlarmNames=[f"{STACK}-{name}"])
        (alarm,) = found["MetricAlarms"]
        return dict(alarm)

    def given_up(self, event_id: str) -> list[dict[str, Any]]:
        """What the operator is shown of an event that some destination will not hear of."""
        letters: list[dict[str, Any]] = json.loads(self.operator("dead-letters", "list", "--json"))
        return [letter for letter in letters if letter["event_id"] == event_id]

    def mark(self, destination: str, event_id: str) -> str:
        """What the outbox's table says became of a login there; empty while it waits."""
        answer = self.emulator.client("dynamodb").query(
            TableName=TABLE,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues={":pk": {"S": f"done|{destination}|{event_id}"}},
        )
        return json.dumps(answer["Items"]) if answer["Items"] else ""

    def listen(self, topic: str) -> str:
        """A queue that hears of everything said on a topic."""
        sqs = self.emulator.client("sqs")
        url = sqs.create_queue(QueueName=f"listens-to-{topic.rpartition(':')[2]}")["QueueUrl"]
        asked = {"QueueUrl": url, "AttributeNames": ["QueueArn"]}
        arn = sqs.get_queue_attributes(**asked)["Attributes"]["QueueArn"]
        policy = statement("sqs:SendMessage", Principal={"Service": "sns.amazonaws.com"}, Resource=arn)
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        self.emulator.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return str(url)

    def arrived(self, queue: str) -> list[dict[str, Any]]:
        """What came to a queue since the last look."""
        sqs = self.emulator.client("sqs")
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]

    def dead_letters(self, number: int) -> list[dict[str, Any]]:
        """So many of the dead-letter queue, which may come one by one."""
        letters: list[dict[str, Any]] = []
        queue = self.outputs["DeadLettersUrl"]
        eventually(lambda: letters.extend(self.arrived(queue)) or len(letters) >= number, f"{number} dead letters")  # type: ignore[func-returns-value]
        return letters

    def intake_is_empty(self) -> bool:
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        asked = {"QueueUrl": self.outputs["IntakeUrl"], "AttributeNames": counts}
        return not any(map(int, self.emulator.client("sqs").get_queue_attributes(**asked)["Attributes"].values()))

    # the role

    @property
    def role_arn(self) -> str:
        return str(self.emulator.client("lambda").get_function_configuration(FunctionName=FUNCTION)["Role"])

    @contextmanager
    def without(self, sid: str) -> Iterator[None]:
        """The deployed role lacks one of its statements for a while."""
        iam, name = self.emulator.client("iam"), self.role_arn.rpartition("/")[2]
        whole = iam.get_role_policy(RoleName=name, PolicyName="login-bot")["PolicyDocument"]
        kept = [each for each in whole["Statement"] if each["Sid"] != sid]
        assert len(kept) == len(whole["Statement"]) - 1

        def put(document: Mapping[str, Any]) -> None:
            iam.put_role_policy(RoleName=name, PolicyName="login-bot", PolicyDocument=json.dumps(document))

        put(whole | {"Statement": kept})
        try:
            yield
        finally:
            put(whole)


def posts(provider: Provider, user: str) -> list[Request]:
    """What a provider was sent about somebody."""
    return [post for post in provider.posts if user in post.text]


def door(url: str) -> Provider:
    """Stands before moto's server and hands everything on: its `requests` say who asked what."""

    def hand_on(request: Request) -> Answer:
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
        asked = urllib.request.Request(f"{url}{request.path}", request.body, headers, method=request.method)
        with urllib.request.urlopen(asked) as answer:
            return Answer(answer.status, answer.read().decode(), {"Content-Type": answer.headers["Content-Type"]})

    return Provider(hand_on, path="/")


def caller(request: Request) -> str:
    """The access key that signed a request."""
    return request.headers["authorization"].partition("Credential=")[2].partition("/")[0]


def statement(action: str, **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **more}]}


def native() -> str:
    """Lambda's name of this machine's processor."""
    return {"x86_64": "x86_64", "aarch64": "arm64"}[os.uname().machine]


def run(command: Sequence[str], environment: Mapping[str, str], *, folder: Path = ROOT, code: int = 0) -> str:
    done = subprocess.run(command, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
