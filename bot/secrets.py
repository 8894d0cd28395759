"""References to secrets (`env:`, `ssm:`, `secretsmanager:`) and their values: read late, cached, never shown."""

from dataclasses import dataclass
from typing import Any, Self

SCHEMES = ("env", "ssm", "secretsmanager")


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
    """A secret could not be read. The message names the reference and the cure, never a value.

    `lasting` tells a thing that somebody must mend (missing, denied) from a passing one (throttled, offline).
    """

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is kept: `env:NAME`, `ssm:/path/name`, `secretsmanager:name` or `secretsmanager:name#key`."""

    scheme: str
    name: str
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError that says the cure and never repeats `text`, which may be a secret pasted in plain."""
        raise NotImplementedError


class Secrets:
    """Reads references when a sender needs them, keeps values for five minutes, forgets them on demand."""

    def read(self, ref: SecretRef) -> SecretStr:
        """Raises SecretError."""
        raise NotImplementedError

    def forget(self, ref: SecretRef) -> None:
        """The next `read` of `ref` asks its store again."""
        raise NotImplementedError
