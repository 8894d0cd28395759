"""The zip on Lambda's own runtime client, beside boto3 and nothing else: what it needs is in it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.outbox.dynamodb import create_table
from tests.e2e.conftest import LAMBDA, version
from tests.e2e.runtime_api import Lambda
from tests.e2e.stage import native, posts
from tests.support.aws import REGION, LoopbackAws, Topic
from tests.support.fleet import hire
from tests.support.logins import event
from tests.support.providers import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("package")]

RUNTIMES_OWN = {"awslambdaric", "simplejson", "snapshot-restore-py", "pip", "setuptools", "wheel"}
BOTO3S = {"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"}


@dataclass(frozen=True)
class World:
    function: Lambda
    slack: Provider
    channel: Provider
    teams: Provider
    topic: Topic


@pytest.fixture
def world(aws: LoopbackAws, zips: Callable[[str, str], Path], tmp_path: Path) -> Iterator[World]:
    """A copy of the function whose routing file is on S3: reading it needs every library that the bot has."""
    with ExitStack() as open_:
        slack, channel = open_.enter_context(Provider.slack()), open_.enter_context(Provider.slack_api())
        teams, topic = open_.enter_context(Provider.teams()), aws.topic()
        secrets = {"/login-bot/slack": slack.url, "/login-bot/token": "xoxb-made-up", "/login-bot/teams": teams.url}
        for name, value in secrets.items():
            aws.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString")
        routes = {
            "trusted_hosts": [slack.host, channel.host, teams.host],
            "destinations": {
                "hook": {"type": "slack", "webhook_url": "ssm:/login-bot/slack"},
                "bot": {
                    "type": "slack",
                    "token": "ssm:/login-bot/token",
                    "channel": "C0123456789",
                    "base_url": channel.url,
                },
                "it": {
                    "type": "teams",
                    "webhook_url": "ssm:/login-bot/teams",
                    "timezone": "Asia/Tokyo",
                    "language": "ja",
                },
                "mail": {"type": "sns", "topic_arn": topic.arn},
            },
            "default": ["hook", "bot", "it", "mail"],
        }
        aws.client("s3").create_bucket(Bucket="routes", CreateBucketConfiguration={"LocationConstraint": REGION})
        aws.client("s3").put_object(Bucket="routes", Key="routes.yml", Body=json.dumps(routes).encode())
        create_table(aws.client("dynamodb"), "login-bot-test")
        environment = aws.environment | {"ROUTES": "s3://routes/routes.yml", "TABLE_NAME": "login-bot-test"}
        function = Lambda(zips(native(), version(LAMBDA)), tmp_path / "task", LAMBDA, environment)
        (function.folder / "routes.yml").write_text(json.dumps(routes))  # the file on S3 may trust whom this one trusts
        yield World(open_.enter_context(function), slack, channel, teams, topic)


def test_nothing_but_boto3_and_the_runtime_client_stands_beside_the_zip() -> None:
    ask = "from importlib.metadata import distributions as all; print(*(each.name.lower() for each in all()))"
    found = subprocess.run(
        [LAMBDA / "bin/python", "-c", ask], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {name.replace("_", "-") for name in found} <= RUNTIMES_OWN | BOTO3S


def test_a_login_is_told_to_every_kind_of_channel_and_the_log_is_json_lines(world: World) -> None:
    (workspace,) = hire(["alice"], REGION)
    seed = event("seed")
    seed["detail"]["workspaceId"] = workspace
    batch = {"Records": [{"messageId": "m-1", "body": json.dumps(seed)}]}
    assert world.function.invoke(batch) == {"batchItemFailures": []}, world.function.log()
    assert posts(world.slack, "alice"), world.function.log()
    assert posts(world.channel, "alice")
    assert posts(world.teams, "alice")
    (mail,) = world.topic.arrived()
    assert "alice" in mail["Subject"]
    lines = world.function.log().splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines), "a library complains in the log"
