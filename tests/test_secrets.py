"""References to secrets: what may be written, how a value is read, kept and forgotten, and that none is ever shown."""

import copy
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bot.aws import Aws
from bot.secrets import PATTERN, SecretError, SecretRef, Secrets, SecretStr
from tests.support.aws import CREDENTIALS, LoopbackAws
from tests.support.clock import FakeClock
from tests.support.providers import Answer, How, Provider, refused_address

VALUE = "made-up-value-93b1"


def secrets(aws: Aws | None = None, clock: FakeClock | None = None) -> Secrets:
    return Secrets(aws or Aws(), clock or FakeClock())


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("env:SLACK_WEBHOOK_URL", SecretRef("env", "SLACK_WEBHOOK_URL")),
        ("ssm:/login-bot/slack/eng", SecretRef("ssm", "/login-bot/slack/eng")),
        ("ssm:plain.name:3", SecretRef("ssm", "plain.name:3")),
        ("ssm:/slack/xoxb-token", SecretRef("ssm", "/slack/xoxb-token")),
        ("secretsmanager:login-bot/slack", SecretRef("secretsmanager", "login-bot/slack")),
        ("secretsmanager:login-bot/slack#token", SecretRef("secretsmanager", "login-bot/slack", "token")),
        (
            "secretsmanager:arn:aws:secretsmanager:eu-west-1:123456789012:secret:bot-a1B2c3#a key",
            SecretRef("secretsmanager", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:bot-a1B2c3", "a key"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_reference_says_where_its_secret_is_kept(text: str, ref: SecretRef) -> None:
    assert SecretRef.parse(text) == ref
    assert str(ref) == text
    assert re.fullmatch(PATTERN, text), "an editor accepts it too"


REFUSED = {
    "": "must be a reference",
    "https://hooks.slack.com/services/T0/B0/made-up-value-93b1": "must be a reference",
    "ssm:https://hooks.slack.com/services/T0/B0/made-up-value-93b1": "must be a reference",
    "env:xoxb-1234-made-up-value-93b1": "must be a reference",
    "ssm:/x/xoxb-1234-made-up-value-93b1": "must be a reference",
    "xapp-1-made-up-value-93b1": "must be a reference",
    "vault:made-up-value-93b1": "must be a reference",
    "SSM:made-up-value-93b1": "must be a reference",
    "env:AWS_SECRET_ACCESS_KEY": "must not be env:AWS_",
    "env:aws_session_token": "must not be env:AWS_",
    "env:": "names no secret that env:",
    "env:made-up-value-93b1": "names no secret that env:",
    "ssm:made up value-93b1": "names no secret that ssm:",
    "ssm:/a\n": "names no secret that ssm:",
    "secretsmanager:made-up?value-93b1": "names no secret that secretsmanager:",
    "ssm:/login-bot#key": "only secretsmanager:",
    "env:NAME#key": "only secretsmanager:",
    "secretsmanager:name#": "only secretsmanager:",
}


@pytest.mark.parametrize(("text", "why"), REFUSED.items(), ids=REFUSED.keys())
def test_what_is_no_reference_is_refused_and_never_repeated(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        SecretRef.parse(text)
    assert "93b1" not in str(caught.value)


@dataclass(frozen=True, kw_only=True)
class Settings:
    url: SecretRef
    spare: SecretRef | None = None


class TestInARoutingFile:
    def test_text_becomes_a_reference(self) -> None:
        read = TypeAdapter(Settings).validate_python({"url": "env:HOOK"})
        assert read == Settings(url=SecretRef("env", "HOOK"))
        assert TypeAdapter(Settings).validate_python({"url": SecretRef("ssm", "/a")}).url.name == "/a"
        assert TypeAdapter(Settings).validate_json('{"url": "ssm:/a"}').url == SecretRef("ssm", "/a")

    @pytest.mark.parametrize("value", [f"https://x.example/{VALUE}", 93, ["env:HOOK"], {"env": "HOOK"}])
    def test_anything_else_is_one_mistake(self, value: object) -> None:
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(Settings).validate_python({"url": value})
        (mistake,) = caught.value.errors()
        assert mistake["loc"] == ("url",)
        assert VALUE not in mistake["msg"]

    def test_the_schema_lets_an_editor_tell_a_reference_from_a_secret(self) -> None:
        url = TypeAdapter(Settings).json_schema()["properties"]["url"]
        assert (url["type"], url["pattern"]) == ("string", PATTERN)
        for refused in REFUSED.keys() - {"ssm:/x/xoxb-1234-made-up-value-93b1", "env:aws_session_token"}:
            if "ssm:https" not in refused:
                assert not re.search(PATTERN.replace("$", r"\Z"), refused), refused


class TestReading:
    def test_the_environment_is_asked_at_each_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader, ref = secrets(), SecretRef("env", "HOOK")
        for value in ("first", "second"):
            monkeypatch.setenv("HOOK", value)
            assert reader.read(ref).get_secret_value() == value

    def test_ssm_is_asked_for_the_plain_text(self, aws: LoopbackAws) -> None:
        aws.client("ssm").put_parameter(Name="/bot/hook", Value=f"{VALUE}\n", Type="SecureString")
        assert secrets(aws.clients).read(SecretRef("ssm", "/bot/hook")).get_secret_value() == VALUE

    def test_secrets_manager_gives_the_whole_or_one_field(self, aws: LoopbackAws) -> None:
        text = json.dumps({"token": f" {VALUE} ", "number": 3})
        aws.client("secretsmanager").create_secret(Name="bot/slack", SecretString=text)
        reader = secrets(aws.clients)
        assert reader.read(SecretRef("secretsmanager", "bot/slack", "token")).get_secret_value() == VALUE
        assert reader.read(SecretRef("secretsmanager", "bot/slack")).get_secret_value() == text

    def test_the_fields_of_one_secret_are_read_in_one_call_and_forgotten_together(self, aws: LoopbackAws) -> None:
        manager = aws.client("secretsmanager")
        manager.create_secret(Name="bot/slack", SecretString=json.dumps({"eng": "one", "ops": "two"}))
        reader = secrets(aws.clients)
        eng, ops = (SecretRef("secretsmanager", "bot/slack", key) for key in ("eng", "ops"))
        assert reader.read(eng).get_secret_value() == "one"
        manager.put_secret_value(SecretId="bot/slack", SecretString=json.dumps({"eng": "three", "ops": "four"}))
        assert reader.read(ops).get_secret_value() == "two"
        reader.forget(ops)
        assert reader.read(eng).get_secret_value() == "three"

    def test_a_field_that_is_missing_is_looked_for_again_at_the_next_read(self, aws: LoopbackAws) -> None:
        manager = aws.client("secretsmanager")
        manager.create_secret(Name="bot/slack", SecretString=json.dumps({"eng": "one"}))
        reader, ops = secrets(aws.clients), SecretRef("secretsmanager", "bot/slack", "ops")
        with pytest.raises(SecretError, match="must be a JSON object with the text field 'ops'"):
            reader.read(ops)
        manager.put_secret_value(SecretId="bot/slack", SecretString=json.dumps({"ops": "two"}))
        assert reader.read(ops).get_secret_value() == "two"

    def test_a_value_is_kept_for_five_minutes(self, aws: LoopbackAws) -> None:
        clock, ref = FakeClock(), SecretRef("ssm", "/bot/hook")
        reader = secrets(aws.clients, clock)
        put(aws, "old")
        assert reader.read(ref).get_secret_value() == "old"
        put(aws, "new")
        clock.advance(299)
        assert reader.read(ref).get_secret_value() == "old"
        clock.advance(2)
        assert reader.read(ref).get_secret_value() == "new"

    def test_a_forgotten_value_is_asked_for_again(self, aws: LoopbackAws) -> None:
        reader, ref = secrets(aws.clients), SecretRef("ssm", "/bot/hook")
        put(aws, "old")
        assert reader.read(ref).get_secret_value() == "old"
        put(aws, "new")
        reader.forget(ref)
        reader.forget(SecretRef("ssm", "/never/read"))
        assert reader.read(ref).get_secret_value() == "new"


def put(aws: LoopbackAws, value: str) -> None:
    aws.client("ssm").put_parameter(Name="/bot/hook", Value=value, Type="SecureString", Overwrite=True)


def nothing(_: LoopbackAws) -> None:
    pass


def a_list(aws: LoopbackAws) -> None:
    aws.client("secretsmanager").create_secret(Name="it", SecretString=json.dumps([VALUE]))


def no_json(aws: LoopbackAws) -> None:
    aws.client("secretsmanager").create_secret(Name="it", SecretString=VALUE)


def another_key(aws: LoopbackAws) -> None:
    aws.client("secretsmanager").create_secret(Name="it", SecretString=json.dumps({"other": VALUE, "key": [VALUE]}))


def bytes_only(aws: LoopbackAws) -> None:
    aws.client("secretsmanager").create_secret(Name="it", SecretBinary=VALUE.encode())


LACKS: dict[str, tuple[SecretRef, Callable[[LoopbackAws], None], str]] = {
    "no variable": (SecretRef("env", "NOT_SET"), nothing, "env:NOT_SET is missing: set it in the environment"),
    "no parameter": (SecretRef("ssm", "/it"), nothing, "ssm:/it is missing (ParameterNotFound): create it"),
    "no secret": (SecretRef("secretsmanager", "it"), nothing, "secretsmanager:it is missing (ResourceNotFound"),
    "JSON that is no object": (SecretRef("secretsmanager", "it", "key"), a_list, "must be a JSON object with the text"),
    "no JSON": (SecretRef("secretsmanager", "it", "key"), no_json, "must be a JSON object with the text field 'key'"),
    "no such key": (SecretRef("secretsmanager", "it", "key"), another_key, "must be a JSON object with the text"),
    "binary": (SecretRef("secretsmanager", "it"), bytes_only, "store it as a secret string"),
}


@pytest.mark.parametrize(("ref", "prepare", "why"), LACKS.values(), ids=LACKS.keys())
def test_what_is_lacking_is_named(
    aws: LoopbackAws, ref: SecretRef, prepare: Callable[[LoopbackAws], None], why: str
) -> None:
    prepare(aws)
    with pytest.raises(SecretError) as caught:
        secrets(aws.clients).read(ref)
    assert why in str(caught.value)
    assert VALUE not in everything_in(caught.value)


def error(code: str, status: int = 400) -> Answer:
    said = {"__type": code, "message": f"about {VALUE}"}
    return Answer(status, json.dumps(said), {"Content-Type": "application/x-amz-json-1.1"})


TROUBLES = {
    "denied": (error("AccessDeniedException"), "AWS said AccessDeniedException; may the bot's role"),
    "key denied": (error("KMSAccessDeniedException"), "may the bot's role read and decrypt it?"),
    "expired": (error("ExpiredTokenException"), "AWS said ExpiredTokenException"),
    "throttled": (error("ThrottlingException"), "AWS said ThrottlingException"),
    "too many": (error("TooManyRequestsException", 429), "AWS said TooManyRequestsException"),
    "broken": (error("InternalServerError", 500), "AWS said InternalServerError"),
    "unavailable": (Answer(503, f"<html>{VALUE}</html>"), "AWS said 503"),
    "no JSON": (Answer(200, VALUE), "AWS did not answer"),
    "reset": (Answer(how=How.RESET), "AWS did not answer (ConnectionClosedError)"),
}


@pytest.fixture(scope="module")
def store() -> Iterator[Provider]:
    with Provider.sns() as store:
        yield store


@pytest.fixture(scope="module")
def clients(store: Provider) -> Iterator[Aws]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": store.url}.items():
            patch.setenv(name, value)
        clients = Aws()
        for service in ("ssm", "secretsmanager"):
            clients.client(service)
        yield clients


@pytest.mark.parametrize("ref", [SecretRef("ssm", "/it"), SecretRef("secretsmanager", "it")], ids=str)
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_a_store_in_trouble_is_named_with_its_code(
    store: Provider, clients: Aws, ref: SecretRef, trouble: tuple[Answer, str]
) -> None:
    answer, why = trouble
    asked_before = len(store.requests)
    store.script(answer)
    with pytest.raises(SecretError) as caught:
        secrets(clients).read(ref)
    assert len(store.requests) == asked_before + 1, "nobody retries behind the caller's back"
    assert str(ref) in str(caught.value)
    assert why in str(caught.value)
    assert VALUE not in everything_in(caught.value)


def test_an_unreachable_store_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://{refused_address()}"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SecretError, match="ssm:/it can't be read: AWS did not answer"):
        secrets().read(SecretRef("ssm", "/it"))


@pytest.mark.parametrize(
    ("lacking", "why"),
    [
        (["AWS_DEFAULT_REGION"], "no AWS region for ssm: set AWS_DEFAULT_REGION"),
        (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"], "no AWS credentials"),
    ],
    ids=["no region", "no credentials"],
)
def test_a_machine_that_knows_no_aws_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, lacking: list[str], why: str
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in [*lacking, "AWS_REGION", "AWS_PROFILE"]:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SecretError, match=why):
        secrets().read(SecretRef("ssm", "/it"))


class TestNothingShows:
    def test_in_text(self) -> None:
        value = SecretStr(VALUE)
        assert VALUE not in f"{value} {value!r} {[value]}"

    def test_in_a_pickle(self) -> None:
        for way in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="not pickled"):
                way(SecretStr(VALUE))

    def test_in_a_log_at_debug(
        self, aws: LoopbackAws, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(aws, VALUE)
        reader = secrets(aws.clients)
        for name in list(logging.root.manager.loggerDict):
            monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
        with caplog.at_level(logging.DEBUG):
            assert reader.read(SecretRef("ssm", "/bot/hook")).get_secret_value() == VALUE
        said = " ".join(map(str, caplog.records)) + caplog.text
        assert VALUE not in said
        assert not any(CREDENTIALS[name] in said for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))


def everything_in(error: BaseException) -> str:
    """An exception's text, its traceback, and the state of all that led to it, read or suppressed."""
    said = ["".join(traceback.format_exception(error))]
    found: list[BaseException | None] = [error]
    while found:
        one: Any = found.pop()
        if one is not None:
            said.append(f"{one!r} {vars(one)} {getattr(one, 'doc', '')}")
            found += [one.__cause__, one.__context__]
    return " ".join(said)
