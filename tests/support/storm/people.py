"""Everybody in the simulated world: the number of a login gives its person, desk and event, and cards are read back."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

ACCOUNT, REGION = "123456789012", "eu-west-1"
PLATFORMS = ("Windows", "OSX", "Web", "Linux", "iOS")
AWS_DELAY = 9.0
"""Seconds between a login and its event: AWS's own samples have 6 to 22."""

_NAMED = re.compile(r"\b(?:user|ws)-0(\d{8})\b")


def user(number: int) -> str:
    return f"user-{number:09}"


def desk(number: int) -> str:
    return f"ws-{number:09}"


def number_of(workspace_id: str) -> int:
    return int(workspace_id.removeprefix("ws-"))


def event(number: int, emitted_at: float, directory: str) -> str:
    """The login of person `number`, as EventBridge puts it on a queue."""
    emitted = datetime.fromtimestamp(emitted_at, UTC)
    return json.dumps(
        {
            "version": "0",
            "id": f"4f2a6c1e-9a53-4f0b-8d7e-{number:012}",
            "detail-type": "WorkSpaces Access",
            "source": "aws.workspaces",
            "account": ACCOUNT,
            "time": f"{emitted:%Y-%m-%dT%H:%M:%SZ}",
            "region": REGION,
            "resources": [],
            "detail": {
                "clientIpAddress": f"198.51.100.{number % 250 + 1}",
                "actionType": "successfulLogin",
                "workspacesClientProductName": "WorkSpaces Desktop client",
                "loginTime": (emitted - timedelta(seconds=AWS_DELAY)).isoformat(timespec="milliseconds")[:-6] + "Z",
                "clientPlatform": PLATFORMS[number % len(PLATFORMS)],
                "directoryId": f"domain/{directory}",
                "workspaceId": desk(number),
                "clientVersion": "5.23.0.1234",
            },
        }
    )


def named_on_slack(message: Mapping[str, Any]) -> list[int]:
    """The logins that a message tells of, one for each row: those of its lists, or the one of its headline."""
    lists = [
        part for block in message["blocks"] for part in block.get("elements", []) if part["type"] == "rich_text_list"
    ]
    rows = [row["elements"][0]["text"] for part in lists for row in part["elements"]]
    return _numbers(rows or [message["blocks"][0]["text"]["text"]])


def named_on_teams(message: Mapping[str, Any]) -> list[int]:
    (attachment,) = message["attachments"]
    headline, *rest = attachment["content"]["body"]
    rows = [fact["title"] for part in rest if part["type"] == "FactSet" for fact in part["facts"]]
    return _numbers(rows) or _numbers([headline["text"]])


def named_in_mail(message: str) -> list[int]:
    """From the text that mailboxes get."""
    text: str = json.loads(message)["email"]
    rows = [line for line in text.splitlines() if line.startswith("- ")]
    return _numbers(rows or text.splitlines()[:1])


def _numbers(texts: list[str]) -> list[int]:
    return [int(found.group(1)) for text in texts if (found := _NAMED.search(text))]
