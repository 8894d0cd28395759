"""DynamoDB's calls on the wire: signed as botocore signs, answered and failing as boto3's client does."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from moto import mock_aws

from bot.aws import Aws
from bot.outbox.dynamodb import wire
from bot.outbox.dynamodb.wire import Wire, authorization, directly
from tests.support.aws import CREDENTIALS, REGION
from tests.support.outbox_table import SmallTable

KEY = {"PK": {"S": "groups"}, "SK": {"S": "ops · ö"}}


class Server(ThreadingHTTPServer):
    """Answers each post with the next of `answers`, (status, body) or None for a line that is cut; then with `{}`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, bytes] | None] = []
        self.posts: list[tuple[dict[str, str], Any]] = []
        self.connections: set[tuple[str, int]] = set()
        self.is_silent = False

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
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])

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
    aws = Aws()
    return directly(aws.client("dynamodb"), aws)


@pytest.mark.parametrize("token", ["", CREDENTIALS["AWS_SESSION_TOKEN"]], ids=["own keys", "a role's keys"])
def test_a_call_is_signed_as_botocore_signs_it(token: str) -> None:
    url, body = "https://dynamodb.eu-west-1.amazonaws.com/", b'{"TableName":"t"}'
    request = AWSRequest("POST", url, headers={"X-Amz-Target": f"{wire.API}.GetItem"}, data=body)
    SigV4Auth(Credentials("AKIAEXAMPLE", "made-up", token or None), "dynamodb", REGION).add_auth(request)
    signed = {"host": urlsplit(url).netloc, "x-amz-date": request.context["timestamp"]}
    signed |= {"x-amz-security-token": token} if token else {}
    signed |= {"x-amz-target": f"{wire.API}.GetItem"}
    proof = authorization(signed, "/", body, "AKIAEXAMPLE", "made-up", REGION)
    assert proof == request.headers["Authorization"]


def test_a_call_is_one_post_and_its_answer_comes_as_it_is(client: Any, server: Server) -> None:
    server.answers = [(200, '{"Item": {"PK": {"S": "中村"}}}'.encode())]
    assert client.get_item(TableName="t", Key=KEY, ConsistentRead=True) == {"Item": {"PK": {"S": "中村"}}}
    ((headers, body),) = server.posts
    assert body == {"TableName": "t", "Key": KEY, "ConsistentRead": True}
    assert headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert headers["x-amz-security-token"] == CREDENTIALS["AWS_SESSION_TOKEN"]
    assert f"/{datetime.now(UTC):%Y%m}" in headers["authorization"]
    assert not any(CREDENTIALS["AWS_SECRET_ACCESS_KEY"] in value for value in headers.values())


REFUSALS = {
    "a condition": (400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}'),
    "throttled": (400, b'{"__type":"com.amazon.coral.availability#ThrottlingException","message":"slow"}'),
    "of the house": (500, b'{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"no"}'),
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_is_the_error_that_boto3_raises(server: Server, answer: tuple[int, bytes]) -> None:
    aws = Aws()
    raised = []
    for client in (directly(aws.client("dynamodb"), aws), aws.client("dynamodb")):
        server.answers = [answer]
        with pytest.raises(ClientError) as error:
            client.get_item(TableName="t", Key=KEY)
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
    client.get_item(TableName="t", Key=KEY)
    (connection,) = client._idle
    connection.sock.shutdown(socket.SHUT_RD)  # as if the other side had closed
    assert client.get_item(TableName="t", Key=KEY) == {}
    assert len(server.connections) == 2


def test_a_silent_table_is_waited_for_no_longer_than_others(
    client: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "READ_SECONDS", 0.05)
    server.is_silent = True
    with pytest.raises(ReadTimeoutError):
        client.get_item(TableName="t", Key=KEY)


def test_a_table_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
        monkeypatch.setenv(name, value)
    aws = Aws()
    with pytest.raises(EndpointConnectionError, match=str(port)):
        directly(aws.client("dynamodb"), aws).get_item(TableName="t", Key=KEY)


def test_without_credentials_nothing_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    aws = Aws()
    with pytest.raises(NoCredentialsError):
        directly(aws.client("dynamodb"), aws).get_item(TableName="t", Key=KEY)
    assert server.posts == []


def test_who_listens_for_botos_requests_may_answer_these(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        aws = Aws()
        client = aws.client("dynamodb")
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            directly(client, aws).get_item(TableName="t", Key=KEY)


def test_behind_a_proxy_and_for_a_client_that_is_not_botos_nothing_is_changed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws, table = Aws(), SmallTable()
    assert directly(table, aws) is table
    assert isinstance(directly(aws.client("dynamodb"), aws), Wire)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    assert directly(aws.client("dynamodb"), aws) is aws.client("dynamodb")
