"""What a sender is: one payload out, one verdict back. It never loops, sleeps, retries or logs.

A verdict says what is known, never more:

    sent                 the provider took it
    again(after)         the provider did not take it (429, 5xx, refused); `after` seconds where it said so,
                         `throttled` where it was because of too many posts (429): then all its channel has to wait
    unsure               it may have been taken (timeout or reset after the request went out)
    dead("payload")      this card will never be taken (400, 413)
    dead("destination")  no card will be taken until somebody mends something (401, 403, 404, 410)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol, Self

from bot.aws import Aws
from bot.secrets import Secrets

SEND_SECONDS = 8.0
"""The longest that one send may take from first byte to last: providers answer in well under a second."""


class Outcome(StrEnum):
    SENT = "sent"
    AGAIN = "again"
    UNSURE = "unsure"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one send. `reason` is one short line for operators: no secret, no card."""

    outcome: Outcome
    reason: str = ""
    after: float | None = None
    blames: Literal["payload", "destination"] | None = None
    throttled: bool = False

    @classmethod
    def sent(cls, reason: str = "") -> Self:
        return cls(Outcome.SENT, reason)

    @classmethod
    def again(cls, reason: str, after: float | None = None, *, throttled: bool = False) -> Self:
        """Nothing was taken. `after` is the provider's own wish in seconds (≥ 0), None where it had none.

        `throttled`: there were too many posts, whatever was on them. The channel is left alone for a while.
        """
        return cls(Outcome.AGAIN, reason, after=after, throttled=throttled)

    @classmethod
    def unsure(cls, reason: str) -> Self:
        return cls(Outcome.UNSURE, reason)

    @classmethod
    def dead(cls, reason: str, blames: Literal["payload", "destination"]) -> Self:
        return cls(Outcome.DEAD, reason, blames=blames)


@dataclass(frozen=True, slots=True)
class Tools:
    """What a sender may reach for. Nothing is opened until it is used."""

    secrets: Secrets
    aws: Aws
    trusted_hosts: tuple[str, ...] = ()


class Sender(Protocol):
    """Posts payloads to one destination. One file, one line in the registry (`bot/senders/__init__.py`).

    `Settings` is a frozen, keyword-only dataclass: the keys that a destination of this type may have in the routing
    file. Its annotations are checked with pydantic; `SecretRef` marks a key whose value must be a reference;
    a ValueError from `__post_init__` becomes a mistake at the destination's line.
    """

    Settings: ClassVar[type[Any]]
    takes: ClassVar[frozenset[str]]
    """The kinds of payload that it can post; a formatter's `makes` must be among them."""
    formatter: ClassVar[str]
    """The formatter used where the destination names none."""
    examples: ClassVar[tuple[Mapping[str, Any], ...]]
    """Settings as an operator would write them, one for each way to post. The contract tests run every one of them."""

    def __init__(self, settings: Any, tools: Tools) -> None: ...

    def send(self, payload: Mapping[str, Any], *, timeout: float) -> Verdict:
        """Post once, within `timeout` seconds in all. Never raises for anything that a provider can do."""

    def refresh(self) -> None:
        """Forget what was read of secrets, so that the next send reads them afresh."""
