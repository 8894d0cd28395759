"""DynamoDB's operations without boto3's client: botocore signs and urllib3 posts, at half the processor's time.

Making the client costs a cold start 65 ms, and each of its calls goes through some hundred functions; a login makes a
dozen of them. Requests, answers and errors are boto3's own; so are the endpoint, the credentials and whom to trust;
and who listens for boto3's requests ("before-send": recorders, moto) hears of these, too, and may answer them.
"""

import base64
import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.httpsession import get_cert_path
from botocore.parsers import JSONParser, ResponseParserError
from botocore.session import Session
from botocore.utils import get_environ_proxies
from urllib3 import exceptions as trouble

API = "DynamoDB_20120810"

ENDPOINT = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL")
"""Where botocore looks for another endpoint. https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html"""

UNUSUAL = ("use_fips_endpoint", "use_dualstack_endpoint", "ignore_configured_endpoint_urls")
UNUSUAL_IN_A_PROFILE = {"endpoint_url", "services"}
"""Settings that change the endpoint in ways that are botocore's own business."""


class DynamoDB:
    """The operations by boto3's names: `get_item(**request)` → answer. Raises what boto3 raises. Safe among threads."""

    def __init__(self, session: Session, region: str, *, connect_seconds: float, read_seconds: float) -> None:
        self._session = session
        self._region = region
        self._url = endpoint(session, region)
        patience = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        self._http = _connections(self._url, session.get_config_variable("ca_bundle"), patience)

    def __getattr__(self, operation: str) -> Any:
        return partial(self._call, "".join(word.title() for word in operation.split("_")))

    def _call(self, operation: str, **request: Any) -> Any:
        asked = self._signed(operation, json.dumps(request, default=_binary).encode())
        answer = self._session.emit_first_non_none_response(f"before-send.dynamodb.{operation}", request=asked)
        if answer is None:
            status, headers, body = self._posted(asked)
        else:
            status, headers, body = answer.status_code, answer.headers, answer.content
        if status != 200:
            raise _refused(operation, status, headers, body)
        try:
            return json.loads(body, object_hook=_value)
        except ValueError as error:  # a proxy's page, it may be
            raise ResponseParserError(f"{operation} was not answered in JSON") from error

    def _signed(self, operation: str, body: bytes) -> AWSPreparedRequest:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"{API}.{operation}"}
        request = AWSRequest("POST", self._url, headers=headers, data=body)
        SigV4Auth(credentials.get_frozen_credentials(), "dynamodb", self._region).add_auth(request)
        return AWSPreparedRequest("POST", self._url, request.headers, body, stream_output=False)

    def _posted(self, asked: AWSPreparedRequest) -> tuple[int, Any, bytes]:
        headers = dict(asked.headers.items())
        try:
            answer = self._http.urlopen(
                "POST", self._url, body=asked.body, headers=headers, redirect=False, retries=False
            )
        except trouble.NewConnectionError as error:
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from error
        except trouble.ConnectTimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._url, error=error) from error
        except trouble.ReadTimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url, error=error) from error
        except trouble.ProtocolError as error:
            raise ConnectionClosedError(endpoint_url=self._url, error=error) from error
        except trouble.HTTPError as error:
            raise HTTPClientError(error=error) from error
        return answer.status, answer.headers, answer.data


def _connections(url: str, ca_bundle: str | None, timeout: urllib3.Timeout) -> urllib3.PoolManager:
    trusted = get_cert_path(ca_bundle or True)
    where = "ca_cert_dir" if Path(trusted).is_dir() else "ca_certs"
    how: dict[str, Any] = {"maxsize": 32, "timeout": timeout, where: trusted}
    proxy = get_environ_proxies(url).get(url.partition(":")[0])
    return urllib3.ProxyManager(proxy, **how) if proxy else urllib3.PoolManager(**how)


def endpoint(session: Session, region: str) -> str:
    """The URL that boto3's client would ask; from one only where the settings are unusual."""
    unusual = any(session.get_config_variable(name) for name in UNUSUAL)
    if unusual or UNUSUAL_IN_A_PROFILE & session.get_scoped_config().keys():
        found = str(session.create_client("dynamodb", region_name=region).meta.endpoint_url)
    else:
        found = next(filter(None, map(os.environ.get, ENDPOINT)), "") or _published(session, region)
    return found if found.endswith("/") else found + "/"


def _published(session: Session, region: str) -> str:
    for partition in session.get_data("partitions")["partitions"]:
        if re.match(partition["regionRegex"], region):
            return f"https://dynamodb.{region}.{partition['outputs']['dnsSuffix']}"
    return f"https://dynamodb.{region}.amazonaws.com"


def _binary(value: Any) -> str:
    """A `{"B": bytes}` as it travels."""
    return base64.b64encode(value).decode()


def _value(found: dict[str, Any]) -> dict[str, Any]:
    return {"B": base64.b64decode(found["B"])} if isinstance(found.get("B"), str) else found


def _refused(operation: str, status: int, headers: Any, body: bytes) -> ClientError:
    try:
        said = JSONParser().parse({"status_code": status, "headers": headers, "body": body}, None)
    except (AttributeError, KeyError, TypeError, ValueError):  # JSON, but none of DynamoDB's
        said = {"Error": {"Code": str(status), "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, operation)
