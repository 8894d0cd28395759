"""Calls of AWS's JSON services on the wire: signed by botocore, answered and failing as boto3's client does."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from botocore.session import get_session
from moto import mock_aws

import bot.aws
from bot.aws import Aws
from bot.json_services import SERVICES, directly, endpoint
from tests.support.aws import CREDENTIALS

KEY = {"PK": {"S": "groups"}, "SK": {"S": "ops · ö"}}


class Server(ThreadingHTTPServer):
    """Answers each post with the next of `answers`, (status, body) or None for a line that is cut; then with `{}`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, bytes] | None] = []
        self.posts: list[tuple[dict[str, str], Any]] = []
        self.connections: set[tuple[str, int]] = set()
        self.length = ""
        """What is said of an answer's length, if not the truth."""
        self.is_silent = False
        self.hangs_up = False
        self.hung_up = Event()

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.hung_up.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.server.connections.add(self.client_address)
        answer = self.server.answers.pop(0) if self.server.answers else (200, b"{}")
        if self.server.is_silent:
            self.rfile.read(1)  # until the other side has had enough
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer[0])
        self.send_header("Content-Length", self.server.length or str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])
        self.close_connection |= self.server.hangs_up

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True).start()
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": server.url}.items():
            monkeypatch.setenv(name, value)
        yield server
        server.shutdown()


@pytest.fixture
def client(server: Server) -> Any:
    return Aws().client("dynamodb")


def test_a_call_is_one_post_and_its_answer_comes_as_it_is(client: Any, server: Server) -> None:
    server.answers = [(200, '{"Item": {"PK": {"S": "中村"}}}'.encode())]
    assert client.get_item(TableName="t", Key=KEY, ConsistentRead=True) == {"Item": {"PK": {"S": "中村"}}}
    ((headers, body),) = server.posts
    assert body == {"TableName": "t", "Key": KEY, "ConsistentRead": True}
    assert headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert headers["x-amz-security-token"] == CREDENTIALS["AWS_SESSION_TOKEN"]
    assert f"/{datetime.now(UTC):%Y%m}" in headers["authorization"]
    assert not any(CREDENTIALS["AWS_SECRET_ACCESS_KEY"] in value for value in headers.values())


def test_bytes_come_and_go_as_botos(client: Any, server: Server) -> None:
    server.answers = [(200, b'{"Item": {"B": {"B": "/wA="}, "S": {"M": {"B": {"S": "/wA="}}}}}')]
    found = client.put_item(TableName="t", Item={"B": {"B": b"\xff\x00"}})
    assert server.posts[0][1]["Item"] == {"B": {"B": "/wA="}}
    assert found == {"Item": {"B": {"B": b"\xff\x00"}, "S": {"M": {"B": {"S": "/wA="}}}}}


