"""Deploying and removing a stage: everything that can be wrong is said in a sentence before anything is changed.

AWS is moto through real boto3; osls is a stand-in that writes down how it was called. tests/template holds the real one
to what the stand-in says of a stage.
"""

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bot.aws import Aws
from bot.cli import deploying
from tests.support.aws import REGION, LoopbackAws
from tests.support.cli import ROOT, invoke
from tests.support.outbox_aws import FaultyAws
from tests.support.providers import refused_address

ROUTES = """\
destinations:
  eng: {type: slack, webhook_url: "ssm:/login-bot/slack/eng"}
  ops: {type: slack, token: "secretsmanager:login-bot/slack#token", channel: C0123456789}
default: [eng, ops]
"""

OSLS = """\
#!/bin/sh
echo "$@" >>called
if [ "$1" = "$(cat fails)" ]; then echo "the reason"; exit 1; fi
if [ "$1" = package ]; then mkdir -p "$7" && cp state.json "$7/serverless-state.json"; fi
"""


class Clone:
    """An operator's clone of the project, ready to be deployed, and the account that it would go to."""

    def __init__(self, folder: Path, aws: LoopbackAws) -> None:
        self.folder = folder
        self.aws = aws
        self.asks: dict[str, Any] = {
            "sources": ["aws.workspaces", "login-bot.sample"],
            "routesObject": "",
            "secretsPrefix": "login-bot/",
            "topics": "",
            "lookupRoles": "",
            "tableWhenRemoved": "Delete",
        }
        (folder / "node_modules/.bin").mkdir(parents=True)
        osls = folder / "node_modules/.bin/osls"
        osls.write_text(OSLS)
        osls.chmod(0o755)
        self.fail_at("")
        self.route(ROUTES)
        aws.client("ssm").put_parameter(
            Name="/login-bot/slack/eng", Value="https://hooks.slack.com/x", Type="SecureString"
        )
        aws.client("secretsmanager").create_secret(Name="login-bot/slack", SecretString='{"token": "made-up"}')

    def route(self, text: str) -> None:
        """Another routing file, and a package made of it."""
        (self.folder / "routes.yml").write_text(text)
        (self.folder / "dist").mkdir(exist_ok=True)
        with zipfile.ZipFile(self.folder / "dist/login-bot.zip", "w") as package:
            package.writestr("routes.yml", text)

    def fail_at(self, command: str) -> None:
        (self.folder / "fails").write_text(command)

    def __call__(self, *words: str, stdin: str = "", **environment: str) -> Any:
        asked = dict(zip(words[1::2], words[2::2], strict=False))
        service = {
            "service": "login-bot",
            "provider": {"stage": asked["--stage"], "region": asked.get("--region", REGION), "architecture": "arm64"},
            "custom": {"stage": self.asks},
            "functions": {"notify": {"environment": {"ROUTES": "", "TABLE_NAME": ""}}},
        }
        (self.folder / "state.json").write_text(json.dumps({"service": service}))
        return invoke(*words, stdin=stdin, **{"AWS_ENDPOINT_URL": self.aws.url, "COLUMNS": "300"} | environment)

    def called(self) -> list[str]:
        """What osls was asked to do, in order."""
        log = self.folder / "called"
        return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []

    def stand(self, stage: str = "dev") -> None:
        """The stage's stack, as if it had been deployed."""
        template = {
            "Resources": {"Intake": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"login-bot-{stage}-in"}}},
            "Outputs": {
                "TableName": {"Value": f"login-bot-{stage}"},
                "DashboardUrl": {"Value": "https://example.com/d"},
            },
        }
        self.aws.client("cloudformation").create_stack(
            StackName=f"login-bot-{stage}", TemplateBody=json.dumps(template)
        )

    def leave_table(self, stage: str) -> None:
        self.aws.client("dynamodb").create_table(
            TableName=f"login-bot-{stage}",
            KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


@pytest.fixture
def clone(tmp_path: Path, aws: LoopbackAws, monkeypatch: pytest.MonkeyPatch) -> Clone:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deploying, "Aws", lambda: aws.clients)  # making them anew takes each test a second
    for name in ("AWS_REGION", "AWS_PROFILE", "LOGIN_BOT_ZIP"):
        monkeypatch.delenv(name, raising=False)
    return Clone(tmp_path, aws)


# deploy


def test_what_is_right_is_deployed_as_it_was_checked(clone: Clone) -> None:
    result = clone("deploy", "--stage", "dev")
    assert (result.exit_code, result.stderr) == (0, "")
    where = f"--stage dev --region {REGION} --package dist/dev"
    assert (clone.folder / "called").read_text() == f"package {where}\ndeploy {where}\n"


