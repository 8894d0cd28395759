"""AWS's services that speak JSON, without boto3's clients: botocore signs, http.client posts, at a third of the cost.

Making a client costs a cold start 65 ms, and each of its calls goes through some hundred functions; a login makes a
dozen of them. Requests, answers and errors are boto3's own; so are the endpoint, the credentials and whom to trust;
and who listens for boto3's requests ("before-send": recorders, moto) hears of these, too, and may answer them.
"""

import base64
import json
import os
import re
import ssl
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.parsers import JSONParser, ResponseParserError
from botocore.session import Session
from botocore.utils import get_environ_proxies, validate_region_name

from bot.connections import Connections
from bot.tls import tls


@dataclass(frozen=True, slots=True)
class Protocol:
    """What botocore's model of a service says of its protocol, and its id as the environment spells it."""

    prefix: str
    version: str
    id: str

    @property
    def endpoints(self) -> tuple[str, str]:
        """Where another endpoint is set: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html."""
        return f"AWS_ENDPOINT_URL_{self.id}", "AWS_ENDPOINT_URL"


SERVICES = {
    "dynamodb": Protocol("DynamoDB_20120810", "1.0", "DYNAMODB"),
    "secretsmanager": Protocol("secretsmanager", "1.1", "SECRETS_MANAGER"),
    "ssm": Protocol("AmazonSSM", "1.1", "SSM"),
    "workspaces": Protocol("WorkspacesService", "1.1", "WORKSPACES"),
}
"""The services that a login may need. No answer that is read of theirs holds anything but JSON's own types."""

UNUSUAL = ("use_fips_endpoint", "use_dualstack_endpoint", "ignore_configured_endpoint_urls")
UNUSUAL_IN_A_PROFILE = {"endpoint_url", "services"}
"""Settings that change the endpoint in ways that are botocore's own business."""


def directly(
    name: str, session: Session, region: str, *, connect_seconds: float, read_seconds: float
) -> "JsonService | None":
    """None where boto3's own client does better: for services of another protocol, and behind a proxy.

    Raises InvalidRegionError.
    """
    if name not in SERVICES:
        return None
    url = endpoint(name, session, region)
    if get_environ_proxies(url).get(url.partition(":")[0]):
        return None
    return JsonService(name, session, region, url, connect_seconds=connect_seconds, read_seconds=read_seconds)


class JsonService:
    """The operations by boto3's names: `get_item(**request)` → answer. Raises what boto3 raises. Safe among threads."""

    def __init__(
        self, name: str, session: Session, region: str, url: str, *, connect_seconds: float, read_seconds: float
    ) -> None:
        self._name = name
        self._session = session
        self._region = region
        self._url = url
        trusted = _trusting(session.get_config_variable("ca_bundle"))
        self._connections = Connections(self._url, trusted, connect_seconds=connect_seconds, read_seconds=read_seconds)

    def __getattr__(self, operation: str) -> Any:
        return partial(self._call, "".join(word.title() for word in operation.split("_")))

    def _call(self, operation: str, **request: Any) -> Any:
        asked = self._signed(operation, json.dumps(request, default=_binary).encode())
        heard = self._session.emit_first_non_none_response(f"before-send.{self._name}.{operation}", request=asked)
        if heard is None:
            answer = self._connections.post(dict(asked.headers.items()), asked.body)
            status, headers, body = answer.status, answer.headers, answer.body
        else:
            status, headers, body = heard.status_code, heard.headers, heard.content
        if status != 200:
            raise _refused(operation, status, headers, body)
        return _said(operation, body)

    def _signed(self, operation: str, body: bytes) -> AWSPreparedRequest:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        protocol = SERVICES[self._name]
        headers = {
            "Content-Type": f"application/x-amz-json-{protocol.version}",
            "X-Amz-Target": f"{protocol.prefix}.{operation}",
        }
        request = AWSRequest("POST", self._url, headers=headers, data=body)
        SigV4Auth(credentials.get_frozen_credentials(), self._name, self._region).add_auth(request)
        return AWSPreparedRequest("POST", self._url, request.headers, body, stream_output=False)


@lru_cache(maxsize=4)
def _trusting(ca_bundle: str | None) -> ssl.SSLContext:
    """A list that somebody named for AWS; else the bot's own, or botocore's where the system seems to have none."""
    if not ca_bundle and tls().cert_store_stats()["x509_ca"]:
        return tls()
    trusted = get_cert_path(ca_bundle or True)
    return ssl.create_default_context(**{"capath" if Path(trusted).is_dir() else "cafile": trusted})


def endpoint(name: str, session: Session, region: str) -> str:
    """The URL that boto3's client would ask; from one only where the settings are unusual.

    Raises InvalidRegionError: an event may name any region.
    """
    validate_region_name(region)
    unusual = any(session.get_config_variable(name) for name in UNUSUAL)
    if unusual or UNUSUAL_IN_A_PROFILE & session.get_scoped_config().keys():
        found = str(session.create_client(name, region_name=region).meta.endpoint_url)
    else:
        named = next(filter(None, map(os.environ.get, SERVICES[name].endpoints)), "")
        found = named or _published(name, session, region)
    return found if found.endswith("/") else found + "/"


def _published(name: str, session: Session, region: str) -> str:
    for partition in session.get_data("partitions")["partitions"]:
        if re.match(partition["regionRegex"], region):
            return f"https://{name}.{region}.{partition['outputs']['dnsSuffix']}"
    return f"https://{name}.{region}.amazonaws.com"


def _binary(value: Any) -> str:
    """A `{"B": bytes}` as it travels."""
    return base64.b64encode(value).decode()


def _value(found: dict[str, Any]) -> dict[str, Any]:
    return {"B": base64.b64decode(found["B"])} if isinstance(found.get("B"), str) else found


def _said(operation: str, body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body, object_hook=_value)
    except ValueError as error:  # a proxy's page, it may be
        raise ResponseParserError(f"{operation} was not answered in JSON") from error
    if not isinstance(said, dict):
        raise ResponseParserError(f"{operation} was not answered by a JSON object")
    return said


def _refused(operation: str, status: int, headers: Any, body: bytes) -> ClientError:
    try:
        said = JSONParser().parse({"status_code": status, "headers": headers, "body": body}, None)
    except (AttributeError, KeyError, TypeError, ValueError):  # JSON, but none of AWS's
        said = {"Error": {"Code": str(status), "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, operation)