REFUSALS = {
    "a condition": (400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}'),
    "throttled": (400, b'{"__type":"com.amazon.coral.availability#ThrottlingException","message":"slow"}'),
    "of the house": (500, b'{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"no"}'),
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_is_the_error_that_boto3_raises(client: Any, server: Server, answer: tuple[int, bytes]) -> None:
    raised = []
    for each in (client, boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))):
        server.answers = [answer]
        with pytest.raises(ClientError) as error:
            each.get_item(TableName="t", Key=KEY)
        said = error.value.response
        raised.append((said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"]))
    assert raised[0] == raised[1]


@pytest.mark.parametrize("page", [b"<html>", b"[]", b"", b'{"__type": 5}'])
def test_what_is_no_answer_of_dynamodb_keeps_its_status(client: Any, server: Server, page: bytes) -> None:
    server.answers = [(503, page)]
    with pytest.raises(ClientError) as error:
        client.get_item(TableName="t", Key=KEY)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_a_connection_is_used_again_and_a_closed_one_is_not(client: Any, server: Server) -> None:
    for _ in range(3):
        client.get_item(TableName="t", Key=KEY)
    assert len(server.connections) == 1
    server.answers = [None]
    with pytest.raises(ConnectionClosedError):
        client.get_item(TableName="t", Key=KEY)
    assert client.get_item(TableName="t", Key=KEY) == {}
    assert len(server.connections) == 2


def test_a_connection_that_was_closed_in_its_sleep_costs_no_call(client: Any, server: Server) -> None:
    server.hangs_up = True
    client.get_item(TableName="t", Key=KEY)
    assert server.hung_up.wait(5)
    assert client.get_item(TableName="t", Key=KEY) == {}
    assert len(server.connections) == 2


def test_a_connection_that_rested_for_long_is_not_trusted(
    client: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.connections.MOST_IDLE_SECONDS", 0.0)
    client.get_item(TableName="t", Key=KEY)
    client.get_item(TableName="t", Key=KEY)
    assert len(server.connections) == 2


def test_an_answer_that_is_not_the_last_is_never_followed_by_another_calls(client: Any, server: Server) -> None:
    server.answers = [(103, b""), (200, b'{"Item": {"of": {"S": "the first"}}}')]
    with pytest.raises(ConnectionClosedError):
        client.get_item(TableName="t", Key=KEY)
    server.answers = []
    assert client.get_item(TableName="t", Key=KEY) == {}
    assert len(server.connections) == 2


@pytest.mark.parametrize("length", ["99999999999999999999", "5"])
def test_an_answer_of_a_wrong_length_is_none(client: Any, server: Server, length: str) -> None:
    server.length, server.hangs_up = length, True
    with pytest.raises(ConnectionClosedError):
        client.get_item(TableName="t", Key=KEY)


@pytest.mark.parametrize("page", [b"<html>", b"", b"{", b"[]", b"null"])
def test_what_is_no_json_object_is_an_error_of_botos(client: Any, server: Server, page: bytes) -> None:
    server.answers = [(200, page)]
    with pytest.raises(ResponseParserError, match="GetItem was not answered"):
        client.get_item(TableName="t", Key=KEY)


def test_a_silent_table_is_waited_for_no_longer_than_others(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.aws, "READ_SECONDS", 0.05)
    client = Aws().client("dynamodb")
    client.get_item(TableName="t", Key=KEY)
    assert [connection.sock.gettimeout() for connection, _ in client._connections._idle] == [0.05]
    server.is_silent = True
    with pytest.raises(ReadTimeoutError):
        client.get_item(TableName="t", Key=KEY)


def test_a_table_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EndpointConnectionError, match=str(port)):
        Aws().client("dynamodb").get_item(TableName="t", Key=KEY)


def test_without_credentials_nothing_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(NoCredentialsError):
        Aws().client("dynamodb").get_item(TableName="t", Key=KEY)
    assert server.posts == []


def test_who_listens_for_botos_requests_may_answer_these(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = Aws().client("dynamodb")
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            client.get_item(TableName="t", Key=KEY)


def test_a_proxy_of_the_environment_gets_the_call(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://dynamodb.example")
    Aws().client("dynamodb").get_item(TableName="t", Key=KEY)
    ((headers, _),) = server.posts
    assert headers["host"] == "dynamodb.example"


PLACES = {
    "Ireland": {"AWS_DEFAULT_REGION": "eu-west-1"},
    "the government's": {"AWS_DEFAULT_REGION": "us-gov-west-1"},
    "China": {"AWS_DEFAULT_REGION": "cn-northwest-1"},
    "a new one": {"AWS_DEFAULT_REGION": "qq-nowhere-7"},
    "a stage of your own": {"AWS_ENDPOINT_URL": "http://127.0.0.1:9999"},
    "a service of your own": {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:2",
    },
    "nowhere else": {"AWS_ENDPOINT_URL": "http://127.0.0.1:9999", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    "FIPS": {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_DEFAULT_REGION": "us-east-1"},
    "dual stack": {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
}


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("environment", PLACES.values(), ids=PLACES.keys())
def test_the_endpoint_is_the_one_that_boto3_would_ask(
    service: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in {**CREDENTIALS, "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled", **environment}.items():
        monkeypatch.setenv(name, value)
    session = get_session()
    asked = session.create_client(service).meta.endpoint_url
    assert endpoint(service, session, session.get_config_variable("region")) == asked.rstrip("/") + "/"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_spoken_to_as_boto3_models_it(service: str) -> None:
    session, protocol = get_session(), SERVICES[service]
    model = session.get_service_model(service)
    assert "json" in model.metadata["protocols"]
    assert (model.metadata["targetPrefix"], model.metadata["jsonVersion"]) == (protocol.prefix, protocol.version)
    assert protocol.id == model.service_id.hyphenize().upper().replace("-", "_")


@pytest.mark.parametrize("region", ["evil.example/", "eu-west-1.evil.example", "a#", "eu west", "@evil", "x:1"])
def test_a_region_that_is_none_is_asked_nothing(region: str) -> None:
    """An event names it, and an event may be anybody's."""
    with pytest.raises(InvalidRegionError):
        directly("workspaces", get_session(), region, connect_seconds=1, read_seconds=1)
