"""References to secrets (`env:`, `ssm:`, `secretsmanager:`) and their values: read late, cached, never shown."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Self

from bot.aws import Aws, NoRegionError
from bot.clock import Clock

SCHEMES = ("env", "ssm", "secretsmanager")
KEPT_SECONDS = 300.0

_NAMES = {
    "env": r"[A-Za-z_][A-Za-z0-9_]*",
    "ssm": r"[A-Za-z0-9_.:/-]+",  # AWS's own characters, with `name:version` and ARNs
    "secretsmanager": r"[A-Za-z0-9/_+=.@:-]+",
}
PATTERN = rf"^(env:(?!AWS_){_NAMES['env']}|ssm:{_NAMES['ssm']}|secretsmanager:{_NAMES['secretsmanager']}(#[^#]+)?)$"
_REFERENCE = re.compile(rf"({'|'.join(SCHEMES)}):([^#]*)(?:#(.*))?")
_PASTED = re.compile(r"://|\bxox[a-z](\.[a-z]+)?-\d|\bxapp-\d|hooks\.slack")
"""What stands in a webhook's URL or at the start of a Slack token: a secret behind a scheme is still a secret."""

_PASSING = frozenset(
    {"ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "InternalServerError"}
    | {"InternalServiceError", "InternalFailure", "ServiceUnavailable", "SlowDown", "RequestTimeout"}
)
_MISSING = frozenset({"ParameterNotFound", "ParameterVersionNotFound", "ResourceNotFoundException"})


class SecretStr:
    """A secret's value. Like pydantic's class of the same name, but free to import on a cold start."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "SecretStr('**********')"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")


class SecretError(Exception):
    """A secret could not be read. The message names the reference and the cure, never a value."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is kept: `env:NAME`, `ssm:/path/name`, `secretsmanager:name` or `secretsmanager:name#key`."""

    scheme: str
    name: str
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError that says the cure and never repeats `text`, which may be a secret pasted in plain."""
        found = _REFERENCE.fullmatch(text)
        if found is None or _PASTED.search(text):
            raise ValueError(
                "must be a reference (env:NAME, ssm:/path/name or secretsmanager:name#key), never the secret itself: "
                "keep the value there, and replace it if it stood in a file"
            )
        scheme, name, key = found.group(1), found.group(2), found.group(3)
        if scheme == "env" and name.upper().startswith("AWS_"):
            raise ValueError("must not be env:AWS_…: those hold the bot's own AWS access, which no channel may get")
        if not re.fullmatch(_NAMES[scheme], name):
            raise ValueError(f"names no secret that {scheme}: could hold: {_CURES[scheme]}")
        if key is not None and (scheme != "secretsmanager" or not key.strip()):
            raise ValueError("only secretsmanager:name#key takes a #key, the name of a field in a JSON secret")
        return cls(scheme, name, key or "")

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}" + (f"#{self.key}" if self.key else "")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """In a routing file it is written as text; a SecretRef made in Python is taken as it is."""
        from pydantic_core import core_schema  # noqa: PLC0415 - this module is on the way of every cold start

        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(value if isinstance(value, str) else ""),
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": PATTERN,
            "description": "A reference to a secret: env:NAME, ssm:/path/name or secretsmanager:name#key",
        }


_CURES = {
    "env": "letters, digits and _, such as env:SLACK_WEBHOOK_URL",
    "ssm": "letters, digits and _ . - / such as ssm:/login-bot/slack/eng",
    "secretsmanager": "letters, digits and / _ + = . @ - such as secretsmanager:login-bot/slack#token",
}


class Secrets:
    """Reads references when a sender needs them, keeps values for five minutes, forgets them on demand.

    Fields of one JSON secret are read in one call. References to different secrets are not: a call for many fails whole
    where the role may not read one of them, and then one team's mistake would silence all.
    """

    def __init__(self, aws: Aws, clock: Clock, ttl: float = KEPT_SECONDS) -> None:
        self._aws = aws
        self._clock = clock
        self._ttl = ttl
        self._kept: dict[tuple[str, str], tuple[float, SecretStr]] = {}
        self._lock = Lock()

    def read(self, ref: SecretRef) -> SecretStr:
        """The value, without white space around it (editors and consoles add a newline). Raises SecretError."""
        if ref.scheme == "env":
            return _sealed(ref, os.environ.get(ref.name), "set it in the environment")
        stored = self._stored(ref)
        if not ref.key:
            return stored
        field = _field(stored.get_secret_value(), ref.key)
        if field is None:
            self.forget(ref)  # it may be there the next time
        return _sealed(ref, field, f"the secret must be a JSON object with the text field {ref.key!r}")

    def is_at_hand(self, ref: SecretRef) -> bool:
        """Whether `read` would answer at once, without asking AWS."""
        until, _ = self._kept.get((ref.scheme, ref.name), (0.0, None))
        return ref.scheme == "env" or self._clock.now() < until

    def forget(self, ref: SecretRef) -> None:
        """The next `read` of `ref`, or of another field of its secret, asks its store again."""
        with self._lock:
            self._kept.pop((ref.scheme, ref.name), None)

    def _stored(self, ref: SecretRef) -> SecretStr:
        """The whole of what is stored under the reference's name."""
        where = (ref.scheme, ref.name)
        with self._lock:
            until, value = self._kept.get(where, (0.0, None))
        if value is None or until <= self._clock.now():
            value = self._fetch(ref)
            with self._lock:
                self._kept[where] = (self._clock.now() + self._ttl, value)
        return value

    def _fetch(self, ref: SecretRef) -> SecretStr:
        if ref.scheme == "ssm":
            return _sealed(ref, self._ask(ref, self._parameter), "store it as a SecureString")
        return _sealed(ref, self._ask(ref, self._secret), "store it as a secret string, not a binary one")

    def _parameter(self, name: str) -> str:
        return str(self._aws.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])

    def _secret(self, name: str) -> str | None:
        found = self._aws.client("secretsmanager").get_secret_value(SecretId=name)
        return None if "SecretBinary" in found else str(found["SecretString"])

    def _ask(self, ref: SecretRef, read: Callable[[str], str | None]) -> str | None:
        try:
            return read(ref.name)
        except NoRegionError as error:
            raise SecretError(f"{ref} can't be read: {error}") from None
        except Exception as error:  # noqa: BLE001 - botocore's tree and its parsers' errors have no common root but this
            problem = _explained(ref, error)
        raise problem  # outside the except: an error that holds AWS's answer must not hang on as the context


