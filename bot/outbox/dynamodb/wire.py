"""DynamoDB's calls without boto3's way there: one signed JSON post each, at a third of the processor's time.

boto3 builds a request through some hundred functions; a login costs a dozen calls, so that was most of what a login
cost. What boto3 knows is still asked of it: the endpoint, the region, the credentials, whom to trust; and who listens
for its requests ("before-send": recorders, moto) hears of these, too, and may answer them. Behind a proxy, boto3 does
all of it.
"""

import hashlib
import hmac
import json
import ssl
import weakref
from datetime import UTC, datetime
from functools import lru_cache, partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.client import BaseClient
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies
from urllib3.util.wait import wait_for_read

from bot.aws import CONNECT_SECONDS, READ_SECONDS, Aws

API = "DynamoDB_20120810"


def directly(client: Any, aws: Aws) -> Any:
    """What answers as `client` does, for the calls that the outbox makes: directly, where that is possible."""
    if not isinstance(client, BaseClient) or get_environ_proxies(client.meta.endpoint_url):
        return client
    return Wire(client, aws)


class Wire:
    """The client's operations by name: `get_item(**request)` → answer. Raises what boto3 raises. Safe among threads."""

    def __init__(self, client: BaseClient, aws: Aws) -> None:
        endpoint = urlsplit(client.meta.endpoint_url)
        self._aws = aws
        self._host, self._path = endpoint.netloc, endpoint.path or "/"
        self._url = f"{endpoint.scheme}://{self._host}{self._path}"
        self._region = client.meta.region_name
        self._events = client.meta.events
        self._connect: partial[HTTPConnection] = partial(HTTPConnection, endpoint.netloc, timeout=CONNECT_SECONDS)
        if endpoint.scheme == "https":
            trusted = aws.setting("ca_bundle") or get_cert_path(verify=True)
            context = ssl.create_default_context(**{"capath" if Path(trusted).is_dir() else "cafile": trusted})
            self._connect = partial(HTTPSConnection, endpoint.netloc, timeout=CONNECT_SECONDS, context=context)
        self._idle: list[HTTPConnection] = []
        weakref.finalize(self, _close, self._idle)

    def __getattr__(self, operation: str) -> Any:
        return partial(self._call, "".join(word.title() for word in operation.split("_")))

    def _call(self, operation: str, **request: Any) -> Any:
        body = json.dumps(request).encode()
        status, answer = self._answered(operation, body, self._headers(operation, body))
        if status == 200:
            return json.loads(answer)
        raise _refused(operation, status, answer)

    def _headers(self, operation: str, body: bytes) -> dict[str, str]:
        credentials = self._aws.credentials()
        if credentials is None:
            raise NoCredentialsError
        keys = credentials.get_frozen_credentials()
        signed = {"host": self._host, "x-amz-date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"}
        if keys.token:
            signed["x-amz-security-token"] = keys.token
        signed["x-amz-target"] = f"{API}.{operation}"
        proof = authorization(signed, self._path, body, keys.access_key, keys.secret_key, self._region)
        return signed | {"content-type": "application/x-amz-json-1.0", "authorization": proof}

    def _answered(self, operation: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        heard = AWSPreparedRequest("POST", self._url, headers, body, stream_output=False)
        _, answer = self._events.emit_until_response(f"before-send.dynamodb.{operation}", request=heard)
        if answer is not None:
            return answer.status_code, answer.content
        connection = self._open()
        try:
            connection.request("POST", self._path, body, headers)
            response: HTTPResponse = connection.getresponse()
            said = response.status, response.read()
        except TimeoutError as error:
            connection.close()
            raise ReadTimeoutError(endpoint_url=self._url, error=error) from None
        except (OSError, HTTPException) as error:
            connection.close()
            raise ConnectionClosedError(endpoint_url=self._url, error=error, request=None) from None
        self._idle.append(connection)
        return said

    def _open(self) -> HTTPConnection:
        """One that is idle and that nobody closed meanwhile (Lambda sleeps between calls), or a new one."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took the last
                break
            if connection.sock is not None and not wait_for_read(connection.sock, timeout=0.0):
                return connection
            connection.close()
        connection = self._connect()
        try:
            connection.connect()
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._url, error=error) from None
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from None
        connection.sock.settimeout(READ_SECONDS)
        return connection


def _close(connections: list[HTTPConnection]) -> None:
    for connection in connections:
        connection.close()


def authorization(  # noqa: PLR0917 - the parts of AWS's signature, version 4
    signed: dict[str, str], path: str, body: bytes, access_key: str, secret_key: str, region: str
) -> str:
    """The header that proves who asks. `signed` are lower-case headers in alphabetical order, x-amz-date among them.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    names, when = ";".join(signed), signed["x-amz-date"]
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    asked = f"POST\n{path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{when[:8]}/{region}/dynamodb/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
    signature = hmac.digest(_signing_key(secret_key, scope), text.encode(), "sha256").hex()
    return f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"


@lru_cache(maxsize=4)
def _signing_key(secret_key: str, scope: str) -> bytes:
    """Of a day, a region and a service."""
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _refused(operation: str, status: int, answer: bytes) -> ClientError:
    try:
        said = json.loads(answer)
        error = {
            "Code": str(said["__type"]).rpartition("#")[2],
            "Message": str(said.get("message") or said.get("Message") or ""),
        }
    except (ValueError, KeyError, TypeError, AttributeError):  # a balancer's page, it may be
        error = {"Code": str(status), "Message": ""}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)
