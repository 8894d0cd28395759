"""AWS on loopback: moto's server, an environment that points at it, and topics whose messages can be read.

def test_…(aws: LoopbackAws) -> None:      # the fixture of tests/conftest.py: clean, and in the environment
    topic = aws.topic()
    ...                                    # publish to topic.arn
    assert topic.arrived() == [...]
"""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any, Self

import boto3
from moto.server import ThreadedMotoServer

from bot.aws import Aws

REGION = "eu-west-1"

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00",
    "AWS_SECRET_ACCESS_KEY": "made-up-aws-secret-key",
    "AWS_SESSION_TOKEN": "made-up-aws-session-token",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@dataclass(frozen=True)
class Topic:
    """An SNS topic and the queue that listens to it."""

    arn: str
    queue_url: str
    sqs: Any

    def arrived(self) -> list[dict[str, Any]]:
        """What came since the last look, as SNS hands it to a queue: `Subject`, `Message` (text), …"""
        found = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]


class LoopbackAws:
    """One server; every test begins on a clean one."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._session = boto3.Session(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
        self._outside: dict[tuple[str, str], Any] = {}
        self.clients = Aws()
        """The bot's own clients, made once: each takes a third of a second."""

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.url, **CREDENTIALS}

    def reset(self) -> None:
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")):
            pass

    def client(self, service: str, region: str = REGION) -> Any:
        """A client that looks on from outside."""
        if (service, region) not in self._outside:
            self._outside[service, region] = self._session.client(service, region_name=region, endpoint_url=self.url)
        return self._outside[service, region]

    def topic(self, name: str = "login-audit", region: str = REGION) -> Topic:
        sqs, sns = self.client("sqs", region), self.client("sns", region)
        queue_url = sqs.create_queue(QueueName=f"{name}-listener")["QueueUrl"]
        listener = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        arn = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=listener)
        return Topic(arn, queue_url, sqs)