def _sealed(ref: SecretRef, value: str | None, cure: str) -> SecretStr:
    if value is None or not value.strip():
        raise SecretError(f"{ref} is {'missing' if value is None else 'empty'}: {cure}")
    return SecretStr(value.strip())


def _field(text: str, key: str) -> str | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    value = found.get(key) if isinstance(found, dict) else None
    return value if isinstance(value, str) else None


def _explained(ref: SecretRef, error: Exception) -> SecretError:
    """AWS's trouble in one sentence. Its own text is left out: only its error code is known to hold no value."""
    from botocore import exceptions as aws  # noqa: PLC0415 - whoever gets here has imported it

    if isinstance(error, (aws.NoCredentialsError, aws.PartialCredentialsError)):
        return SecretError(f"{ref} can't be read: no AWS credentials; log in, or give the function a role")
    if not isinstance(error, aws.ClientError):
        return SecretError(f"{ref} can't be read: AWS did not answer ({type(error).__name__})")
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    shown = re.sub(r"[^A-Za-z0-9]", "", code)[:60] or f"status {status}"
    if code in _MISSING:
        return SecretError(f"{ref} is missing ({shown}): create it in the bot's own account and region")
    if code in _PASSING or status >= 500 or status == 429:
        return SecretError(f"{ref} can't be read now: AWS said {shown}")
    return SecretError(f"{ref} can't be read: AWS said {shown}; may the bot's role read and decrypt it?")
