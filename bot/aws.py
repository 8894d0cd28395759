"""boto3 clients: made when first used, once per service and region, with short timeouts and a closed mouth."""

import logging
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
CALL_SECONDS = CONNECT_SECONDS + READ_SECONDS
"""The longest that a call takes: who must be done by a time begins none later than so long before it."""


NO_REGION = "no AWS region for {}: set AWS_DEFAULT_REGION"


class NoRegionError(Exception):
    """Nothing says which region to ask; the message names the cure."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials that are not the bot's own: of a role that it took on. No repr shows them."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str = field(repr=False)


class Aws:
    """One per process. Endpoints, credentials and the home region come from botocore's own environment."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._lock = Lock()
        self._session: Any = None
        self._boto3: Any = None

    def client(self, service: str, *, region: str | None = None) -> Any:
        """A thread-safe boto3 client. botocore's retries are off: who calls decides what may be said twice.

        Without `region` it is the home region's. Raises NoRegionError where there is none. DynamoDB, SSM,
        Secrets Manager and WorkSpaces are asked more directly (json_services.py), and answer alike.
        """
        with self._lock:  # making one is not thread-safe, and costs too much to be done twice
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._directly(service, region) or self._made(service, region)
            return self._clients[key]

    def client_with(self, keys: Keys, service: str, *, region: str | None) -> Any:
        """A client of its own with somebody else's `keys`: whoever asked for it keeps it."""
        with self._lock:
            return self._made(
                service,
                region,
                aws_access_key_id=keys.access_key,
                aws_secret_access_key=keys.secret_key,
                aws_session_token=keys.token,
            )

    def credentials(self) -> Any:
        """Botocore's credentials of the process; None where there are none."""
        return self._session_of().get_credentials()

    def _session_of(self) -> Any:
        from botocore.session import get_session  # noqa: PLC0415 - see _made

        self._session = self._session or get_session()
        return self._session

    def _directly(self, service: str, region: str | None) -> Any:
        from bot.json_services import directly  # noqa: PLC0415 - see _made

        session = self._session_of()
        region = region or session.get_config_variable("region")
        if not region:
            raise NoRegionError(NO_REGION.format(service))
        _hush()
        return directly(service, session, region, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS)

    def _made(self, service: str, region: str | None, **keys: str) -> Any:
        import boto3  # noqa: PLC0415 - costs a cold start 170 ms, and a laptop with webhooks alone never needs it
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import NoRegionError as Unknown  # noqa: PLC0415

        # One for all clients: each adds boto3's own methods to S3's, and with those of two S3's can't be made.
        self._boto3 = self._boto3 or boto3.Session(botocore_session=self._session_of())
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=32,
        )
        _hush()
        try:
            made = self._boto3.client(service, region_name=region, config=config, **keys)
        except Unknown:
            raise NoRegionError(NO_REGION.format(service)) from None
        _hush()  # once more: making a client may import what was not there before
        return made


def _hush() -> None:
    """Keep botocore's small talk to itself: at DEBUG it prints answers (a secret's value) and session tokens.

    A filter on each of its loggers, for neither a level nor a handler that somebody sets later goes past it.
    """
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("boto3", "botocore"):
            logging.getLogger(name).addFilter(_matters)


def _matters(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
