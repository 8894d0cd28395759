"""Where people of an AWS account are looked up: with the bot's own credentials, or with a role in that account.

Which role, and with which external id, says the routing file alone; an event names only its account and its region.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.aws import Aws, Keys
from bot.clock import Clock
from bot.config import Account
from bot.events import NameGap
from bot.names import Place
from bot.secrets import SecretError, Secrets

SESSION = "login-bot"
"""What the other account's log calls the bot."""

EARLY_SECONDS = 300.0
"""A session this near to its end is not begun with; STS lets one last an hour (AssumeRole, API reference)."""

_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


class RoleError(Exception):
    """A role could not be taken on; the message names it and the cure, and `gap` is what its people's names lack."""

    def __init__(self, gap: NameGap, text: str) -> None:
        self.gap = gap
        super().__init__(text)


@dataclass(slots=True)
class _Session:
    """A role that was taken on: its keys, when they end, and the clients that have them, by region."""

    keys: Keys
    ends: float
    clients: dict[str, Any]


class Accounts:
    """WorkSpaces clients, one for each account and region. `accounts` are those that the routing file names."""

    def __init__(self, accounts: Mapping[str, Account], aws: Aws, secrets: Secrets, clock: Clock) -> None:
        self._accounts = accounts
        self._aws = aws
        self._secrets = secrets
        self._clock = clock
        self._sessions: dict[str, _Session] = {}

    def workspaces(self, place: Place) -> Any:
        """The client for a place; one of an account without a role has the bot's own credentials. Raises RoleError."""
        account, region = place
        if (known := self._accounts.get(account)) is None:
            return self._aws.client("workspaces", region=region or None)
        session = self._sessions.get(account)
        if session is None or self._clock.now() >= session.ends - EARLY_SECONDS:
            session = self._sessions[account] = self._taken_on(known)
        if region not in session.clients:
            session.clients[region] = self._aws.client_with(session.keys, "workspaces", region=region or None)
        return session.clients[region]

    def forget(self, account: str) -> None:
        """Take its role on afresh the next time: the session may have been revoked, or its external id changed."""
        self._sessions.pop(account, None)
        if (known := self._accounts.get(account)) is not None and known.external_id is not None:
            self._secrets.forget(known.external_id)

    def _taken_on(self, account: Account) -> _Session:
        asked = {"RoleArn": account.role_arn, "RoleSessionName": SESSION}
        if account.external_id is not None:
            try:
                asked["ExternalId"] = self._secrets.read(account.external_id).get_secret_value()
            except SecretError as error:
                raise RoleError(NameGap.DENIED, str(error)) from None
        try:
            given = self._aws.client("sts").assume_role(**asked)["Credentials"]
        except Exception as error:  # noqa: BLE001 - botocore's tree has no common root; its text may hold the external id
            problem = _explained(account.role_arn, error)
        else:
            keys = Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
            return _Session(keys, given["Expiration"].timestamp(), {})
        raise problem  # outside the except: an error that holds what was asked must not hang on as the context


def _explained(role_arn: str, error: Exception) -> RoleError:
    answer = getattr(error, "response", None) or {}
    code = str(answer.get("Error", {}).get("Code") or type(error).__name__)
    shown = re.sub(r"[^A-Za-z0-9]", "", code)[:60]
    if code in _DENIED:
        cure = "may the bot's role assume it, and does it trust the bot's role with this external id?"
        return RoleError(NameGap.DENIED, f"{shown} for {role_arn}: {cure}")
    return RoleError(NameGap.UNREACHABLE, f"{shown} for {role_arn}: STS did not give the role")
