"""Amazon WorkSpaces on loopback: a fleet of desks that answers DescribeWorkspaces and shows how it was asked."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest

from bot.accounts import Accounts
from bot.aws import Aws
from bot.clock import Clock
from bot.secrets import Secrets
from tests.support.providers import Answer, Provider, Request

T = TypeVar("T")

AWS_PATTERN = re.compile(r"ws-[0-9a-z]{8,63}")


class Fleet(Provider):
    """`desks` maps a WorkSpace id to what AWS knows of it.

    `calls` holds the ids of each call that named some, `pages` the token of each call for a page of all.
    """

    def __init__(self) -> None:
        super().__init__(self._describe, path="/")
        self.desks: dict[str, dict[str, Any]] = {}

    def begin_anew(self, **users: str) -> None:
        """Forget every call, and have a desk for each user: `ws_alice0001="alice"` is ws-alice0001."""
        self.desks = {id_.replace("_", "-"): {"UserName": user} for id_, user in users.items()}
        self.rule = self._describe
        with self._lock:
            self._script.clear()
            self._requests.clear()

    @property
    def calls(self) -> list[list[str]]:
        return [request.json["WorkspaceIds"] for request in self.posts if "WorkspaceIds" in request.json]

    @property
    def pages(self) -> list[str]:
        return [request.json.get("NextToken", "") for request in self.posts if "WorkspaceIds" not in request.json]

    @property
    def regions(self) -> list[str]:
        """Which region each call was signed for."""
        return [request.headers["authorization"].split("/")[2] for request in self.posts]

    def _describe(self, request: Request) -> Answer:
        if "WorkspaceIds" not in request.json:
            return self._page(request.json.get("NextToken", "0"), request.json["Limit"])
        ids = request.json["WorkspaceIds"]
        if len(ids) > 25 or not all(AWS_PATTERN.fullmatch(id_) for id_ in ids):
            return refusal("ValidationException")
        found = [{"WorkspaceId": id_} | self.desks[id_] for id_ in ids if id_ in self.desks]
        return Answer(200, json.dumps({"Workspaces": found}), {"Content-Type": "application/x-amz-json-1.1"})

    def _page(self, token: str, limit: int) -> Answer:
        if not token.isdecimal():
            return refusal("InvalidParameterValuesException")
        start, ids = int(token), sorted(self.desks)
        said: dict[str, Any] = {
            "Workspaces": [{"WorkspaceId": id_} | self.desks[id_] for id_ in ids[start : start + limit]]
        }
        if start + limit < len(ids):
            said["NextToken"] = str(start + limit)
        return Answer(200, json.dumps(said), {"Content-Type": "application/x-amz-json-1.1"})


def refusal(code: str, status: int = 400) -> Answer:
    """AWS's own form of an error."""
    said = json.dumps({"__type": code, "message": "User: arn:aws:sts::123456789012:assumed-role/bot is not liked"})
    return Answer(status, said, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code})


def reach(monkeypatch: pytest.MonkeyPatch, url: str) -> Aws:
    """AWS clients whose WorkSpaces are at `url`."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "an-example-key",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_WORKSPACES": url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    return Aws()


def at_leisure(_: float, call: Callable[[], T]) -> T:
    """Lets a call take its time: a busy machine is no region that does not answer."""
    return call()


def own_account(aws: Aws, clock: Clock) -> Accounts:
    """Every account is asked with the bot's own credentials."""
    return Accounts({}, aws, Secrets(aws, clock), clock)


def hire(users: Sequence[str], region: str, account: str = "123456789012") -> list[str]:
    """A WorkSpace for each of `users` in moto's world, which its servers of this process share; their ids."""
    from moto.workspaces.models import Workspace, workspaces_backends  # noqa: PLC0415 - takes a second

    fleet = workspaces_backends[account][region].workspaces
    hired = []
    for user in users:
        wanted = {"DirectoryId": "d-9067000001", "UserName": user, "BundleId": "wsb-bh8rsxt14"}
        workspace = Workspace(wanted, "ALWAYS_ON", "", "")
        fleet[workspace.workspace_id] = workspace
        hired.append(workspace.workspace_id)
    return hired
