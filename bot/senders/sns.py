"""Publishes cards to an SNS topic: plain text for mailboxes, JSON for queues and functions."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore import exceptions as aws

from bot.patience import within
from bot.senders import answers
from bot.senders.base import Tools, Verdict
from bot.senders.wire import Answer, Deadline

TOPIC_ARN = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$"

# SNS's own codes (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html and its page of common errors), as far
# as the status beside them does not say the same: AWS answers 400 to most things.
_THROTTLED = frozenset(
    {"Throttling", "Throttled", "ThrottledException", "ThrottlingException", "RequestLimitExceeded"}
    | {"KMSThrottling", "KMSThrottlingException"}
)
_PASSING = _THROTTLED | {"InternalError", "InternalFailure", "ServiceUnavailable"}
_BLAMES_DESTINATION = frozenset(
    {"NotFound", "AuthorizationError", "AccessDenied", "AccessDeniedException", "EndpointDisabled", "OptInRequired"}
    | {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
    | {"MissingAuthenticationToken", "IncompleteSignature", "SignatureDoesNotMatch", "RequestExpired"}
    | {"PlatformApplicationDisabled", "InvalidSecurity", "KMSAccessDenied", "KMSAccessDeniedException"}
    | {"KMSDisabled", "KMSDisabledException", "KMSInvalidState", "KMSInvalidStateException", "KMSNotFound"}
    | {"KMSNotFoundException", "KMSOptInRequired"}
)
_NO_ACCESS = (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError, aws.SSOError)
_NOT_SENT = (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ProxyConnectionError, aws.SSLError)


class SnsSender:
    """Through boto3, in the topic's own region. Nothing here is secret: the bot's role may publish, or may not."""

    @dataclass(frozen=True, kw_only=True)
    class Settings:
        __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

        topic_arn: str

        def __post_init__(self) -> None:
            if self.topic_arn.endswith(".fifo"):
                raise ValueError("topic_arn names a FIFO topic, which has no mailboxes; name a standard topic")
            if not re.fullmatch(TOPIC_ARN, self.topic_arn):
                raise ValueError("topic_arn must be like arn:aws:sns:eu-west-1:123456789012:login-audit")

    takes: ClassVar[frozenset[str]] = frozenset({"mail"})
    formatter: ClassVar[str] = "email"
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"topic_arn": "arn:aws:sns:eu-west-1:123456789012:login-audit"},
    )

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._topic = settings.topic_arn
        self._aws = tools.aws

    def send(self, payload: Mapping[str, Any], *, timeout: float) -> Verdict:
        """`payload` is `{subject, text, data}`; boto3 bounds each wait, the deadline bounds them all."""
        subject, message = payload["subject"], _message(payload)
        deadline = Deadline.after(timeout)
        try:
            client, keys = within(deadline.left(), self._client)
        except TimeoutError:
            return Verdict.again("SNS was not asked: its client was not ready in time")
        except Exception as error:  # noqa: BLE001 - as below, and nothing was sent
            problem = Verdict.again(f"SNS was not asked: no client ({type(error).__name__})")
            return _unanswered(error) if isinstance(error, _NO_ACCESS) else problem
        try:
            within(deadline.left(), lambda: self._publish(client, subject, message))
        except TimeoutError:
            return Verdict.unsure("SNS was sent the card and did not answer in time")
        except aws.ClientError as error:
            return _judged(error.response, hide=keys)
        except Exception as error:  # noqa: BLE001 - botocore's parsers raise whatever odd bytes make of them
            return _unanswered(error)
        return Verdict.sent()

    def refresh(self) -> None:
        """There is no secret to forget: botocore renews its own credentials."""

    def _client(self) -> tuple[Any, tuple[str, ...]]:
        """The topic's client, and what of the role's credentials no answer may show: the token goes out with a card."""
        client = self._aws.client("sns", region=self._topic.split(":")[3])
        found = self._aws.credentials()
        keys = found.get_frozen_credentials() if found else None
        return client, tuple(filter(None, (keys.secret_key, keys.token))) if keys else ()

    def _publish(self, client: Any, subject: str, message: str) -> None:
        client.publish(TopicArn=self._topic, Subject=subject, Message=message, MessageStructure="json")


def _message(payload: Mapping[str, Any]) -> str:
    """Mailboxes get the text; `default` is every other subscriber, and programs read JSON."""
    return _compact({"default": _compact(payload["data"]), "email": payload["text"]})


def _compact(value: Any) -> str:
    """Without a blank: a digest has room for more logins so."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _judged(response: Mapping[str, Any], *, hide: Iterable[str]) -> Verdict:
    """SNS said no. 5xx counts as not taken, as everywhere: SNS answers after it has stored a message."""
    error, about = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    answer = Answer(about.get("HTTPStatusCode", 0), about.get("HTTPHeaders", {}), f"{code} {message}")
    said = answers.reason("SNS", answer, hide=hide)
    if code in _PASSING:
        throttled = code in _THROTTLED or answer.status == answers.TOO_MANY
        return Verdict.again(said, answers.asked_wait(answer.headers), throttled=throttled)
    if code in _BLAMES_DESTINATION or "TopicArn" in message:
        return Verdict.dead(said, blames="destination")
    return answers.verdict("SNS", answer, hide=hide)


def _unanswered(error: Exception) -> Verdict:
    kind = type(error).__name__
    if isinstance(error, _NO_ACCESS):
        return Verdict.again(f"SNS was not asked: no AWS credentials ({kind}); log in, or give the function a role")
    if isinstance(error, aws.ParamValidationError):
        return Verdict.dead("SNS was not asked: the card is no subject and message", blames="payload")
    if isinstance(error, aws.SSLError) and re.search("certificate|match", str(error)):
        return Verdict.dead("SNS has no certificate to trust", blames="destination")
    if isinstance(error, _NOT_SENT):
        return Verdict.again(f"SNS was not reached ({kind})")
    return Verdict.unsure(f"SNS was sent the card and broke off ({kind})")