def test_it_is_said_where_things_are_and_what_to_do_next(clone: Clone) -> None:
    clone.stand()
    said = clone("deploy", "--stage", "dev").stdout
    assert f"checked routes.yml · account 123456789012 · {REGION} · stage dev\n" in said
    assert "https://example.com/d" in said
    assert "python -m bot send-test --deployed --stage dev\n" in said
    assert "python -m bot status --table login-bot-dev\n" in said


def test_a_stage_that_takes_no_samples_is_not_to_be_sent_one(clone: Clone) -> None:
    clone.asks["sources"] = ["aws.workspaces"]
    said = clone("deploy", "--stage", "prod").stdout
    assert "send-test" not in said
    assert "python -m bot status --table login-bot-prod\n" in said


BROKEN = [
    pytest.param(ROUTES.replace("default: [eng", "default: [egn"), {}, "did you mean 'eng'", id="routing file"),
    pytest.param(
        ROUTES.replace("slack/eng", "slack/egn"),
        {},
        f"destinations.eng: ssm:/login-bot/slack/egn is missing in {REGION}: store it",
        id="missing parameter",
    ),
    pytest.param(
        ROUTES.replace("login-bot/slack#", "login-bot/other#"),
        {},
        f"destinations.ops: secretsmanager:login-bot/other is missing in {REGION}: store it",
        id="missing secret",
    ),
    pytest.param(
        ROUTES.replace("ssm:/login-bot/slack/eng", "env:SLACK_WEBHOOK_URL"),
        {},
        "destinations.eng: the function's environment has no SLACK_WEBHOOK_URL",
        id="a laptop's secret",
    ),
    pytest.param(
        ROUTES,
        {"secretsPrefix": "other/"},
        "destinations.eng: the function's role reads secrets under other/ only, not ssm:/login-bot/slack/eng",
        id="secret out of reach",
    ),
    pytest.param(
        ROUTES.replace("default:", '  mail: {type: sns, topic_arn: "arn:aws:sns:eu-west-1:123456789012:a"}\ndefault:'),
        {"topics": "arn:aws:sns:eu-west-1:123456789012:b"},
        "destinations.mail: the role may not publish to arn:aws:sns:eu-west-1:123456789012:a: add it to topics",
        id="topic out of reach",
    ),
    pytest.param(
        ROUTES + 'accounts:\n  "210987654321": {role_arn: "arn:aws:iam::210987654321:role/x"}\n',
        {},
        "accounts.210987654321: the role may not take on arn:aws:iam::210987654321:role/x: add it to lookupRoles",
        id="role out of reach",
    ),
    pytest.param(ROUTES, {"routesObject": "no-such/routes.yml"}, "s3://no-such/routes.yml", id="no routes on S3"),
]


@pytest.mark.parametrize(("routes", "asks", "sentence"), BROKEN)
def test_a_mistake_stops_the_deployment_before_anything_is_changed(
    clone: Clone, routes: str, asks: dict[str, str], sentence: str
) -> None:
    clone.route(routes)
    clone.asks |= asks
    result = clone("deploy", "--stage", "dev")
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert "deploy" not in clone.called()


def test_all_mistakes_are_said_at_once(clone: Clone) -> None:
    clone.route(ROUTES.replace("slack/eng", "slack/egn").replace("login-bot/slack#", "login-bot/other#"))
    result = clone("deploy", "--stage", "dev")
    assert len(result.stderr.splitlines()) == 3
    assert result.stderr.endswith("error: 2 mistakes: nothing was deployed\n")


def test_what_the_role_may_reach_is_let_through(clone: Clone) -> None:
    topic, role = "arn:aws:sns:eu-west-1:123456789012:a", "arn:aws:iam::210987654321:role/x"
    clone.route(
        ROUTES.replace("default:", f'  mail: {{type: sns, topic_arn: "{topic}"}}\ndefault:')
        + f'accounts:\n  "210987654321": {{role_arn: "{role}"}}\n'
    )
    clone.asks |= {"topics": f"{topic},arn:aws:sns:eu-west-1:123456789012:b", "lookupRoles": role}
    assert clone("deploy", "--stage", "dev").exit_code == 0


def test_a_secret_named_by_its_arn_is_within_reach(clone: Clone) -> None:
    arn = clone.aws.client("secretsmanager").describe_secret(SecretId="login-bot/slack")["ARN"]
    clone.route(ROUTES.replace("secretsmanager:login-bot/slack#", f"secretsmanager:{arn}#"))
    result = clone("deploy", "--stage", "dev")
    assert (result.exit_code, result.stderr) == (0, "")


