"""SNS: who subscribes gets what, in the topic's own region, and what SNS's error codes mean."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bot.aws import Aws
from bot.secrets import Secrets
from bot.senders.base import Outcome, Tools, Verdict
from bot.senders.sns import SnsSender
from tests.support.aws import CREDENTIALS, LoopbackAws
from tests.support.clock import FakeClock
from tests.support.providers import Answer, Provider

CARD = {
    "subject": "WorkSpaces login: alice",
    "text": "alice さん\nlogged in",
    "data": {"logins": [{"user": "alice さん"}]},
}
ARN = "arn:aws:sns:eu-west-1:123456789012:login-audit"


def sender(aws: Aws, arn: str = ARN) -> SnsSender:
    return SnsSender(SnsSender.Settings(topic_arn=arn), Tools(secrets=Secrets(aws, FakeClock()), aws=aws))


def test_a_queue_that_subscribes_gets_json(aws: LoopbackAws) -> None:
    topic = aws.topic()
    assert sender(aws.clients, topic.arn).send(CARD, timeout=10) == Verdict.sent()
    (arrived,) = topic.arrived()
    assert json.loads(arrived["Message"]) == CARD["data"]
    assert arrived["Subject"] == CARD["subject"]


def test_a_topic_is_asked_in_its_own_region(aws: LoopbackAws) -> None:
    topic = aws.topic("far-away", region="ap-northeast-1")
    assert sender(aws.clients, topic.arn).send(CARD, timeout=10) == Verdict.sent()
    assert len(topic.arrived()) == 1


def test_a_topic_that_is_gone_is_the_destinations_fault(aws: LoopbackAws) -> None:
    verdict = sender(aws.clients).send(CARD, timeout=10)
    assert verdict.blames == "destination"
    assert verdict.reason.startswith("SNS answered 404: NotFound")


@pytest.fixture(scope="module")
def sns() -> Iterator[Provider]:
    with Provider.sns() as sns:
        yield sns


@pytest.fixture(scope="module")
def here(sns: Provider) -> Iterator[SnsSender]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_SNS": sns.url}.items():
            patch.setenv(name, value)
        aws = Aws()
        aws.client("sns", region="eu-west-1")
        yield sender(aws)


def test_mailboxes_get_text_and_everybody_else_json(sns: Provider, here: SnsSender) -> None:
    assert here.send(CARD, timeout=5) == Verdict.sent()
    form = sns.posts[-1].form
    assert (form["MessageStructure"], form["TopicArn"], form["Subject"]) == ("json", ARN, CARD["subject"])
    message = json.loads(form["Message"])
    assert message["email"] == CARD["text"]
    assert json.loads(message["default"]) == CARD["data"]


PAYLOAD, DESTINATION, AGAIN = "payload", "destination", Outcome.AGAIN

CODES: dict[str, tuple[int, Any]] = {
    "InvalidParameter": (400, PAYLOAD),
    "InvalidParameterValue": (400, PAYLOAD),
    "ValidationError": (400, PAYLOAD),
    "NotFound": (404, DESTINATION),
    "AuthorizationError": (403, DESTINATION),
    "AccessDenied": (403, DESTINATION),
    "ExpiredToken": (403, DESTINATION),
    "InvalidClientTokenId": (403, DESTINATION),
    "EndpointDisabled": (400, DESTINATION),
    "KMSAccessDenied": (400, DESTINATION),
    "KMSDisabled": (400, DESTINATION),
    "KMSInvalidState": (400, DESTINATION),
    "KMSNotFound": (400, DESTINATION),
    "KMSOptInRequired": (403, DESTINATION),
    "KMSThrottling": (400, AGAIN),
    "Throttling": (400, AGAIN),
    "ThrottledException": (429, AGAIN),
    "InternalError": (500, AGAIN),
    "ServiceUnavailable": (503, AGAIN),
    "SomethingOfTomorrow": (503, AGAIN),
}


def error(status: int, code: str, message: str = "no") -> Answer:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Answer(status, body)


@pytest.mark.parametrize(("code", "means"), CODES.items(), ids=CODES.keys())
def test_a_code_means(sns: Provider, here: SnsSender, code: str, means: tuple[int, Any]) -> None:
    status, expected = means
    before = len(sns.posts)
    sns.script(error(status, code))
    verdict = here.send(CARD, timeout=5)
    assert (verdict.blames or verdict.outcome) == expected
    assert verdict.throttled == ("Thrott" in code)
    assert verdict.reason == f"SNS answered {status}: {code} no"
    assert len(sns.posts) == before + 1


def test_an_arn_that_sns_rejects_is_not_the_cards_fault(sns: Provider, here: SnsSender) -> None:
    sns.script(error(400, "InvalidParameter", "Invalid parameter: TopicArn Reason: no such partition"))
    assert here.send(CARD, timeout=5).blames == DESTINATION


@pytest.mark.parametrize("subject", [None, 3, ""])
def test_a_subject_that_boto3_rejects_is_the_cards_fault(sns: Provider, here: SnsSender, subject: Any) -> None:
    sns.script(error(400, "InvalidParameter"))
    broken: Mapping[str, Any] = {**CARD, "subject": subject}
    assert here.send(broken, timeout=5).blames == PAYLOAD


MISTAKES = {
    "": "topic_arn must be like",
    "login-audit": "topic_arn must be like",
    "arn:aws:sqs:eu-west-1:123456789012:login-audit": "topic_arn must be like",
    "arn:aws:sns:eu-west-1:123456789012:login audit": "topic_arn must be like",
    "arn:aws:sns:eu-west-1:123456789012:login-audit:0f1e": "topic_arn must be like",
    "arn:aws:sns:eu-west-1:123456789012:login-audit\n": "topic_arn must be like",
    "arn:aws:sns:eu-west-1:123456789012:login-audit.fifo": "FIFO",
}


@pytest.mark.parametrize(("arn", "why"), MISTAKES.items(), ids=MISTAKES.keys())
def test_a_topic_is_named_by_its_arn(arn: str, why: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(why)):
        TypeAdapter(SnsSender.Settings).validate_python({"topic_arn": arn})


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_every_partition_has_topics(partition: str) -> None:
    assert SnsSender.Settings(topic_arn=f"arn:{partition}:sns:xx-west-1:123456789012:a-B_9").topic_arn