def test_no_secret_is_decrypted_for_it(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    watched = FaultyAws()
    watched.before = lambda operation, request: asked.append((operation, request))
    monkeypatch.setattr(deploying, "Aws", lambda: watched)
    assert clone("deploy", "--stage", "dev").exit_code == 0
    assert [each for each in asked if "parameter" in each[0] or "secret" in each[0]] == [
        ("get_parameter", {"Name": "/login-bot/slack/eng"}),  # WithDecryption is false where nobody says it
        ("describe_secret", {"SecretId": "login-bot/slack"}),
    ]


def test_the_routing_file_on_s3_is_the_one_that_is_checked(clone: Clone) -> None:
    s3 = clone.aws.client("s3")
    s3.create_bucket(Bucket="routes", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="routes", Key="routes.yml", Body=ROUTES.replace("slack/eng", "slack/hot").encode())
    clone.asks["routesObject"] = "routes/routes.yml"
    result = clone("deploy", "--stage", "dev")
    assert result.exit_code == 1
    assert "ssm:/login-bot/slack/hot is missing" in result.stderr


def test_aws_region_alone_names_the_region_for_all_that_is_asked(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", REGION)
    s3 = clone.aws.client("s3")
    s3.create_bucket(Bucket="routes", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="routes", Key="routes.yml", Body=ROUTES.encode())
    clone.asks["routesObject"] = "routes/routes.yml"
    result = clone("deploy", "--stage", "dev")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_routing_file_on_s3_is_nothing_to_be_packaged(clone: Clone) -> None:
    result = clone("deploy", "--stage", "dev", ROUTES="s3://routes/routes.yml")
    assert result.stderr.startswith("error: s3://routes/routes.yml is not packaged; name a file on this machine")


def test_a_package_of_another_routing_file_is_not_deployed(clone: Clone) -> None:
    (clone.folder / "routes.yml").write_text(ROUTES + "# changed since\n")
    result = clone("deploy", "--stage", "dev")
    assert "dist/login-bot.zip was made of another routes.yml than routes.yml: make package" in result.stderr
    assert clone.called() == []


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        pytest.param("aarch64", "", id="the stage's"),
        pytest.param(
            "x86_64",
            "error: dist/login-bot.zip is for x86_64, but serverless.yml says architecture: arm64; change it there, or"
            " make deploy STAGE=dev ARCH=arm64\n",
            id="another",
        ),
    ],
)
def test_a_package_for_another_processor_is_not_deployed(clone: Clone, machine: str, said: str) -> None:
    with zipfile.ZipFile(clone.folder / "dist/login-bot.zip", "a") as package:
        package.writestr(f"pydantic_core/_pydantic_core.cpython-313-{machine}-linux-gnu.so", b"")
    result = clone("deploy", "--stage", "dev")
    assert result.stderr == said
    assert ("deploy" in clone.called()) is (not said)


def test_make_deploys_the_package_that_it_makes() -> None:
    words = ["make", "--dry-run", "deploy", "STAGE=dev", "ARCH=x86_64"]
    would = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "--arch x86_64 --out dist/login-bot-x86_64.zip" in would
    assert 'LOGIN_BOT_ZIP="dist/login-bot-x86_64.zip" ' in would.split("bot deploy")[0].splitlines()[-1]


def test_without_a_package_it_says_how_to_make_one(clone: Clone) -> None:
    (clone.folder / "dist/login-bot.zip").unlink()
    result = clone("deploy", "--stage", "dev")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: dist/login-bot.zip is no package with a routes.yml: make package\n",
    )


def test_without_osls_it_says_how_to_come_by_it(clone: Clone) -> None:
    (clone.folder / "node_modules/.bin/osls").unlink()
    assert "make deploy sets it up" in clone("deploy", "--stage", "dev").stderr


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        pytest.param(
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "error: no AWS credentials: log in (aws sso login), or name a profile with AWS_PROFILE\n",
            id="no credentials",
        ),
        pytest.param(
            {"AWS_PROFILE": "nobody"},
            "error: AWS_PROFILE names a profile that is not in ~/.aws/config: mend it, or unset it\n",
            id="no such profile",
        ),
        pytest.param(
            {"AWS_DEFAULT_REGION": ""},
            "error: no AWS region: set AWS_DEFAULT_REGION to the one whose WorkSpaces the bot tells of\n",
            id="no region",
        ),
        pytest.param(
            {"AWS_DEFAULT_REGION": "eu-wset-1"},
            "error: there is no AWS region 'eu-wset-1'; did you mean 'eu-west-1'?\n",
            id="misspelt region",
        ),
        pytest.param(
            {"AWS_REGION": "us-east-1"},
            "error: AWS_REGION is us-east-1 and AWS_DEFAULT_REGION is eu-west-1: unset one, or name the region with"
            " --region\n",
            id="two regions",
        ),
    ],
)
def test_trouble_with_aws_is_one_sentence(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    monkeypatch.setattr(deploying, "Aws", Aws)
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    for name, value in environment.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    result = clone("deploy", "--stage", "dev")
    assert (result.exit_code, result.stderr) == (1, sentence)
    assert clone.called() == []


def test_in_the_wrong_region_its_secrets_are_missed(clone: Clone) -> None:
    result = clone("deploy", "--stage", "dev", "--region", "us-east-1")
    assert "ssm:/login-bot/slack/eng is missing in us-east-1: store it" in result.stderr
    assert "or deploy to the region that has it" in result.stderr
    assert clone.called() == ["package"]


def test_an_aws_that_does_not_answer_is_one_sentence(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploying, "Aws", Aws)
    result = clone("deploy", "--stage", "dev", AWS_ENDPOINT_URL=f"http://{refused_address()}")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: AWS did not answer in {REGION}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("stage", ["", "Dev", "dev_1", "a b", "x" * 21, "-dev"])
def test_a_name_that_aws_would_refuse_later_is_refused_now(clone: Clone, stage: str) -> None:
    result = clone("deploy", "--stage", stage)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert clone.called() == []


def test_a_table_that_a_removed_stage_left_is_in_the_way(clone: Clone) -> None:
    clone.leave_table("prod")
    result = clone("deploy", "--stage", "prod")
    assert result.exit_code == 1
    assert "table login-bot-prod is left from a stage that was removed" in result.stderr
    assert clone.called() == ["package"]


def test_the_table_of_a_stage_that_is_there_is_in_nobodys_way(clone: Clone) -> None:
    clone.stand()
    clone.leave_table("dev")
    assert clone("deploy", "--stage", "dev").exit_code == 0


def test_a_mistake_in_the_template_is_said_to_have_changed_nothing(clone: Clone) -> None:
    clone.fail_at("package")
    result = clone("deploy", "--stage", "dev")
    assert result.stderr == "error: serverless.yml has a mistake: it is above; nothing was changed\n"
    assert clone.called() == ["package"]


def test_a_deployment_that_aws_refuses_is_no_success(clone: Clone) -> None:
    clone.fail_at("deploy")
    result = clone("deploy", "--stage", "dev")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: stage dev was not deployed: AWS's reason is above")
    assert "deployed stage" not in result.stdout


# remove


def test_a_stage_is_removed_by_whoever_types_its_name(clone: Clone) -> None:
    clone.stand()
    result = clone("remove", "--stage", "dev", stdin="dev\n")
    assert result.exit_code == 0
    assert "table login-bot-dev goes, with all that waits in it" in result.stdout
    assert clone.called() == ["package", "remove"]


@pytest.mark.parametrize("typed", ["\n", "prod\n", "y\n"])
def test_anything_else_removes_nothing(clone: Clone, typed: str) -> None:
    clone.stand()
    result = clone("remove", "--stage", "dev", stdin=typed)
    assert (result.exit_code, clone.called()) == (1, ["package"])
    assert "nothing was removed" in result.stderr


def test_a_script_says_yes_beforehand(clone: Clone) -> None:
    clone.stand()
    assert clone("remove", "--stage", "dev", "--yes").exit_code == 0


def test_it_says_that_the_table_stays_where_it_does(clone: Clone) -> None:
    clone.stand("prod")
    clone.asks["tableWhenRemoved"] = "RetainExceptOnCreate"
    result = clone("remove", "--stage", "prod", "--yes")
    assert result.stdout.endswith("removed stage prod; table login-bot-prod stays\n")


def test_a_stage_that_is_not_there_is_not_removed(clone: Clone) -> None:
    clone.stand("dev")
    result = clone("remove", "--stage", "prod", "--yes")
    assert result.stderr == f"error: there is no stage prod in {REGION}, account 123456789012: nothing to remove\n"
    assert clone.called() == ["package"]


def test_without_a_package_it_says_why_one_is_needed_to_remove(clone: Clone) -> None:
    clone.stand()
    (clone.folder / "dist/login-bot.zip").unlink()
    result = clone("remove", "--stage", "dev", "--yes")
    sentence = "error: there is no dist/login-bot.zip, and osls removes no stage without one: make package\n"
    assert (result.exit_code, result.stderr, clone.called()) == (1, sentence, [])


def test_make_remove_makes_the_package_in_a_fresh_clone() -> None:
    words = ["make", "--dry-run", "remove", "STAGE=dev", "ZIP=dist/no-such.zip"]
    would = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert 0 < would.find("deploy.package --arch arm64 --out dist/no-such.zip") < would.find("bot remove")


def test_a_removal_that_failed_is_no_success(clone: Clone) -> None:
    clone.stand()
    clone.fail_at("remove")
    result = clone("remove", "--stage", "dev", "--yes")
    assert result.exit_code == 1
    assert "was not removed, or not all of it" in result.stderr
